/** From samples to what a network is fed: numbers around zero, and targets. */
import { mixingShare, type Random } from "../random.ts";
import type { TrainSpec } from "../spec.ts";
import { augment, isAugmented } from "./augment.ts";
import type { Dataset } from "./dataset.ts";

/** How values are brought around zero: (value - mean) / deviation, by feature or by channel. */
export interface Scaling {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

export interface Batch {
  /** Samples in the first dimension. */
  readonly shape: number[];
  readonly inputs: Float32Array;
  /** Shares of the classes of each sample, or one number for each. */
  readonly targets: Float32Array;
  readonly width: number;
  readonly count: number;
}

/** Told from the samples that are learned from: nothing of the others may leak into training. */
export function scalingOf(
  data: Dataset,
  train: Uint32Array,
  normalize: TrainSpec["data"]["normalize"],
): Scaling {
  const groups = data.shape.at(-1) ?? 1;
  const constant = (value: number): number[] => Array.from({ length: groups }, () => value);
  if (normalize === "none") return { mean: constant(0), deviation: constant(1) };
  if (normalize === "scale" && data.features instanceof Uint8Array) {
    return { mean: constant(0), deviation: constant(255) };
  }
  const size = data.features.length / data.count;
  const sums = new Float64Array(groups);
  const squares = new Float64Array(groups);
  const values = (train.length * size) / groups;
  for (const sample of train) {
    for (let index = 0; index < size; index += 1) {
      const group = index % groups;
      sums[group] = (sums[group] ?? 0) + (data.features[sample * size + index] ?? 0);
    }
  }
  const mean = Array.from(sums, (sum) => sum / values);
  for (const sample of train) {
    for (let index = 0; index < size; index += 1) {
      const group = index % groups;
      const apart = (data.features[sample * size + index] ?? 0) - (mean[group] ?? 0);
      squares[group] = (squares[group] ?? 0) + apart * apart;
    }
  }
  // A feature that never changes tells nothing; it must not become infinite.
  const deviation = Array.from(squares, (sum) => Math.sqrt(sum / values) || 1);
  return { mean, deviation };
}

interface BatchOptions {
  readonly spec: TrainSpec;
  readonly scaling: Scaling;
  /** Given while training: what decides about changed copies. */
  readonly random?: Random;
}

/** The samples of `indices` as one batch. */
export function makeBatch(
  data: Dataset,
  indices: Uint32Array,
  { spec, scaling, random }: BatchOptions,
): Batch {
  const size = data.features.length / data.count;
  const inputs = new Float32Array(indices.length * size);
  const changed = random !== undefined && data.shape.length === 3 && isAugmented(spec.augment);
  for (const [place, sample] of indices.entries()) {
    const pixels = inputs.subarray(place * size, (place + 1) * size);
    pixels.set(data.features.subarray(sample * size, (sample + 1) * size));
    if (!changed) continue;
    const [height = 1, width = 1, channels = 1] = data.shape;
    augment({ shape: [height, width, channels], pixels }, spec.augment, random);
  }
  const { mean, deviation } = scaling;
  for (let index = 0; index < inputs.length; index += 1) {
    const group = index % mean.length;
    inputs[index] = ((inputs[index] ?? 0) - (mean[group] ?? 0)) / (deviation[group] ?? 1);
  }
  const width = Math.max(1, data.classes.length);
  const batch = {
    shape: [indices.length, ...data.shape],
    inputs,
    targets: targetsOf(data, indices, random === undefined ? 0 : spec.labelSmoothing),
    width,
    count: indices.length,
  };
  if (random !== undefined && spec.augment.mixup > 0) mix(batch, { alpha: spec.augment.mixup, random });
  return batch;
}

function targetsOf(data: Dataset, indices: Uint32Array, smoothing: number): Float32Array {
  const classes = data.classes.length;
  if (classes === 0) return Float32Array.from(indices, (sample) => data.labels[sample] ?? 0);
  const targets = new Float32Array(indices.length * classes).fill(smoothing / classes);
  for (const [place, sample] of indices.entries()) {
    const at = place * classes + (data.labels[sample] ?? 0);
    targets[at] = (targets[at] ?? 0) + 1 - smoothing;
  }
  return targets;
}

/** Each sample becomes a mixture with the next one of the batch; the targets are mixed alike. */
function mix(batch: Batch, { alpha, random }: { alpha: number; random: Random }): void {
  const kept = mixingShare(random, alpha);
  for (const values of [batch.inputs, batch.targets]) {
    const size = values.length / batch.count;
    const old = values.slice();
    for (let index = 0; index < values.length; index += 1) {
      values[index] = kept * (old[index] ?? 0) + (1 - kept) * (old[(index + size) % old.length] ?? 0);
    }
  }
}

/** What each class counts in the loss. Balanced: rare classes as much as frequent ones. */
export function classWeightsOf(data: Dataset, train: Uint32Array, spec: TrainSpec): Float32Array | undefined {
  const { balanceClasses, classWeights } = spec;
  if (!balanceClasses && Object.keys(classWeights).length === 0) return undefined;
  if (!balanceClasses) return Float32Array.from(data.classes, (name) => classWeights[name] ?? 1);
  const counts = new Float64Array(data.classes.length);
  for (const sample of train) counts[data.labels[sample] ?? 0] = (counts[data.labels[sample] ?? 0] ?? 0) + 1;
  const present = counts.filter((count) => count > 0).length;
  return Float32Array.from(counts, (count) => (count === 0 ? 1 : train.length / (present * count)));
}
