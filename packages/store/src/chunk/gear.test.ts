import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { GEAR_MAX_BYTES, GEAR_MIN_BYTES, gearCut, scanPlainly } from "./gear.ts";

/** Bytes that look random and are the same on every machine. */
function noise(sizeBytes: number, seed: string): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = createHash("sha256").update(seed).digest().readUInt32LE(0) | 1;
  for (let at = 0; at + 4 <= sizeBytes; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, at);
  }
  return bytes;
}

function cutAll(bytes: Uint8Array): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = gearCut(bytes, at, bytes.length);
    lengths.push(length);
    at += length;
  }
  return lengths;
}

test("gearCut() keeps to its sizes and covers every byte", () => {
  const bytes = noise(24 * 1024 * 1024, "sizes");
  const lengths = cutAll(bytes);
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(bytes.length);
  for (const length of lengths.slice(0, -1)) {
    expect(length).toBeGreaterThanOrEqual(GEAR_MIN_BYTES);
    expect(length).toBeLessThanOrEqual(GEAR_MAX_BYTES);
  }
});

test("gearCut() is frozen: these lengths may never change", () => {
  expect(cutAll(noise(8 * 1024 * 1024, "frozen"))).toMatchInlineSnapshot(`
    [
      1244048,
      1180188,
      1414111,
      1651732,
      1328257,
      1114607,
      455665,
    ]
  `);
});

test("gearCut() finds the same cuts again after bytes were put in front", () => {
  const bytes = noise(16 * 1024 * 1024, "shift");
  const ends = (data: Uint8Array, shift: number): Set<number> => {
    let at = -shift;
    return new Set(cutAll(data).map((length) => (at += length)));
  };
  const before = ends(bytes, 0);
  const after = ends(Buffer.concat([Buffer.from("a new header"), bytes]), 12);
  const shared = [...before].filter((end) => after.has(end));
  expect(shared.length).toBeGreaterThanOrEqual(before.size - 2);
});

test("gearCut() cuts constant bytes at the largest size", () => {
  expect(cutAll(new Uint8Array(9 * 1024 * 1024))).toEqual([GEAR_MAX_BYTES, GEAR_MAX_BYTES, 1024 * 1024]);
});

test("gearCut() cuts alike at every place in memory", () => {
  const bytes = noise(6 * 1024 * 1024, "places");
  const expected = cutAll(bytes);
  for (let shift = 1; shift < 8; shift++) {
    const moved = new Uint8Array(new SharedArrayBuffer(bytes.length + shift), shift);
    moved.set(bytes);
    expect(cutAll(moved), `moved by ${shift}`).toEqual(expected);
    expect(gearCut(moved, 3, moved.length)).toBe(gearCut(bytes, 3, bytes.length));
  }
});

test("gearCut() cuts alike with and without kernels", () => {
  const bytes = noise(9 * 1024 * 1024, "plain");
  for (let at = 0; at < bytes.length;) {
    const length = gearCut(bytes, at, bytes.length, scanPlainly);
    expect(gearCut(bytes, at, bytes.length)).toBe(length);
    at += length;
  }
});
