/** Elements of a tensor as numbers, and numbers as elements again. Little endian, a block at a time. */
import type { Dtype } from "../formats/table.ts";

const FLOATS = ["f64", "f32", "f16", "bf16"] as const;
const INTEGERS = ["i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8", "bool"] as const;

export type FloatDtype = (typeof FLOATS)[number];
export type NumericDtype = FloatDtype | (typeof INTEGERS)[number];

const FLOAT_SET: ReadonlySet<Dtype> = new Set(FLOATS);
const NUMERIC_SET: ReadonlySet<Dtype> = new Set([...FLOATS, ...INTEGERS]);

/** True for the types that can be averaged. */
export function isFloat(dtype: Dtype): dtype is FloatDtype {
  return FLOAT_SET.has(dtype);
}

/** True for the types whose elements are single numbers. */
export function isNumeric(dtype: Dtype): dtype is NumericDtype {
  return NUMERIC_SET.has(dtype);
}

const WORD = 2 ** 32;
const HALF_CODES = 65_536;

/** Where the bits of a 16-bit float are: one sign, then exponent, then mantissa. */
interface HalfFormat {
  readonly mantissaBits: number;
  /** Exponent field of the value 1. */
  readonly bias: number;
  /** Exponent field of infinities and NaN. */
  readonly top: number;
}

/** IEEE 754 binary16. */
const F16: HalfFormat = { mantissaBits: 10, bias: 15, top: 31 };
/** The upper half of IEEE 754 binary32. */
const BF16: HalfFormat = { mantissaBits: 7, bias: 127, top: 255 };

function decodeHalf(code: number, { mantissaBits, bias, top }: HalfFormat): number {
  const sign = code >= 0x8000 ? -1 : 1;
  const exponent = (code >>> mantissaBits) & top;
  const fraction = (code & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
  if (exponent === top) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}

const tables = new Map<HalfFormat, Float32Array>();

/** The value of every code; each is exact in 32 bits. Made when it is first needed. */
function valuesOf(format: HalfFormat): Float32Array {
  let values = tables.get(format);
  if (values === undefined) {
    values = Float32Array.from({ length: HALF_CODES }, (_, code) => decodeHalf(code, format));
    tables.set(format, values);
  }
  return values;
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/**
 * The bits of a 32-bit float that stands for the number in every rounding to at most 22 bits: cut off, and odd when
 * anything was cut (S. Boldo, G. Melquiond, "When double rounding is odd", 2005).
 */
function roundToOdd(value: number): number {
  single[0] = value;
  const rounded = single[0];
  const bits = singleBits[0] ?? 0;
  if (rounded === value || (bits & 1) === 1) return bits;
  return Math.abs(rounded) < Math.abs(value) ? bits + 1 : bits - 1;
}

/** Rounds to nearest, ties to even, in one step. NaN becomes a quiet NaN. */
function encodeBf16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const bits = roundToOdd(value);
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The same. */
function encodeF16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const bits = roundToOdd(value);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127 + F16.bias;
  if (exponent >= F16.top) return sign | 0x7c00;
  // What is below 2^-25 is nothing; 32-bit numbers without the leading one are far below it.
  const shift = 13 + Math.max(0, 1 - exponent);
  if (shift > 24) return sign;
  const mantissa = (bits & 0x7fffff) | 0x800000;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  const isUp = rest > tie || (rest === tie && (kept & 1) === 1);
  // The leading one of a normal number adds one to the exponent; a carry out of the mantissa does, too.
  return sign | ((Math.max(exponent - 1, 0) << F16.mantissaBits) + kept + (isUp ? 1 : 0));
}

/**
 * Reads as many elements as `into` has room for; `bytes` holds at least that many. Integers beyond 2^53 are rounded to
 * the nearest double, everything else is exact.
 */
export function readElements(dtype: NumericDtype, bytes: Uint8Array, into: Float64Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === "f64") {
    for (let index = 0; index < into.length; index++) into[index] = view.getFloat64(index * 8, true);
  } else if (dtype === "f32") {
    for (let index = 0; index < into.length; index++) into[index] = view.getFloat32(index * 4, true);
  } else if (dtype === "f16" || dtype === "bf16") {
    const values = valuesOf(dtype === "f16" ? F16 : BF16);
    for (let index = 0; index < into.length; index++)
      into[index] = values[view.getUint16(index * 2, true)] ?? 0;
  } else {
    const { width, read } = INTEGER_READERS[dtype];
    for (let index = 0; index < into.length; index++) into[index] = read(view, index * width);
  }
}

interface IntegerReader {
  readonly width: number;
  readonly read: (view: DataView, at: number) => number;
}

const INTEGER_READERS: Readonly<Record<(typeof INTEGERS)[number], IntegerReader>> = {
  i64: { width: 8, read: (view, at) => view.getInt32(at + 4, true) * WORD + view.getUint32(at, true) },
  i32: { width: 4, read: (view, at) => view.getInt32(at, true) },
  i16: { width: 2, read: (view, at) => view.getInt16(at, true) },
  i8: { width: 1, read: (view, at) => view.getInt8(at) },
  u64: { width: 8, read: (view, at) => view.getUint32(at + 4, true) * WORD + view.getUint32(at, true) },
  u32: { width: 4, read: (view, at) => view.getUint32(at, true) },
  u16: { width: 2, read: (view, at) => view.getUint16(at, true) },
  u8: { width: 1, read: (view, at) => view.getUint8(at) },
  bool: { width: 1, read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) },
};

/** Writes all values, each rounded to nearest with ties to even; `into` has room for them. */
export function writeElements(dtype: FloatDtype, values: Float64Array, into: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  if (dtype === "f64") {
    for (let index = 0; index < values.length; index++) view.setFloat64(index * 8, values[index] ?? 0, true);
  } else if (dtype === "f32") {
    for (let index = 0; index < values.length; index++) view.setFloat32(index * 4, values[index] ?? 0, true);
  } else if (dtype === "f16") {
    for (let index = 0; index < values.length; index++)
      view.setUint16(index * 2, encodeF16(values[index] ?? 0), true);
  } else {
    for (let index = 0; index < values.length; index++)
      view.setUint16(index * 2, encodeBf16(values[index] ?? 0), true);
  }
}
