import { expect, test } from "vitest";
import { type FloatDtype, isFloat, isNumeric, readElements, writeElements } from "./elements.ts";

const CODES = Uint16Array.from({ length: 65_536 }, (_, code) => code);

function decode(dtype: FloatDtype, codes: Uint16Array): Float64Array {
  const values = new Float64Array(codes.length);
  readElements(dtype, new Uint8Array(codes.buffer), values);
  return values;
}

function encode(dtype: FloatDtype, values: readonly number[] | Float64Array): Uint16Array {
  const codes = new Uint16Array(values.length);
  writeElements(dtype, Float64Array.from(values), new Uint8Array(codes.buffer));
  return codes;
}

/** What the standard says of one binary16 code, bit by bit. */
function binary16(code: number): number {
  const bits = code.toString(2).padStart(16, "0");
  const sign = bits.startsWith("1") ? -1 : 1;
  const exponent = Number.parseInt(bits.slice(1, 6), 2);
  const fraction = Number.parseInt(bits.slice(6), 2);
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

test("readElements() gives every f16 code its value", () => {
  const expected = Float64Array.from(CODES, binary16);
  expect(Buffer.compare(new Uint8Array(decode("f16", CODES).buffer), new Uint8Array(expected.buffer))).toBe(
    0,
  );
});

test("readElements() gives every bf16 code the value of the f32 that starts with it", () => {
  const wide = new Float32Array(Uint32Array.from(CODES, (code) => code * 65_536).buffer);
  const values = decode("bf16", CODES);
  for (const code of CODES) expect(Object.is(values[code], wide[code]), `code ${code}`).toBe(true);
});

test.for(["f16", "bf16"] as const)("writeElements() gives every %s its own code back", (dtype) => {
  const values = decode(dtype, CODES);
  const codes = encode(dtype, values);
  const wrong = [...CODES].filter((code) => !Number.isNaN(values[code]) && codes[code] !== code);
  expect(wrong).toEqual([]);
  const again = decode(dtype, codes);
  expect([...CODES].filter((code) => Number.isNaN(values[code]) !== Number.isNaN(again[code]))).toEqual([]);
});

/** The next double above a positive one. */
function above(value: number): number {
  const bits = new BigUint64Array(Float64Array.of(value).buffer);
  return new Float64Array(BigUint64Array.of((bits[0] ?? 0n) + 1n).buffer)[0] ?? NaN;
}

function below(value: number): number {
  const bits = new BigUint64Array(Float64Array.of(value).buffer);
  return new Float64Array(BigUint64Array.of((bits[0] ?? 0n) - 1n).buffer)[0] ?? NaN;
}

test.for([
  ["f16", 0x7c00, 65_536],
  ["bf16", 0x7f80, 2 ** 128],
] as const)("writeElements() rounds to the nearest %s, ties to even", ([dtype, infinity, overflow]) => {
  const values = decode(dtype, CODES);
  for (let code = 0; code < infinity; code++) {
    const value = values[code] ?? NaN;
    // Past the largest number the next step would have been a power of two; from halfway there it is infinity.
    const next = code + 1 === infinity ? overflow : (values[code + 1] ?? NaN);
    const middle = (value + next) / 2;
    const even = code % 2 === 0 ? code : code + 1;
    const found = encode(dtype, [
      below(middle),
      middle,
      above(middle),
      -below(middle),
      -middle,
      -above(middle),
    ]);
    const expected = [code, even, code + 1];
    expect([...found], `code ${code}`).toEqual([...expected, ...expected.map((one) => one + 0x8000)]);
  }
});

test("writeElements() takes the ends of the range of a double", () => {
  const values = [Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, -0, Infinity, -Infinity];
  expect([...encode("f16", values)]).toEqual([0x7c00, 0xfc00, 0, 0x8000, 0x7c00, 0xfc00]);
  expect([...encode("bf16", values)]).toEqual([0x7f80, 0xff80, 0, 0x8000, 0x7f80, 0xff80]);
});

test("writeElements() rounds to f32 and keeps f64", () => {
  const bytes = new Uint8Array(16);
  writeElements("f32", Float64Array.of(0.1, 1 + 2 ** -24, 1 + 3 * 2 ** -24, -0), bytes);
  const singles = new Float32Array(bytes.buffer);
  expect([...singles]).toEqual([Math.fround(0.1), 1, 1 + 2 ** -22, -0]);
  writeElements("f64", Float64Array.of(0.1, -5e-324), bytes);
  expect([...new Float64Array(bytes.buffer)]).toEqual([0.1, -5e-324]);
});

test("readElements() reads integers of every width, and from an odd place", () => {
  const cases = [
    ["i64", BigInt64Array.of(-(2n ** 63n), -1n, 2n ** 53n - 1n), [-(2 ** 63), -1, 2 ** 53 - 1]],
    ["u64", BigUint64Array.of(2n ** 64n - 1n, 2n ** 32n, 7n), [2 ** 64, 2 ** 32, 7]],
    ["i32", Int32Array.of(-(2 ** 31), 5), [-(2 ** 31), 5]],
    ["u32", Uint32Array.of(2 ** 32 - 1, 5), [2 ** 32 - 1, 5]],
    ["i16", Int16Array.of(-32_768, 5), [-32_768, 5]],
    ["u16", Uint16Array.of(65_535, 5), [65_535, 5]],
    ["i8", Int8Array.of(-128, 5), [-128, 5]],
    ["u8", Uint8Array.of(255, 5), [255, 5]],
    ["bool", Uint8Array.of(0, 1, 2), [0, 1, 1]],
  ] as const;
  for (const [dtype, stored, expected] of cases) {
    const shifted = new Uint8Array(stored.byteLength + 1);
    shifted.set(new Uint8Array(stored.buffer), 1);
    const into = new Float64Array(expected.length);
    readElements(dtype, shifted.subarray(1), into);
    expect([...into], dtype).toEqual(expected);
  }
});

test("isFloat() and isNumeric() tell what can be mixed and what can be measured", () => {
  expect((["f64", "f32", "f16", "bf16", "f8e4m3", "i8", "q4_0"] as const).map(isFloat)).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  expect((["u8", "bool", "f16", "c64", "q4_0", "opaque"] as const).map(isNumeric)).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});
