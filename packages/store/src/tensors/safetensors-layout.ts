/**
 * The header of a new safetensors file, as the reference implementation writes it: tensors by alignment of their type,
 * the widest first, then by name; the header padded with spaces to a multiple of 8.
 */
import { SmcError } from "../errors.ts";
import type { Dtype, TensorSpan } from "../formats/table.ts";
import { show } from "../show.ts";

/** Of the reference implementation: no reader takes a longer header. */
const HEADER_BYTES_MAX = 100_000_000;
const LENGTH_BYTES = 8;
const ALIGNMENT = 8;

/** Types that a safetensors file can hold, in the order in which the reference implementation writes them. */
const NAMES: ReadonlyMap<Dtype, string> = new Map([
  ["u64", "U64"],
  ["i64", "I64"],
  ["f64", "F64"],
  ["c64", "C64"],
  ["f32", "F32"],
  ["u32", "U32"],
  ["i32", "I32"],
  ["bf16", "BF16"],
  ["f16", "F16"],
  ["u16", "U16"],
  ["i16", "I16"],
  ["f8e4m3", "F8_E4M3"],
  ["f8e5m2", "F8_E5M2"],
  ["i8", "I8"],
  ["u8", "U8"],
  ["bool", "BOOL"],
]);
const RANKS = new Map([...NAMES.keys()].map((dtype, rank) => [dtype, rank]));

export type HeaderTensor = Pick<TensorSpan, "name" | "dtype" | "shape" | "length">;

export interface SafetensorsLayout<T extends HeaderTensor> {
  /** Everything before the data. */
  readonly header: Uint8Array;
  /** The tensors in the order of their data, which follows the header without gaps. */
  readonly tensors: readonly T[];
}

/**
 * Lays out a file of these tensors. Throws ARGUMENT_INVALID for a type that safetensors does not have and for two
 * tensors of one name, LIMIT_EXCEEDED for a header over 100 MB.
 */
export function layoutSafetensors<T extends HeaderTensor>(
  tensors: readonly T[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout<T> {
  for (const tensor of tensors) assertType(tensor);
  const sorted = [...tensors].sort((a, b) => rankOf(a) - rankOf(b) || compareCodePoints(a.name, b.name));
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  const names = new Set<string>();
  let offset = 0;
  for (const { name, dtype, shape, length } of sorted) {
    if (names.has(name) || name === "__metadata__") {
      throw new SmcError(
        "ARGUMENT_INVALID",
        `two tensors are named '${show(name, 200)}'; nothing was written`,
      );
    }
    names.add(name);
    const info = { dtype: NAMES.get(dtype), shape, data_offsets: [offset, offset + length] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    offset += length;
  }
  const json = Buffer.from(`{${fields.join(",")}}`);
  const padded = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  if (padded > HEADER_BYTES_MAX) {
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `a header of ${padded} bytes for ${sorted.length} tensors; at most ${HEADER_BYTES_MAX} can be read`,
    );
  }
  const header = Buffer.alloc(LENGTH_BYTES + padded, " ");
  header.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(header, LENGTH_BYTES);
  return { header, tensors: sorted };
}

function rankOf({ dtype }: HeaderTensor): number {
  return RANKS.get(dtype) ?? 0;
}

function assertType({ name, dtype }: HeaderTensor): void {
  if (RANKS.has(dtype)) return;
  const what = dtype === "opaque" ? "a type that smc does not know" : dtype;
  throw new SmcError(
    "ARGUMENT_INVALID",
    `tensor '${show(name, 200)}' is of ${what}, which a safetensors file cannot hold; nothing was written`,
    { hint: "leave it out with a narrower pattern", details: { tensor: name, dtype } },
  );
}

/** The order of the bytes of UTF-8, which is that of the code points. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const difference = placeOf(a.charCodeAt(index)) - placeOf(b.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Halves of surrogate pairs stand for what comes after all other characters. */
function placeOf(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
