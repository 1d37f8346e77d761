/** Samples in memory, and what every reader checks of them. */
import { createHash } from "node:crypto";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";

/** What all samples take together as they are kept: bytes of an image, four bytes of a number. */
export const DATA_BYTES_MAX = 2 ** 31;
export const SAMPLES_MAX = 10_000_000;
export const CLASSES_MAX = 10_000;

export interface Dataset {
  /** Of one sample: [numbers] or [height, width, channels]. */
  readonly shape: readonly number[];
  /** All samples after each other; bytes are the pixels of images, 0 to 255. */
  readonly features: Uint8Array | Float32Array;
  /** The class of each sample as an index, or the number to predict. */
  readonly labels: Int32Array | Float32Array;
  /** Names of the classes; empty where numbers are predicted. */
  readonly classes: readonly string[];
  readonly count: number;
}

/** Which set of samples this is: changes with any value of any sample, and with their order. */
export function digestOf({ shape, features, labels, classes }: Dataset): string {
  const bytes = (values: Uint8Array | Float32Array | Int32Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash("sha256")
    .update(JSON.stringify({ shape, classes, kind: features.constructor.name }))
    .update(bytes(features))
    .update(bytes(labels))
    .digest("hex");
}

const NOTHING_TRAINED = "; nothing was trained";

/** What such an error is about, for who wanted no training. */
export function reasonOf({ message }: SmcError): string {
  return message.endsWith(NOTHING_TRAINED) ? message.slice(0, -NOTHING_TRAINED.length) : message;
}

/** How data are refused: nothing was trained. */
export function dataError(
  why: string,
  options: { hint?: string; details?: Record<string, unknown> } = {},
): SmcError {
  return new SmcError("FILE_MALFORMED", `${why}${NOTHING_TRAINED}`, {
    hint: options.hint ?? "correct the data and start again",
    details: { step: "data.check", ...options.details },
  });
}

export function limitError(what: string, limit: number): SmcError {
  return new SmcError("LIMIT_EXCEEDED", `the data have ${what}, more than ${limit}; nothing was trained`, {
    hint: "train on a part of them with data.samples, or on smaller images",
    details: { step: "data.check" },
  });
}

/** Throws LIMIT_EXCEEDED before memory is taken for them. */
export function assertFits(count: number, sampleBytes: number): void {
  if (count > SAMPLES_MAX) throw limitError(`${count} samples`, SAMPLES_MAX);
  if (count * sampleBytes > DATA_BYTES_MAX) throw limitError(`${count * sampleBytes} bytes`, DATA_BYTES_MAX);
}

/** What is wrong with a class as a number in a file, or undefined. */
export function labelFault(label: number, classes: number | undefined): string | undefined {
  const limit = classes ?? CLASSES_MAX;
  if (Number.isInteger(label) && label >= 0 && label < limit) return undefined;
  return `the label ${label} is out of range: it must be a whole number from 0 to ${limit - 1}`;
}

/** Without some of its samples. */
export function without(data: Dataset, bad: ReadonlySet<number>): Dataset {
  if (bad.size === 0) return data;
  const size = data.features.length / data.count;
  const isGood = (sample: number): boolean => !bad.has(sample);
  return {
    ...data,
    features: data.features.filter((_, index) => isGood(Math.floor(index / size))),
    labels: data.labels.filter((_, sample) => isGood(sample)),
    count: data.count - bad.size,
  };
}

/**
 * What makes samples nothing to learn from: that there are none, or of one class only; undefined where they are well.
 */
export function nothingToLearn(data: Dataset, path: string): string | undefined {
  const name = `'${show(path)}'`;
  if (data.count === 0) return `${name} has no samples`;
  if (data.classes.length === 0) return undefined;
  const seen = new Set(data.labels);
  if (seen.size > 1) return undefined;
  const only = data.classes[data.labels[0] ?? 0] ?? "";
  return `${name} has samples of one class only, '${show(only, 80)}': there is nothing to tell apart`;
}
