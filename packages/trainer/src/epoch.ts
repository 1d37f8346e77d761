/** One pass over the samples that are learned from, and one over those that are kept aside. */
import { setImmediate } from "node:timers/promises";
import type { Metrics } from "./callbacks/watch.ts";
import { type Batch, makeBatch, type Scaling } from "./data/batches.ts";
import type { Dataset } from "./data/dataset.ts";
import type { Split } from "./data/load.ts";
import type { Model } from "./engine/model.ts";
import { learningRateAt } from "./engine/schedule.ts";
import type { Prediction, TrainEvent } from "./events.ts";
import { type Random, randomOf, shuffle } from "./random.ts";
import type { TrainSpec } from "./spec.ts";
import type { RunState } from "./state.ts";

/** At most one event about batches in this time: a batch may take less than a millisecond. */
const BATCH_EVENT_MS = 200;
/** Samples whose predictions are told after each epoch. */
const PREDICTIONS_MAX = 8;

export interface Session {
  readonly spec: TrainSpec;
  readonly data: Dataset;
  readonly split: Split;
  readonly scaling: Scaling;
  readonly model: Model;
  readonly state: RunState;
  readonly onEvent: (event: TrainEvent) => void;
  /** Why to stop now, or undefined. */
  readonly stopReason: () => string | undefined;
}

export type EpochEnd =
  | { readonly end: "whole" }
  | { readonly end: "stopped" | "failed"; readonly reason: string };

/** Learns the batches of the epoch that are not done, from where `state` says; changes model and state. */
export async function learnEpoch(session: Session): Promise<EpochEnd> {
  const { spec, data, split, scaling, model, state, onEvent } = session;
  const order = orderOf({ spec, split }, state.epoch);
  const batches = Math.ceil(order.length / spec.batch);
  const { sums } = state;
  let told = performance.now();
  while (state.batch < batches) {
    await setImmediate();
    const reason = session.stopReason();
    if (reason !== undefined) return { end: "stopped", reason };
    const started = performance.now();
    const step = state.step + 1;
    const indices = order.subarray(state.batch * spec.batch, (state.batch + 1) * spec.batch);
    const batch = makeBatch(data, indices, { spec, scaling, random: chanceOf(spec, step) });
    // Counted to the end of the batch, so that a warm-up does not begin with a rate of nothing.
    const place = state.epoch + (state.batch + 1) / batches;
    const learningRate = learningRateAt(place, spec) * state.plateau.scale;
    const score = model.learn(batch, { step, learningRate });
    state.step = step;
    state.batch += 1;
    sums.loss += score.loss * batch.count;
    sums.hits += score.hits;
    sums.samples += batch.count;
    sums.lr = learningRate;
    sums.seconds += (performance.now() - started) / 1000;
    if (spec.terminateOnNan && !Number.isFinite(score.loss)) {
      return { end: "failed", reason: lostReason(score.loss, state) };
    }
    if (performance.now() - told < BATCH_EVENT_MS) continue;
    told = performance.now();
    const { batch: done } = state;
    onEvent({
      type: "batch",
      epoch: state.epoch + 1,
      batch: done,
      batches,
      metrics: learnedMetrics(session),
    });
  }
  return { end: "whole" };
}

function hitName({ classes }: Dataset): string {
  return classes.length > 0 ? "acc" : "mae";
}

/** Of the samples of this epoch that were learned by now. */
function learnedMetrics({ data, state: { sums } }: Pick<Session, "data" | "state">): Record<string, number> {
  return { loss: sums.loss / sums.samples, [hitName(data)]: sums.hits / sums.samples };
}

/** The samples of an epoch, counted from 0, in the order in which they are learned. */
function orderOf({ spec, split }: Pick<Session, "spec" | "split">, epoch: number): Uint32Array {
  const order = split.train.slice();
  shuffle(order, randomOf(spec.seed, "order", epoch));
  return order;
}

/** What decides how the samples of a step are changed. */
function chanceOf({ seed }: TrainSpec, step: number): Random {
  return randomOf(seed, "batch", step);
}

/** What the first step of a run learns. */
export function firstBatch(session: Pick<Session, "spec" | "split">): {
  indices: Uint32Array;
  random: Random;
} {
  const { spec } = session;
  return { indices: orderOf(session, 0).subarray(0, spec.batch), random: chanceOf(spec, 1) };
}

function lostReason(loss: number, { epoch, batch }: RunState): string {
  return `the loss is ${loss} in epoch ${epoch + 1}, batch ${batch}: the steps are too large; use a smaller lr`;
}

/** The numbers of the epoch whose batches are all done, and some predictions; or why it was stopped. */
export async function judgeEpoch(
  session: Session,
): Promise<EpochEnd & { metrics?: Metrics; predictions?: Prediction[] }> {
  const { spec, data, split, scaling, model, state } = session;
  const started = performance.now();
  const { sums } = state;
  const metrics = learnedMetrics(session);
  const predictions: Prediction[] = [];
  let [loss, hits] = [0, 0];
  for (let from = 0; from < split.validation.length; from += spec.batch) {
    await setImmediate();
    const reason = session.stopReason();
    if (reason !== undefined) return { end: "stopped", reason };
    const indices = split.validation.subarray(from, from + spec.batch);
    const batch = makeBatch(data, indices, { spec, scaling });
    const score = model.evaluate(batch);
    loss += score.loss * batch.count;
    hits += score.hits;
    if (from === 0) predictions.push(...predictionsOf(data, indices, { ...batch, outputs: score.outputs }));
  }
  if (split.validation.length > 0) {
    metrics.val_loss = loss / split.validation.length;
    metrics[`val_${hitName(data)}`] = hits / split.validation.length;
  }
  sums.seconds += (performance.now() - started) / 1000;
  return { end: "whole", metrics, predictions };
}

function predictionsOf(
  data: Dataset,
  indices: Uint32Array,
  { outputs, width }: Pick<Batch, "width"> & { outputs: Float32Array },
): Prediction[] {
  return Array.from(indices.subarray(0, PREDICTIONS_MAX), (sample, place) => {
    const label = data.labels[sample] ?? 0;
    const row = outputs.subarray(place * width, (place + 1) * width);
    if (data.classes.length === 0) return { sample, expected: label, predicted: row[0] ?? Number.NaN };
    const probability = Math.max(...row);
    const predicted = data.classes[row.indexOf(probability)] ?? "";
    return { sample, expected: data.classes[label] ?? "", predicted, probability };
  });
}
