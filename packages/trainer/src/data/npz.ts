/** NPZ files: a zip with one NPY array of samples and one of labels. */
import { readFile, stat } from "node:fs/promises";
import { fromErrno, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { unzipSync } from "fflate";
import {
  assertFinite,
  assertFits,
  classesOfNumbers,
  DATA_BYTES_MAX,
  type Dataset,
  dataError,
  limitError,
} from "./dataset.ts";
import { type NumberArray, parseNpy } from "./npy.ts";

const ARRAYS_MAX = 1000;

export interface NpzOptions {
  /** Names of the arrays. */
  readonly x: string;
  readonly y: string;
  readonly task: "classify" | "regress";
  /** How many classes there are; absent: one more than the largest label. */
  readonly classes: number | undefined;
  readonly samples: number | undefined;
}

/**
 * Bytes are taken for images of 0 to 255, other numbers as they are. Throws FILE_MALFORMED that names the array and the
 * row, LIMIT_EXCEEDED before anything is unpacked that memory may not hold, PATH_NOT_FOUND.
 */
export async function readNpz(path: string, name: string, options: NpzOptions): Promise<Dataset> {
  const file = `'${show(name)}'`;
  const arrays = unpack(await readWhole(path, file), { file, wanted: [options.x, options.y] });
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
  return join({ x: array(options.x), y: array(options.y) }, { file, options });
}

function join(
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
  const rowOf = (array: string, row: number): string => `${file}, array '${show(array, 80)}', row ${row}`;
  if (features instanceof Float32Array) {
    assertFinite(features, (index) => rowOf(options.x, Math.floor(index / size)));
  }
  const numbers = y.values.subarray(0, count);
  if (options.task === "regress") {
    const labels = Float32Array.from(numbers);
    assertFinite(labels, (row) => rowOf(options.y, row));
    return { shape, features, labels, classes: [], count };
  }
  const placeOf = (row: number): string => rowOf(options.y, row);
  return { shape, features, count, ...classesOfNumbers(numbers, { classes: options.classes, placeOf }) };
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
