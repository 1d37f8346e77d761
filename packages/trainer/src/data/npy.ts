/** Arrays of NumPy. Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
import { sizeOf } from "../engine/network.ts";

type Values =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

export interface NumberArray {
  readonly shape: readonly number[];
  readonly values: Values;
}

const MAGIC = "\u0093NUMPY";
const HEAD_BYTES_MAX = 1024 * 1024;

const READERS: Readonly<Record<string, (bytes: ArrayBuffer) => Values>> = {
  "|u1": (bytes) => new Uint8Array(bytes),
  "|b1": (bytes) => new Uint8Array(bytes),
  "|i1": (bytes) => new Int8Array(bytes),
  "<u2": (bytes) => new Uint16Array(bytes),
  "<i2": (bytes) => new Int16Array(bytes),
  "<u4": (bytes) => new Uint32Array(bytes),
  "<i4": (bytes) => new Int32Array(bytes),
  // Beyond 2^53 they are rounded; no label and no feature is that large.
  "<i8": (bytes) => Float64Array.from(new BigInt64Array(bytes), Number),
  "<u8": (bytes) => Float64Array.from(new BigUint64Array(bytes), Number),
  "<f4": (bytes) => new Float32Array(bytes),
  "<f8": (bytes) => new Float64Array(bytes),
};

/** Throws what `refuse` makes of the reason. Rows first (C order), little endian. */
export function parseNpy(bytes: Uint8Array, refuse: (why: string) => Error): NumberArray {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < 12 || file.toString("latin1", 0, 6) !== MAGIC) throw refuse("it is no NPY array");
  const wide = (file[6] ?? 1) > 1;
  const start = wide ? 12 : 10;
  const length = wide ? file.readUInt32LE(8) : file.readUInt16LE(8);
  if (length > HEAD_BYTES_MAX || start + length > file.length) throw refuse("its head is truncated");
  const head = file.toString("latin1", start, start + length);
  const type = /'descr'\s*:\s*'([^']+)'/.exec(head)?.[1] ?? "";
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(head)?.[1];
  const dimensions = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(head)?.[1];
  const read = READERS[type];
  if (read === undefined)
    throw refuse(`numbers of type ${JSON.stringify(type)} are not read; save it as float32`);
  if (order !== "False") throw refuse("it is in Fortran order; save numpy.ascontiguousarray of it");
  if (dimensions === undefined) throw refuse("its head has no shape");
  const shape = dimensions
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "")
    .map((word) => Number.parseInt(word, 10));
  const content = file.subarray(start + length);
  const expected = sizeOf(shape) * Number(type.slice(2));
  if (content.length !== expected) throw refuse(`it has ${content.length} bytes instead of ${expected}`);
  // A copy of its own begins at a multiple of every size.
  return { shape, values: read(Uint8Array.from(content).buffer) };
}
