/** Watching a number of each epoch: which epoch is best, when to stop, when to take smaller steps. Pure. */
import type { TrainSpec, Watched } from "../spec.ts";

/** The numbers of one epoch by name: loss, acc, val_loss … */
export type Metrics = Readonly<Record<string, number>>;

/** Less is better of losses and distances, more of accuracies. */
export function isLessBetter({ metric, mode }: Watched): boolean {
  return mode === "auto" ? !metric.endsWith("acc") : mode === "min";
}

function isBetter(
  value: number,
  than: number,
  { watch, minDelta }: { watch: Watched; minDelta: number },
): boolean {
  return isLessBetter(watch) ? value < than - minDelta : value > than + minDelta;
}

export interface Progress {
  /** Absent as long as no epoch was better than the baseline, or than nothing. */
  best?: number;
  bestEpoch?: number;
  /** Epochs since then. */
  waited: number;
}

/** The progress after one more epoch, counted from 1. A number that is not finite is never better. */
export function progressed(
  before: Progress,
  { value, epoch }: { value: number; epoch: number },
  options: { watch: Watched; minDelta: number; baseline?: number | undefined },
): Progress {
  const than = before.best ?? options.baseline;
  const better = Number.isFinite(value) && (than === undefined || isBetter(value, than, options));
  if (better) return { best: value, bestEpoch: epoch, waited: 0 };
  return { ...before, waited: before.waited + 1 };
}

/** Why training ends after this epoch, or undefined when it goes on. */
export function earlyStopReason(
  { best, bestEpoch, waited }: Progress,
  { earlyStop, epoch }: { earlyStop: TrainSpec["earlyStop"]; epoch: number },
): string | undefined {
  if (earlyStop === undefined || waited < earlyStop.patience) return undefined;
  const { metric, baseline } = earlyStop;
  const since =
    bestEpoch === undefined || best === undefined
      ? `${metric} was never better than ${baseline === undefined ? "nothing" : shortNumber(baseline)}`
      : `${metric} has not improved since epoch ${bestEpoch} (${shortNumber(best)})`;
  return `early stopping at epoch ${epoch}: ${since}`;
}

/** Four significant digits. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}

export interface PlateauState {
  progress: Progress;
  /** Epochs in which nothing is counted after a reduction. */
  cooldown: number;
  /** What the learning rate is multiplied with. */
  scale: number;
}

/** The state after one more epoch; the scale is smaller when the number has stood still for `patience` epochs. */
export function afterPlateau(
  state: PlateauState,
  { value, epoch }: { value: number; epoch: number },
  plateau: NonNullable<TrainSpec["plateau"]>,
): PlateauState {
  const progress = progressed(
    state.progress,
    { value, epoch },
    { watch: plateau, minDelta: plateau.minDelta },
  );
  if (state.cooldown > 0) {
    return { ...state, progress: { ...progress, waited: 0 }, cooldown: state.cooldown - 1 };
  }
  if (progress.waited < plateau.patience) return { ...state, progress };
  return {
    progress: { ...progress, waited: 0 },
    cooldown: plateau.cooldown,
    scale: state.scale * plateau.factor,
  };
}
