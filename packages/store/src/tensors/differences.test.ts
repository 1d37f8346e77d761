import fc from "fast-check";
import { expect, test } from "vitest";
import type { ByteSource, Dtype } from "../formats/table.ts";
import { addSums, compareRanges, distanceOf, type RangeDifference } from "./differences.ts";
import { writeElements } from "./elements.ts";

/** Bytes in memory that remember the most that was read at a time. */
class MemorySource implements ByteSource {
  readonly bytes: Uint8Array;
  longestRead = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    this.longestRead = Math.max(this.longestRead, length);
    return this.bytes.subarray(offset, offset + length);
  }
}

const WIDTHS = { f64: 8, f32: 4, f16: 2, bf16: 2 } as const;
type Float = keyof typeof WIDTHS;

function floats(dtype: Float, values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * WIDTHS[dtype]);
  writeElements(dtype, Float64Array.from(values), bytes);
  return bytes;
}

function compare(from: [Dtype, Uint8Array], to: [Dtype, Uint8Array]): RangeDifference {
  const range = ([dtype, bytes]: [Dtype, Uint8Array]) => ({ dtype, offset: 0, length: bytes.length });
  const sources = { from: new MemorySource(from[1]), to: new MemorySource(to[1]) };
  return compareRanges(sources, { from: range(from), to: range(to) }, () => undefined);
}

function distance(from: [Dtype, Uint8Array], to: [Dtype, Uint8Array]) {
  const { sums } = compare(from, to);
  if (sums === null) throw new Error("no sums");
  return distanceOf(sums);
}

test("compareRanges() measures L2, relative L2, cosine and the largest difference", () => {
  const found = distance(["f32", floats("f32", [3, 4, 0])], ["f32", floats("f32", [3, 4, 12])]);
  expect(found).toEqual({
    elementCount: 3,
    changedCount: 1,
    l2: 12,
    relativeL2: 12 / 5,
    cosine: 25 / (5 * 13),
    maxAbs: 12,
    nonFinite: { from: 0, to: 0 },
  });
});

test("compareRanges() agrees with sums over whole arrays, over several blocks and types", () => {
  const count = 150_000;
  const values = (seed: number): number[] =>
    Array.from({ length: count }, (_, index) => Math.sin(index * seed) * 2 ** (index % 7));
  const sides = [values(1.1), values(1.3)] as const;
  for (const [left, right] of [
    ["f64", "f64"],
    ["f32", "f32"],
    ["f16", "f16"],
    ["f32", "bf16"],
  ] as const) {
    const bytes = [floats(left, sides[0]), floats(right, sides[1])] as const;
    const rounded = bytes.map((side, at) => decodeAll(at === 0 ? left : right, side));
    const [a = [], b = []] = rounded;
    const sum = (of: (x: number, y: number) => number): number =>
      a.reduce((total, x, index) => total + of(x, b[index] ?? 0), 0);
    const l2 = Math.sqrt(sum((x, y) => (x - y) ** 2));
    const norm = Math.sqrt(sum((x) => x * x));
    const cosine = sum((x, y) => x * y) / (norm * Math.sqrt(sum((_, y) => y * y)));
    const found = distance([left, bytes[0]], [right, bytes[1]]);
    expect(found.l2).toBeCloseTo(l2, 6);
    expect(found.relativeL2).toBeCloseTo(l2 / norm, 9);
    expect(found.cosine).toBeCloseTo(cosine, 9);
    expect(found.maxAbs).toBe(a.reduce((most, x, index) => Math.max(most, Math.abs(x - (b[index] ?? 0))), 0));
    expect(found.elementCount).toBe(count);
  }
});

function decodeAll(dtype: Float, bytes: Uint8Array): number[] {
  const { buffer } = bytes;
  if (dtype === "f64") return [...new Float64Array(buffer)];
  if (dtype === "f32") return [...new Float32Array(buffer)];
  if (dtype === "bf16")
    return [...new Float32Array(Uint32Array.from(new Uint16Array(buffer), (code) => code * 65_536).buffer)];
  return [...new Uint16Array(buffer)].map((code) => {
    const sign = code >= 0x8000 ? -1 : 1;
    const exponent = (code >> 10) & 31;
    return exponent === 0
      ? sign * (code & 1023) * 2 ** -24
      : sign * (1024 + (code & 1023)) * 2 ** (exponent - 25);
  });
}

test("compareRanges() counts what is not finite and leaves it out", () => {
  const from = floats("f32", [1, NaN, Infinity, NaN, 2, -Infinity]);
  const to = floats("f32", [1, NaN, 5, 7, 4, -Infinity]);
  expect(distance(["f32", from], ["f32", to])).toEqual({
    elementCount: 6,
    changedCount: 3,
    l2: 2,
    relativeL2: 2 / Math.sqrt(5),
    cosine: 9 / (Math.sqrt(5) * Math.sqrt(17)),
    maxAbs: 2,
    nonFinite: { from: 4, to: 2 },
  });
});

test("distanceOf() says null for what has no value", () => {
  const zeros = floats("f32", [0, 0]);
  expect(distance(["f32", zeros], ["f32", floats("f32", [0, 1])])).toMatchObject({
    l2: 1,
    relativeL2: null,
    cosine: null,
  });
  const huge = [floats("f64", [1e300, 1]), floats("f64", [-1e300, 1])] as const;
  expect(distance(["f64", huge[0]], ["f64", huge[1]])).toMatchObject({ l2: null, maxAbs: 2e300 });
});

test("compareRanges() only says equal or different of types without numbers", () => {
  const bytes = Uint8Array.from({ length: 700_000 }, (_, index) => index % 251);
  const other = bytes.slice();
  other[699_999] = 1;
  expect(compare(["q4_0", bytes], ["q4_0", bytes.slice()])).toEqual({ isEqual: true, sums: null });
  expect(compare(["q4_0", bytes], ["q4_0", other])).toEqual({ isEqual: false, sums: null });
  expect(compare(["q4_0", bytes], ["q8_0", bytes])).toEqual({ isEqual: false, sums: null });
  expect(compare(["f32", bytes], ["f32", bytes.subarray(4)])).toEqual({ isEqual: false, sums: null });
});

test("compareRanges() says equal only for equal bytes of one type", () => {
  expect(compare(["f32", floats("f32", [0])], ["f32", floats("f32", [-0])])).toMatchObject({
    isEqual: false,
    sums: { changedCount: 0, maxAbs: 0 },
  });
  const ones = floats("f16", [1, 2]);
  expect(compare(["f16", ones], ["f16", ones.slice()])).toMatchObject({
    isEqual: true,
    sums: { changedCount: 0, elementCount: 2 },
  });
  expect(compare(["f16", ones], ["f32", floats("f32", [1, 2])])).toMatchObject({
    isEqual: false,
    sums: { changedCount: 0 },
  });
});

test("the sums of parts add up to those of the whole, wherever it is cut", () => {
  const numbers = fc.array(fc.float({ noNaN: false }), { minLength: 2, maxLength: 50 });
  const property = fc.property(numbers, fc.nat(49), (values, cut) => {
    const at = Math.min(cut, values.length - 1);
    const others = values.map((value, index) => (index % 3 === 0 ? value : value * 1.5));
    const whole = compare(["f64", floats("f64", values)], ["f64", floats("f64", others)]).sums;
    const parts = [
      [values.slice(0, at), others.slice(0, at)],
      [values.slice(at), others.slice(at)],
    ].map(([a = [], b = []]) => compare(["f64", floats("f64", a)], ["f64", floats("f64", b)]).sums);
    const [total, rest] = parts;
    if (whole === null || total === undefined || total === null || rest === undefined || rest === null)
      throw new Error("no sums");
    addSums(total, rest);
    expect(total.changedCount).toBe(whole.changedCount);
    expect(total.maxAbs).toBe(whole.maxAbs);
    expect(total.nonFiniteTo).toBe(whole.nonFiniteTo);
    const difference = Math.abs(total.squaresOfDifference - whole.squaresOfDifference);
    expect(difference <= whole.squaresOfDifference * 1e-9 || Number.isNaN(difference)).toBe(true);
  });
  fc.assert(property);
});

test("compareRanges() reads blocks of at most 512 KiB and tells how much it read", () => {
  const bytes = new Uint8Array(3_000_000);
  const sources = { from: new MemorySource(bytes), to: new MemorySource(bytes) };
  let told = 0;
  const range = { dtype: "f64" as const, offset: 0, length: bytes.length };
  compareRanges(sources, { from: range, to: range }, (read) => {
    told += read;
  });
  expect(told).toBe(2 * bytes.length);
  expect(Math.max(sources.from.longestRead, sources.to.longestRead)).toBeLessThanOrEqual(512 * 1024);
});
