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

/** How data are refused: nothing was trained. */
export function dataError(
  why: string,
  options: { hint?: string; details?: Record<string, unknown> } = {},
): SmcError {
  return new SmcError("FILE_MALFORMED", `${why}; nothing was trained`, {
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

/**
 * Class indices from numbers in a file. `placeOf` names a sample as "file, row 7".
 * Throws FILE_MALFORMED for a label that is no whole number from 0 up, or that is not below `classes`.
 */
export function classesOfNumbers(
  numbers: ArrayLike<number>,
  { classes, placeOf }: { classes: number | undefined; placeOf: (sample: number) => string },
): { labels: Int32Array; classes: string[] } {
  const labels = new Int32Array(numbers.length);
  let largest = 0;
  for (let sample = 0; sample < numbers.length; sample += 1) {
    const label = numbers[sample] ?? Number.NaN;
    const limit = classes ?? CLASSES_MAX;
    if (!Number.isInteger(label) || label < 0 || label >= limit) {
      throw dataError(
        `${placeOf(sample)}: the label ${label} is out of range: it must be a whole number from 0 to ${limit - 1}`,
      );
    }
    labels[sample] = label;
    largest = Math.max(largest, label);
  }
  const count = classes ?? largest + 1;
  return { labels, classes: Array.from({ length: count }, (_, index) => String(index)) };
}

/** Throws FILE_MALFORMED for the first value that is no finite number, named by `placeOf`. */
export function assertFinite(values: Float32Array, placeOf: (index: number) => string): void {
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? Number.NaN;
    if (!Number.isFinite(value)) throw dataError(`${placeOf(index)}: ${value} is no finite number`);
  }
}

/** Throws FILE_MALFORMED where there is nothing to learn: no samples, or classes of which only one has any. */
export function assertLearnable(data: Dataset, path: string): void {
  const name = `'${show(path)}'`;
  if (data.count === 0) throw dataError(`${name} has no samples`);
  if (data.classes.length === 0) return;
  const seen = new Set(data.labels);
  if (seen.size > 1) return;
  const only = data.classes[data.labels[0] ?? 0] ?? "";
  throw dataError(
    `${name} has samples of one class only, '${show(only, 80)}': there is nothing to tell apart`,
  );
}
