/** One NPY array of samples and one of labels: in an NPZ file, which is a zip, or as two files of a folder. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { unzipSync } from "fflate";
import {
  assertFits,
  DATA_BYTES_MAX,
  type Dataset,
  dataError,
  labelFault,
  limitError,
  without,
} from "./dataset.ts";
import { type NumberArray, parseNpy } from "./npy.ts";
import type { Problems } from "./problems.ts";

const ARRAYS_MAX = 1000;

export interface NpzOptions {
  /** Names of the arrays. */
  readonly x: string;
  readonly y: string;
  readonly task: "classify" | "regress";
  /** How many classes there are; absent: one more than the largest label. */
  readonly classes: number | undefined;
  readonly samples: number | undefined;
  readonly problems: Problems;
}

/**
 * Bytes are taken for images of 0 to 255, other numbers as they are. Of a folder the files NAME.npy are read. Throws
 * FILE_MALFORMED that names the array and the row, LIMIT_EXCEEDED before anything is unpacked that memory may not hold,
 * PATH_NOT_FOUND.
 */
export async function readNpz(path: string, name: string, options: NpzOptions): Promise<Dataset> {
  const file = `'${show(name)}'`;
  const wanted = [options.x, options.y];
  const arrays = (await isFolder(path, file))
    ? await readArrays(path, wanted)
    : unpack(await readWhole(path, file), { file, wanted });
  const array = (wanted: string): NumberArray => {
    const bytes = arrays.get(wanted);
    const there = [...arrays.keys()].map((key) => show(key, 40)).join(", ");
    if (bytes === undefined) {
      throw dataError(`${file} has no array '${show(wanted, 80)}'; it has ${there}`, {
        hint: "set data.x and data.y",
      });
    }
    return parseNpy(bytes, (why) => dataError(`${file}, array '${show(wanted, 80)}': ${why}`));
  };
  return pair({ x: array(options.x), y: array(options.y) }, { file, options });
}

function pair(
  { x, y }: { x: NumberArray; y: NumberArray },
  { file, options }: { file: string; options: NpzOptions },
): Dataset {
  const [all = 0, ...rest] = x.shape;
  const refuse = (why: string): SmcError => dataError(`${file}: ${why}`);
  if (x.shape.length < 2 || x.shape.length > 4) {
    throw refuse(`'${show(options.x)}' has ${x.shape.length} dimensions; it needs samples and 1 to 3 more`);
  }
  if (y.shape[0] !== all || y.values.length !== all) {
    throw refuse(
      `'${show(options.y)}' has the shape [${y.shape.join(", ")}]; it needs one label for each of ${all} samples`,
    );
  }
  // An image without a dimension for channels has one channel.
  const shape = rest.length === 2 ? [...rest, 1] : rest;
  const count = Math.min(all, options.samples ?? all);
  const size = shape.reduce((product, length) => product * length, 1);
  const bytes = x.values instanceof Uint8Array && shape.length === 3;
  assertFits(count, size * (bytes ? 1 : Float32Array.BYTES_PER_ELEMENT));
  const part = x.values.subarray(0, count * size);
  const features = bytes ? Uint8Array.from(part) : Float32Array.from(part);
  const numbers = y.values.subarray(0, count);
  const bad = faultyRows({ features, numbers, size }, { file, options });
  if (options.task === "regress") {
    return without({ shape, features, labels: Float32Array.from(numbers), classes: [], count }, bad);
  }
  const labels = Int32Array.from(numbers);
  const largest = labels.reduce((most, label, row) => (bad.has(row) ? most : Math.max(most, label)), 0);
  const classes = Array.from({ length: options.classes ?? largest + 1 }, (_, index) => String(index));
  return without({ shape, features, labels, classes, count }, bad);
}

/** Rows that cannot be learned from. Each is told to `problems` once. */
function faultyRows(
  { features, numbers, size }: Pick<Dataset, "features"> & { numbers: NumberArray["values"]; size: number },
  { file, options: { x, y, task, classes, problems } }: { file: string; options: NpzOptions },
): Set<number> {
  const bad = new Set<number>();
  const refuse = (row: number, array: string, why: string): void => {
    bad.add(row);
    problems.addSample(`${file}, array '${show(array, 80)}', row ${row}: ${why}`);
  };
  for (const [row, number] of numbers.entries()) {
    const sample = features.subarray(row * size, (row + 1) * size);
    const wrong =
      sample instanceof Float32Array ? sample.find((value) => !Number.isFinite(value)) : undefined;
    if (wrong !== undefined) refuse(row, x, `${wrong} is no finite number`);
    else if (task === "regress") {
      if (!Number.isFinite(Math.fround(number))) refuse(row, y, `${number} is no finite number`);
    } else {
      const fault = labelFault(number, classes);
      if (fault !== undefined) refuse(row, y, fault);
    }
  }
  return bad;
}

async function isFolder(path: string, file: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw fromErrno(error, `cannot read ${file}`);
  }
}

async function readArrays(folder: string, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const arrays = new Map<string, Uint8Array>();
  for (const name of names) {
    const file = `${name}.npy`;
    // A name of an array may be anything; that of a file may not lead elsewhere.
    if (name.includes("/") || name.includes("\\"))
      throw dataError(`'${show(name, 80)}' is no name of an array`);
    arrays.set(name, await readWhole(join(folder, file), `'${show(file, 80)}'`));
  }
  return arrays;
}

async function readWhole(path: string, file: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > DATA_BYTES_MAX) throw limitError(`a file of ${size} bytes`, DATA_BYTES_MAX);
    return await readFile(path);
  } catch (error) {
    throw fromErrno(error, `cannot read ${file}`);
  }
}

/** Only the wanted arrays have bytes; of the others the name is kept, to tell which there are. */
function unpack(
  bytes: Buffer,
  { file, wanted }: { file: string; wanted: string[] },
): Map<string, Uint8Array> {
  const names: string[] = [];
  const nameOf = (entry: string): string => entry.replace(/\.npy$/, "");
  try {
    const entries = unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        if (names.length >= ARRAYS_MAX) throw limitError(`more than ${ARRAYS_MAX} arrays`, ARRAYS_MAX);
        names.push(nameOf(name));
        if (!wanted.includes(nameOf(name))) return false;
        if (originalSize > DATA_BYTES_MAX)
          throw limitError(`an array of ${originalSize} bytes`, DATA_BYTES_MAX);
        return true;
      },
    });
    const found = new Map(names.map((name) => [name, new Uint8Array(0)]));
    for (const [name, content] of Object.entries(entries)) found.set(nameOf(name), content);
    return found;
  } catch (error) {
    if (error instanceof SmcError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw dataError(`${file} is truncated or no NPZ file: ${show(why, 200)}`);
  }
}
