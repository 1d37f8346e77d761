/** From a spec to samples that can be learned from. */
import { lstat, realpath } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { randomOf, shuffle } from "../random.ts";
import type { TrainSpec } from "../spec.ts";
import { readCsv } from "./csv.ts";
import { type Dataset, dataError, nothingToLearn } from "./dataset.ts";
import { readDigits } from "./digits.ts";
import { readImages } from "./images.ts";
import { readNpz } from "./npz.ts";
import { Problems } from "./problems.ts";

/**
 * Reads and checks the samples. With `problems` that do not end at the first, what can be read comes back. Throws
 * FILE_MALFORMED, LIMIT_EXCEEDED or PATH_NOT_FOUND, which name the file and the row, and UNSAFE_PATH for a path that
 * leads out of `inputDir`.
 */
export async function loadData(
  { data, backbone }: TrainSpec,
  { inputDir, signal }: { inputDir: string; signal: AbortSignal },
  problems: Problems = new Problems({ endsAtFirst: true }),
): Promise<Dataset> {
  const { kind, task, classes, samples } = data;
  const path = kind === "digits" ? "the digits" : await insidePath(inputDir, data.path, "data.path");
  const read = async (): Promise<Dataset> => {
    switch (kind) {
      case "images":
        return readImages(path, {
          channels: data.channels,
          inputSize: backbone.inputSize,
          workers: data.workers,
          samples,
          signal,
          problems,
        });
      case "csv":
        return readCsv(path, data.path, { label: data.label, task, samples, signal, problems });
      case "npz":
        return readNpz(path, data.path, { x: data.x, y: data.y, task, classes, samples, problems });
      case "digits":
        return readDigits(samples);
      default: {
        const unknown: never = kind;
        throw new SmcError("INTERNAL", `no data of kind '${String(unknown)}'`);
      }
    }
  };
  const dataset = await read();
  const nothing = nothingToLearn(dataset, data.path);
  if (nothing !== undefined) problems.add(nothing);
  return dataset;
}

/**
 * The whole path of something below the inputs, which `field` of the spec names. Throws UNSAFE_PATH, PATH_NOT_FOUND.
 */
export async function insidePath(inputDir: string, path: string, field: string): Promise<string> {
  const outside = (): SmcError =>
    new SmcError(
      "UNSAFE_PATH",
      `${field} '${show(path)}' leads out of the folder of inputs; nothing was trained`,
    );
  if (isAbsolute(path) || path.includes("\0")) throw outside();
  const full = join(inputDir, path);
  try {
    await lstat(full);
    const inside = relative(await realpath(inputDir), await realpath(full));
    if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) throw outside();
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}' of ${field}`);
  }
  return full;
}

export interface Split {
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * Which samples are learned from and which are kept aside, by the seed. Each class gives the same share.
 * Throws FILE_MALFORMED when a part has none.
 */
export function splitData(
  { labels, classes, count }: Dataset,
  { seed, splitSeed = seed, validation }: Pick<TrainSpec, "seed" | "splitSeed" | "validation">,
): Split {
  const groups: number[][] = Array.from({ length: Math.max(1, classes.length) }, () => []);
  for (let sample = 0; sample < count; sample += 1) {
    groups[classes.length === 0 ? 0 : (labels[sample] ?? 0)]?.push(sample);
  }
  const train: number[] = [];
  const aside: number[] = [];
  for (const [index, group] of groups.entries()) {
    const order = Uint32Array.from(group);
    shuffle(order, randomOf(splitSeed, "split", index));
    const some = Math.round(order.length * validation);
    // A class that is only kept aside could not be learned.
    const kept = Math.min(some, Math.max(0, order.length - 1));
    for (const sample of order.subarray(0, kept)) aside.push(sample);
    for (const sample of order.subarray(kept)) train.push(sample);
  }
  if (validation > 0 && aside.length === 0) {
    throw dataError(`${count} samples are too few to keep ${validation} of each class aside`, {
      hint: "set validation to 0, or give more samples",
    });
  }
  return { train: Uint32Array.from(train).sort(), validation: Uint32Array.from(aside).sort() };
}
