import { expect, test } from "vitest";
import type { ByteSource } from "../formats/table.ts";
import { composeBytes, cutSegment, type Segment, segmentLength } from "./compose.ts";
import { type FloatDtype, readElements, writeElements } from "./elements.ts";

function source(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    // What is read is overwritten by the next read, as the contract allows.
    read: (offset, length) => bytes.slice(offset, offset + length),
  };
}

function compose(sources: readonly Uint8Array[], segments: readonly Segment[]) {
  const counts = { nonFiniteCount: 0 };
  const parts = [...composeBytes(sources.map(source), segments, counts)].map((part) => part.slice());
  return { bytes: new Uint8Array(Buffer.concat(parts)), counts };
}

const WIDTHS = { f64: 8, f32: 4, f16: 2, bf16: 2 } as const;

function encode(dtype: FloatDtype, values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * WIDTHS[dtype]);
  writeElements(dtype, Float64Array.from(values), bytes);
  return bytes;
}

function decode(dtype: FloatDtype, bytes: Uint8Array): number[] {
  const values = new Float64Array(bytes.length / WIDTHS[dtype]);
  readElements(dtype, bytes, values);
  return [...values];
}

function mix(
  dtype: FloatDtype,
  sides: { ours: readonly number[]; theirs: readonly number[] },
  weight: number,
) {
  const [ours, theirs] = [encode(dtype, sides.ours), encode(dtype, sides.theirs)];
  const segment: Segment = {
    kind: "mix",
    dtype,
    ours: { source: 0, offset: 0 },
    theirs: { source: 1, offset: 0 },
    length: ours.length,
    weight,
  };
  const { bytes, counts } = compose([ours, theirs], [segment]);
  return { values: decode(dtype, bytes), bytes, counts };
}

test("composeBytes() puts bytes and ranges of sources one after the other", () => {
  const one = Buffer.from("the first source");
  const two = Buffer.from("another one");
  const segments: Segment[] = [
    { kind: "copy", from: { source: 0, offset: 4 }, length: 6 },
    { kind: "bytes", bytes: Buffer.from("and ") },
    { kind: "copy", from: { source: 1, offset: 0 }, length: 7 },
  ];
  expect(Buffer.from(compose([one, two], segments).bytes).toString()).toBe("first and another");
});

test.for(["f64", "f32", "f16", "bf16"] as const)("a mixture of %s is the average, rounded once", (dtype) => {
  const found = mix(dtype, { ours: [1, 2, -4, 0], theirs: [3, 2, 4, 0.5] }, 0.5);
  expect(found.values).toEqual([2, 2, 0, 0.25]);
  expect(mix(dtype, { ours: [1, 0], theirs: [2, 8] }, 0.25).values).toEqual([1.25, 2]);
});

test("a mixture rounds ties to even", () => {
  // Halfway between two neighbours of f16 around 1: 1 + 2^-10 is the next after 1.
  expect(mix("f16", { ours: [1, 1 + 2 ** -10], theirs: [1 + 2 ** -10, 1 + 2 ** -9] }, 0.5).values).toEqual([
    1,
    1 + 2 ** -9,
  ]);
});

test("a mixture keeps elements that are equal, whatever the weight", () => {
  const values = Array.from({ length: 1000 }, (_, index) => Math.sin(index) / 3);
  const others = values.map((value, index) => (index === 7 ? value + 1 : value));
  const found = mix("f64", { ours: values, theirs: others }, 0.3).values;
  expect(found.filter((value, index) => value !== values[index])).toHaveLength(1);
});

test("a mixture counts what is not finite; the rest is not touched by it", () => {
  const found = mix("f32", { ours: [1, NaN, Infinity, 5], theirs: [3, 1, -Infinity, Infinity] }, 0.5);
  expect(found.values).toEqual([2, NaN, NaN, Infinity]);
  expect(found.counts).toEqual({ nonFiniteCount: 3 });
});

test("blocks that are equal keep their very bytes, signalling NaN too", () => {
  const odd = Uint8Array.of(0x01, 0x7c, 0xff, 0xff);
  const segment: Segment = {
    kind: "mix",
    dtype: "f16",
    ours: { source: 0, offset: 0 },
    theirs: { source: 1, offset: 0 },
    length: 4,
    weight: 0.5,
  };
  expect(compose([odd, odd.slice()], [segment]).bytes).toEqual(odd);
});

test("composeBytes() gives the same bytes when segments are cut", () => {
  const ours = encode(
    "f32",
    Array.from({ length: 300_000 }, (_, index) => Math.cos(index)),
  );
  const theirs = encode(
    "f32",
    Array.from({ length: 300_000 }, (_, index) => Math.sin(index)),
  );
  const whole: Segment = {
    kind: "mix",
    dtype: "f32",
    ours: { source: 0, offset: 0 },
    theirs: { source: 1, offset: 0 },
    length: ours.length,
    weight: 0.3,
  };
  const at = 4096 * 101;
  const parts = [cutSegment(whole, 0, at), cutSegment(whole, at, ours.length)];
  expect(parts.map(segmentLength)).toEqual([at, ours.length - at]);
  const [expected, found] = [compose([ours, theirs], [whole]), compose([ours, theirs], parts)];
  expect(Buffer.compare(found.bytes, expected.bytes)).toBe(0);
  const copy: Segment = { kind: "copy", from: { source: 0, offset: 8 }, length: 100 };
  const bytes: Segment = { kind: "bytes", bytes: Uint8Array.of(1, 2, 3, 4) };
  expect(cutSegment(copy, 4, 12)).toEqual({ kind: "copy", from: { source: 0, offset: 12 }, length: 8 });
  expect(cutSegment(bytes, 1, 3)).toEqual({ kind: "bytes", bytes: Uint8Array.of(2, 3) });
});

test("composeBytes() throws when a source is shorter than its segment", () => {
  const segment: Segment = { kind: "copy", from: { source: 0, offset: 2 }, length: 4 };
  expect(() => compose([Uint8Array.of(1, 2, 3)], [segment])).toThrow(/ended before/);
});
