/** A run from its spec to its files. */
import { isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { afterPlateau, earlyStopReason, type Metrics, progressed, shortNumber } from "./callbacks/watch.ts";
import { hasCheckpoints, readCheckpoint, restore, writeCheckpoint } from "./checkpoints.ts";
import { classWeightsOf, scalingOf } from "./data/batches.ts";
import { type Dataset, digestOf } from "./data/dataset.ts";
import { loadData, splitData } from "./data/load.ts";
import { type BackendName, chooseBackend } from "./engine/backend.ts";
import { backbone, EXTRACTOR } from "./engine/backbones.ts";
import { type ExtractorCard, extractFeatures } from "./engine/extractor.ts";
import { Model, type NamedTensors } from "./engine/model.ts";
import { assertStepFits, learnedCount } from "./engine/network.ts";
import { type EpochEnd, judgeEpoch, learnEpoch, type Session } from "./epoch.ts";
import type { Prediction, TrainContext, TrainResult } from "./events.ts";
import { type ChosenModel, hasHistory, writeHistory, writeOutput } from "./output.ts";
import { extractorOf, resolveSpec, type TrainSpec, type Watched } from "./spec.ts";
import { NO_SUMS, startState } from "./state.ts";

/**
 * Learns a model from the samples in `inputDir` and writes it, its history and checkpoints to `outputDir`. `given` is a
 * spec as JSON data; what it leaves out has its default. The same spec and data give the same weights on the same
 * machine, also when the run was interrupted and resumed.
 *
 * Throws CONFIG_INVALID with every fault of the spec before anything is read, FILE_MALFORMED for data that name the
 * file and the row, LIMIT_EXCEEDED, ALREADY_EXISTS when `outputDir` has checkpoints and `resume` is not set, CANCELED
 * when the signal comes before the first step, and I/O errors; earlier checkpoints stay. One run at a time in a
 * process.
 */
export async function train(given: unknown, context: TrainContext): Promise<TrainResult> {
  const { outputDir, signal, onEvent } = context;
  const spec = resolveSpec(given);
  if (context.resume !== true && (await hasCheckpoints(outputDir))) {
    throw new SmcError(
      "ALREADY_EXISTS",
      `'${show(outputDir)}' has checkpoints of a run; nothing was trained`,
      {
        hint: "resume that run, or choose an empty folder",
      },
    );
  }
  try {
    onEvent({ type: "step", step: "data" });
    const data = await loadData(spec, context);
    const dataDigest = digestOf(data);
    onEvent({ type: "step", step: "model" });
    const backend = await chooseBackend(spec.backend);
    if (backend.warning !== undefined) onEvent({ type: "message", level: "warning", text: backend.warning });
    signal.throwIfAborted();
    const { data: learnable, extractor } = await featuresOf(data, spec, context);
    return await trainOn({ spec, data: learnable, dataDigest, extractor, backend: backend.name }, context);
  } catch (error) {
    if (signal.aborted && !isSmcError(error)) {
      throw new SmcError("CANCELED", "the training was canceled before its first step", { cause: error });
    }
    throw error;
  }
}

interface Prepared {
  readonly spec: TrainSpec;
  readonly data: Dataset;
  /** Of the samples as they came, before an extractor made features of them. */
  readonly dataDigest: string;
  readonly extractor: ExtractorCard | undefined;
  readonly backend: BackendName;
}

/** The samples as they are learned: of the backbone onnx their features. */
async function featuresOf(
  data: Dataset,
  spec: TrainSpec,
  { inputDir, signal, onEvent }: TrainContext,
): Promise<{ data: Dataset; extractor: ExtractorCard | undefined }> {
  if (spec.backbone.name !== EXTRACTOR) return { data, extractor: undefined };
  const made = await extractFeatures(data, extractorOf(spec), { inputDir, signal });
  const { inputShape, features } = made.card;
  const text = `${features} features of each of ${data.count} samples of ${inputShape.join(" x ")}`;
  onEvent({ type: "message", level: "info", text });
  return { data: made.data, extractor: made.card };
}

async function trainOn(prepared: Prepared, context: TrainContext): Promise<TrainResult> {
  const { spec, data, dataDigest, extractor, backend } = prepared;
  const { outputDir, onEvent } = context;
  const split = splitData(data, spec);
  assertClassesKnown(spec, data);
  const network = backbone(spec.backbone, data.shape, Math.max(1, data.classes.length));
  assertStepFits(network, Math.min(spec.batch, split.train.length));
  const classWeights = classWeightsOf(data, split.train, spec);
  const { seed, loss, optimizer } = spec;
  using model = new Model({ network, seed, loss, optimizer, classWeights });
  const scaling = scalingOf(data, split.train, spec.data.normalize);
  // A run goes on with the same features only: those of this model.
  const learned = extractor === undefined ? dataDigest : `${dataDigest} ${extractor.sha256}`;
  const run = new Run({ spec, data, split, scaling, model }, { ...context, dataDigest: learned });
  if (context.resume === true) await run.resume();
  onEvent({
    type: "ready",
    samples: { train: split.train.length, validation: split.validation.length },
    classes: data.classes.length,
    weights: learnedCount(network),
    batches: Math.ceil(split.train.length / spec.batch),
    layers: network.rows,
    backend,
    history: [...run.session.state.history],
  });
  onEvent({ type: "step", step: "train" });
  const { status, reason } = await run.toTheEnd();
  onEvent({ type: "step", step: "output" });
  const { history } = run.session.state;
  const chosen = status === "failed" ? undefined : run.chosenWeights();
  const { classes } = data;
  const outcome = { spec, network, classes, scaling, model: chosen, history, dataDigest, extractor, backend };
  const { files, metrics, modelDigest } = await writeOutput(outputDir, outcome);
  return {
    status,
    ...(reason === undefined ? {} : { reason }),
    epochs: history.length,
    ...(chosen === undefined ? {} : { modelEpoch: chosen.epoch, modelBatch: chosen.batch }),
    metrics,
    history,
    ...(modelDigest === undefined ? {} : { modelDigest }),
    data: { digest: dataDigest, train: split.train.length, validation: split.validation.length, classes },
    backend,
    files,
  };
}

function assertClassesKnown({ classWeights }: TrainSpec, { classes }: Dataset): void {
  const unknown = Object.keys(classWeights).filter((name) => !classes.includes(name));
  if (unknown.length === 0) return;
  const [there, asked] = [classes.slice(0, 20), unknown].map((names) => show(names.join(", "), 1000));
  throw new SmcError("CONFIG_INVALID", `classWeights: the data have no class ${asked}; they have ${there}`);
}

interface RunEnd {
  readonly status: TrainResult["status"];
  readonly reason?: string;
}

type RunContext = TrainContext & { readonly dataDigest: string };

/** The epochs of one run, with what happens after each. */
class Run {
  readonly session: Session;
  private readonly context: RunContext;
  /** Weights of the best epoch, where they are to be restored. */
  private best: NamedTensors | undefined;
  /** The step of the newest checkpoint. */
  private savedStep = 0;

  constructor(session: Omit<Session, "state" | "onEvent" | "stopReason">, context: RunContext) {
    const startedMs = performance.now();
    const { timeLimitMs } = session.spec;
    const stopReason = (): string | undefined => {
      if (context.signal.aborted) return "the run was stopped";
      const over = timeLimitMs !== undefined && performance.now() - startedMs >= timeLimitMs;
      return over ? `the time limit of ${timeLimitMs} ms is reached` : undefined;
    };
    this.session = { ...session, state: startState(), onEvent: context.onEvent, stopReason };
    this.context = context;
  }

  /** Goes back to the newest checkpoint, where there is one. */
  async resume(): Promise<void> {
    const { spec, model, state } = this.session;
    const snapshot = await readCheckpoint({ ...this.context, spec }, (text) => {
      this.context.onEvent({ type: "message", level: "warning", text });
    });
    if (snapshot === undefined) return;
    restore(model, snapshot);
    Object.assign(state, snapshot.state);
    this.savedStep = state.step;
    this.best = snapshot.best ?? (state.progress.bestEpoch === state.epoch ? snapshot.weights : undefined);
    this.extend();
    if (spec.schedule.name !== "cosine" || state.epoch === 0) return;
    const text = `the cosine of the learning rate ends at epoch ${spec.epochs}, also of a run that is extended`;
    this.context.onEvent({ type: "message", level: "info", text });
  }

  /** Who asks a run that stopped early for more epochs wants them: its patience begins anew. */
  private extend(): void {
    const { spec, state } = this.session;
    const { epoch, progress, epochs } = state;
    if (epochs === undefined || spec.epochs <= epochs) return;
    if (earlyStopReason(progress, { earlyStop: spec.earlyStop, epoch }) === undefined) return;
    state.progress = { ...progress, waited: 0 };
    const text = `it had stopped early at epoch ${epoch}; it is to have more epochs, so its patience begins anew`;
    this.context.onEvent({ type: "message", level: "info", text });
  }

  /** Learns until the last epoch, or until something ends it; then the newest state is in a checkpoint. */
  async toTheEnd(): Promise<RunEnd> {
    const { spec, state } = this.session;
    const begun = state.epoch;
    while (state.epoch < spec.epochs) {
      const stop = earlyStopReason(state.progress, { earlyStop: spec.earlyStop, epoch: state.epoch });
      if (stop !== undefined) {
        const text = `the patience is ${spec.earlyStop?.patience}; a larger one waits longer`;
        this.context.onEvent({ type: "message", level: "info", text });
        const isOver = state.epoch === begun;
        const reason = isOver ? `${stop}; nothing was learned since: it needs more epochs or patience` : stop;
        return this.ended({ status: "finished", reason });
      }
      const learned = await learnEpoch(this.session);
      if (learned.end !== "whole") return this.ended(endOf(learned));
      const judged = await judgeEpoch(this.session);
      if (judged.end !== "whole") return this.ended(endOf(judged));
      await this.closeEpoch(judged.metrics ?? {}, judged.predictions ?? []);
    }
    return this.ended({ status: "finished" });
  }

  private async ended(end: RunEnd): Promise<RunEnd> {
    const { state } = this.session;
    if (end.status !== "failed" && state.step > this.savedStep) await this.save();
    return end;
  }

  private async closeEpoch(metrics: Metrics, predictions: Prediction[]): Promise<void> {
    const { spec, state, model, onEvent } = this.session;
    state.epoch += 1;
    state.batch = 0;
    const { epoch } = state;
    const row = { epoch, metrics, lr: state.sums.lr, seconds: state.sums.seconds };
    state.sums = { ...NO_SUMS };
    state.history.push(row);
    this.judge(metrics);
    if (state.progress.bestEpoch === epoch && spec.earlyStop?.restoreBest === true)
      this.best = model.weights();
    onEvent({ type: "epoch", epochs: spec.epochs, predictions, ...row });
    if (hasHistory(spec)) await writeHistory(this.context.outputDir, { spec, history: state.history });
    if (epoch % spec.checkpoint.everyEpochs === 0) await this.save();
  }

  /** What the early stop and the plateau make of the epoch. */
  private judge(metrics: Metrics): void {
    const { spec, state } = this.session;
    const { epoch } = state;
    const valueOf = ({ metric }: Watched): number => metrics[metric] ?? Number.NaN;
    const { earlyStop } = spec;
    if (earlyStop !== undefined && epoch > earlyStop.startFrom) {
      const { minDelta, baseline } = earlyStop;
      const value = valueOf(earlyStop);
      state.progress = progressed(state.progress, { value, epoch }, { watch: earlyStop, minDelta, baseline });
    }
    if (spec.plateau === undefined) return;
    const before = state.plateau.scale;
    const floor = spec.plateau.minLr / spec.lr;
    const after = afterPlateau(state.plateau, { value: valueOf(spec.plateau), epoch }, spec.plateau);
    state.plateau = { ...after, scale: Math.max(after.scale, Math.min(floor, before)) };
    if (state.plateau.scale === before) return;
    const text = `epoch ${epoch}: ${spec.plateau.metric} stands still, the learning rate is reduced to ${shortNumber(
      spec.lr * state.plateau.scale,
    )}`;
    this.context.onEvent({ type: "message", level: "info", text });
  }

  private async save(): Promise<void> {
    const { spec, state, model, onEvent } = this.session;
    state.epochs = spec.epochs;
    const isBest = state.batch === 0 && state.progress.bestEpoch === state.epoch;
    const best = isBest ? undefined : this.best;
    const snapshot = { state, weights: model.weights(), slots: model.slotValues(), best };
    const path = await writeCheckpoint({ ...this.context, spec }, snapshot);
    this.savedStep = state.step;
    onEvent({ type: "checkpoint", epoch: state.epoch, path });
  }

  /** Of the best epoch where that is asked for, else as they are now; undefined before the first whole epoch. */
  chosenWeights(): ChosenModel | undefined {
    const { spec, state, model } = this.session;
    if (state.epoch === 0) return undefined;
    const { bestEpoch } = state.progress;
    if (spec.earlyStop?.restoreBest === true && this.best !== undefined && bestEpoch !== undefined) {
      return { weights: this.best, epoch: bestEpoch, batch: 0 };
    }
    return { weights: model.weights(), epoch: state.epoch, batch: state.batch };
  }
}

function endOf(end: Exclude<EpochEnd, { end: "whole" }>): RunEnd {
  return { status: end.end, reason: end.reason };
}
