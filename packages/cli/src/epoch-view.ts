/**
 * A training on a terminal: a bar for the epoch that is learned, and a line for each that was. Pure but for the clock
 * given in.
 */
import type { Followed, JobCard } from "@smc/store";
import { show } from "@smc/store/show";
import { formatCount, formatDuration, formatNumber } from "./format.ts";
import { Rate } from "./progress.ts";

type Point = Followed["points"][number];
type Said = NonNullable<Followed["progress"]>;

const BAR_WIDTH = 16;
const NAME_SHOWN = 60;
/** Told in places of their own, or the same in every line. */
const NOT_METRICS: ReadonlySet<string> = new Set(["seconds", "lr"]);

export interface EpochView {
  /** What a program said last of where it is. */
  said(progress: Said): void;
  /** The line that is drawn again and again; undefined when there is nothing to draw. */
  live(nowMs: number): string | undefined;
  /** The line that stays. */
  epoch(point: Point, best: Followed["best"]): string;
}

export function createEpochView(): EpochView {
  const rate = new Rate();
  let last: Said | undefined;
  let lined: number | undefined;
  return {
    said: (progress) => {
      last = progress;
    },
    live: (nowMs) => {
      // What is a line is no bar any more.
      if (last === undefined || (last.epoch === lined && last.step === last.steps)) return undefined;
      const { epoch, epochs, step, steps, metrics } = last;
      const parts = [head(Math.max(1, epoch), epochs), ...stepParts(step, steps), ...metricParts(metrics)];
      const done = Math.max(0, epoch - 1) * (steps ?? 0) + step;
      const perSecond = rate.add(done, nowMs);
      if (perSecond !== undefined) parts.push(speed(perSecond));
      if (perSecond !== undefined && steps !== null && epochs !== null)
        parts.push(`${formatDuration((epochs * steps - done) / perSecond)} left`);
      return parts.join("  ");
    },
    epoch: ({ epoch, metrics }, best) => {
      lined = epoch;
      const { epochs = null, steps = null } = last ?? {};
      const { seconds } = metrics;
      return [
        head(epoch, epochs),
        ...(steps === null ? [] : stepParts(steps, steps)),
        ...(seconds === undefined ? [] : [`${seconds.toFixed(1)}s`]),
        ...metricParts(metrics),
        ...(best?.epoch === epoch ? ["*best"] : []),
      ].join("  ");
    },
  };
}

function head(epoch: number, epochs: number | null): string {
  const of = epochs === null ? "" : `/${epochs}`;
  return `Epoch ${String(epoch).padStart(epochs === null ? 3 : String(epochs).length)}${of}`;
}

function stepParts(step: number, steps: number | null): string[] {
  if (steps === null || steps === 0) return step === 0 ? [] : [`step ${step}`];
  const full = Math.min(BAR_WIDTH, Math.floor((BAR_WIDTH * step) / steps));
  const bar = `${"━".repeat(full)}${"─".repeat(BAR_WIDTH - full)}`;
  return [`${String(step).padStart(String(steps).length)}/${steps} ${bar}`];
}

function metricParts(metrics: Readonly<Record<string, number>>): string[] {
  const all = Object.entries(metrics).filter(([name]) => !NOT_METRICS.has(name));
  return all.map(([name, value]) => `${show(name, NAME_SHOWN)} ${formatNumber(value)}`);
}

function speed(perSecond: number): string {
  const ms = 1000 / perSecond;
  return ms < 1000
    ? `${formatNumber(Number(ms.toPrecision(3)))} ms/step`
    : `${(ms / 1000).toFixed(1)} s/step`;
}

/** What is trained: of the engine tfjs the settings that people look at first. */
export function trainingLine({ id, name, spec }: JobCard, said: Said): string {
  const { params } = spec;
  const told = (param: string, text: (value: string) => string): string[] => {
    const value = params[param];
    return value === undefined || value === null ? [] : [text(show(String(value), NAME_SHOWN))];
  };
  const parts = [
    `job ${name === id ? id : `${id} ${show(name, NAME_SHOWN)}`}`,
    ...told("backbone.name", (value) => value),
    ...(said.weights === null ? [] : [formatCount(said.weights, "param")]),
    ...told("batch", (value) => `batch ${value}`),
    ...told("lr", (value) => `lr ${value}`),
    ...told("optimizer.name", (value) => value),
    `(smc jobs watch ${name === id ? id : show(name, NAME_SHOWN)})`,
  ];
  return parts.join("  ");
}
