/** What every format parser gives: where the tensors of a file are. Advice only, never the file's identity. */

/** Bytes of a file or of a stored blob, read where they are asked for. Synchronous: parsers run in workers. */
export interface ByteSource {
  readonly sizeBytes: number;
  /**
   * At most `length` bytes from `offset`: fewer only at the end. Good until the next call. `length` ≤ READ_BYTES_MAX.
   */
  read(offset: number, length: number): Uint8Array;
}

/** The most that one `read` may ask for. */
export const READ_BYTES_MAX = 4 * 1024 * 1024;
/** A parser may read this much of one file, and no more. Safetensors headers may have 100 MB. */
export const PARSE_BYTES_MAX = 128 * 1024 * 1024;
/** Tensors in one file; more is opaque. */
export const TENSORS_MAX = 1_000_000;
export const NAME_LENGTH_MAX = 4096;
export const RANK_MAX = 64;

/** Element types, by the names that safetensors and NumPy use in lower case; "opaque" when it is not known. */
export type Dtype =
  | "f64"
  | "f32"
  | "f16"
  | "bf16"
  | "f8e4m3"
  | "f8e5m2"
  | "i64"
  | "i32"
  | "i16"
  | "i8"
  | "u64"
  | "u32"
  | "u16"
  | "u8"
  | "bool"
  | "c64"
  | "c128"
  /** A GGML block type: `q4_0`, `q8_0`, `q6_k` …: see `block`. */
  | `q${string}`
  | `iq${string}`
  | `tq${string}`
  | "mxfp4"
  | "nvfp4"
  | "opaque";

/** A tensor's place in a file: `length` bytes from `offset`, little endian unless the dtype is "opaque". */
export interface TensorSpan {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
  /** Of a quantised tensor: value = scale × (stored − zeroPoint), predicted from the tensor `of`. */
  readonly affine?: { readonly of: string; readonly scale: number; readonly zeroPoint: number };
  /** Of a GGML block type: bytes of one block, and how many of its first bytes are scales. */
  readonly block?: { readonly strideBytes: number; readonly scaleBytes: number };
}

/** A tensor whose bytes are in another file: ONNX external data, TF.js shards, sharded safetensors. */
export interface ExternalSpan extends TensorSpan {
  /** Relative to the folder of the describing file, with forward slashes; never leaves that folder. */
  readonly file: string;
}

/**
 * What a program that loads the file may do: only read data, run code that is in the file, or nobody looked.
 * "data-only" is said only of a file in which nothing but what is known to be data was seen.
 */
export type Risk = "data-only" | "executable" | "unknown";

export interface TensorTable {
  /** "safetensors", "gguf" … */
  readonly format: string;
  /** In the order of their offsets; they never overlap and lie inside of the file. */
  readonly tensors: readonly TensorSpan[];
  /** Tensors that the file names but keeps elsewhere. */
  readonly external: readonly ExternalSpan[];
  /** Tensors that the file holds in a form without one span (compressed, chunked): name, dtype, shape. */
  readonly scattered: readonly Pick<TensorSpan, "name" | "dtype" | "shape">[];
  /** Of a format that can hold code. */
  readonly risk?: Risk;
}

export interface Format {
  readonly name: string;
  /** True when the first bytes (up to 64 KiB of them) or the name say that it is worth parsing. Cheap, never throws. */
  matches(head: Uint8Array, fileName: string): boolean;
  /**
   * Throws FILE_MALFORMED (SmcError) saying what is wrong and where; reads at most PARSE_BYTES_MAX, and keeps memory
   * and time bounded by what it read, whatever the bytes are.
   */
  parse(source: ByteSource, fileName: string): TensorTable;
}

/** Bytes of one element; undefined when elements are not whole bytes. */
export function widthOf(dtype: Dtype): 1 | 2 | 4 | 8 | 16 | undefined {
  return WIDTHS.get(dtype);
}

const WIDTHS = new Map<Dtype, 1 | 2 | 4 | 8 | 16>([
  ["f64", 8],
  ["f32", 4],
  ["f16", 2],
  ["bf16", 2],
  ["f8e4m3", 1],
  ["f8e5m2", 1],
  ["i64", 8],
  ["i32", 4],
  ["i16", 2],
  ["i8", 1],
  ["u64", 8],
  ["u32", 4],
  ["u16", 2],
  ["u8", 1],
  ["bool", 1],
  ["c64", 8],
  ["c128", 16],
]);
