/** What one file of weights holds, and what is wrong with it: an answer of bounded size, whatever the file is. */
import { isSmcError } from "../errors.ts";
import { FORMATS, parseTensors } from "../formats/formats.ts";
import type { ByteSource, Risk, TensorTable } from "../formats/table.ts";
import { rowsOf, type TensorRow } from "./listing.ts";

/** Tensors that are listed; all are counted. */
const ROWS_MAX = 20_000;
/** Memory that the list may take, by a rough measure of its text. */
const ROWS_BYTES_MAX = 4 * 1024 * 1024;
const ROW_BYTES = 96;
/** Other files that are listed. */
const FILES_MAX = 256;
const HEAD_BYTES = 64 * 1024;

/** End of a name → formats that a file of that name should have. */
const EXPECTED = new Map<string, readonly string[]>([
  ["safetensors", ["safetensors"]],
  ["gguf", ["GGUF"]],
  ["onnx", ["ONNX"]],
  ["npy", ["NPY"]],
  ["npz", ["NPZ"]],
  ["keras", ["Keras"]],
  ["h5", ["HDF5"]],
  ["hdf5", ["HDF5"]],
  ["pt", ["PyTorch", "pickle"]],
  ["pth", ["PyTorch", "pickle"]],
  ["ckpt", ["PyTorch", "pickle"]],
]);

export interface DtypeTotal {
  readonly dtype: string;
  readonly tensorCount: number;
  readonly sizeBytes: number;
}

/** A file that holds tensors of the inspected one. */
export interface DataFile {
  /** Relative to the folder of the inspected file. */
  readonly file: string;
  readonly tensorCount: number;
  /** Bytes of those tensors, and where the last of them ends; 0 where only the file's name is known. */
  readonly sizeBytes: number;
  readonly endBytes: number;
}

export interface Inspection {
  readonly sizeBytes: number;
  /** "safetensors", "GGUF" …; null when no format is known that the file could have. */
  readonly format: string | null;
  /** What a program that loads the file may do; null for formats that hold no code. */
  readonly risk: Risk | null;
  /** Why the file is not what its format says it must be. */
  readonly problem: string | null;
  readonly notes: readonly string[];
  readonly tensorCount: number;
  readonly tensorBytes: number;
  /** The largest first. */
  readonly dtypes: readonly DtypeTotal[];
  /** The first ones, as many as an answer can hold. */
  readonly tensors: readonly TensorRow[];
  readonly files: readonly DataFile[];
}

interface Named {
  readonly fileName: string;
  /** Asked when no format takes the file, and when one needs to see what is beside it. */
  readonly describe?: (table: TensorTable | undefined) => TensorTable | undefined;
}

/** Parses the file. Throws only what the source throws: a file that breaks the rules of its format has a `problem`. */
export function inspectSource(source: ByteSource, { fileName, describe }: Named): Inspection {
  try {
    const parsed = parseTensors(source, fileName);
    const table = describe === undefined ? parsed : describe(parsed);
    if (table === undefined) return unknownFile(source, fileName);
    return describeTable(table, source.sizeBytes, fileName);
  } catch (error) {
    if (!isSmcError(error, "FILE_MALFORMED")) throw error;
    const { format, risk } = error.details as { readonly format?: string; readonly risk?: Risk };
    const others = likeness(source).filter((name) => name !== format);
    return {
      ...empty(source.sizeBytes),
      format: format ?? null,
      risk: risk ?? null,
      problem: error.message,
      notes: others.map((name) => `it begins like a file of format ${name}`),
    };
  }
}

function empty(sizeBytes: number): Inspection {
  const nothing = { format: null, risk: null, problem: null, notes: [], dtypes: [], tensors: [], files: [] };
  return { sizeBytes, tensorCount: 0, tensorBytes: 0, ...nothing };
}

function unknownFile(source: ByteSource, fileName: string): Inspection {
  const expected = expectedOf(fileName);
  const notes = expected === undefined ? [] : [`its name says ${expected.join(" or ")}, but it is not`];
  return { ...empty(source.sizeBytes), notes };
}

function describeTable(table: TensorTable, sizeBytes: number, fileName: string): Inspection {
  const { format, tensors, external, scattered, risk } = table;
  const expected = expectedOf(fileName);
  const isOther = expected !== undefined && !expected.includes(format);
  return {
    sizeBytes,
    format,
    risk: risk ?? null,
    problem: null,
    notes: isOther ? [`its name says ${expected.join(" or ")}, but it is ${format}`] : [],
    tensorCount: tensors.length + external.length + scattered.length,
    tensorBytes: [...tensors, ...external].reduce((sum, { length }) => sum + length, 0),
    dtypes: totals(table),
    tensors: fitting(rowsOf(table, ROWS_MAX)),
    files: dataFiles(external),
  };
}

function expectedOf(fileName: string): readonly string[] | undefined {
  return EXPECTED.get(fileName.slice(fileName.lastIndexOf(".") + 1).toLowerCase());
}

/** Formats of which the first bytes could be, whatever the name says. */
function likeness(source: ByteSource): string[] {
  const head = source.read(0, Math.min(HEAD_BYTES, source.sizeBytes)).slice();
  return FORMATS.filter((format) => format.matches(head, "")).map(({ name }) => name);
}

function totals({ tensors, external, scattered }: TensorTable): DtypeTotal[] {
  const found = new Map<string, { dtype: string; tensorCount: number; sizeBytes: number }>();
  const count = (dtype: string, bytes: number): void => {
    const total = found.get(dtype) ?? { dtype, tensorCount: 0, sizeBytes: 0 };
    total.tensorCount += 1;
    total.sizeBytes += bytes;
    found.set(dtype, total);
  };
  for (const { dtype, length } of tensors) count(dtype, length);
  for (const { dtype, length } of external) count(dtype, length);
  for (const { dtype } of scattered) count(dtype, 0);
  return [...found.values()].sort((a, b) => b.sizeBytes - a.sizeBytes || b.tensorCount - a.tensorCount);
}

function dataFiles(external: TensorTable["external"]): DataFile[] {
  const found = new Map<string, { file: string; tensorCount: number; sizeBytes: number; endBytes: number }>();
  for (const { file, offset, length } of external) {
    const known = found.get(file) ?? { file, tensorCount: 0, sizeBytes: 0, endBytes: 0 };
    known.tensorCount += 1;
    known.sizeBytes += length;
    known.endBytes = Math.max(known.endBytes, offset + length);
    found.set(file, known);
    if (found.size === FILES_MAX) break;
  }
  return [...found.values()];
}

/** The first rows that an answer can hold. */
function fitting(rows: readonly TensorRow[]): TensorRow[] {
  let used = 0;
  const over = rows.findIndex(({ name, file, shape }) => {
    used += ROW_BYTES + name.length + (file?.length ?? 0) + shape.length * 8;
    return used > ROWS_BYTES_MAX;
  });
  return rows.slice(0, over < 0 ? rows.length : over);
}
