import fc from "fast-check";
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { GEAR_MAX_BYTES, GEAR_MIN_BYTES, GEAR_NORMAL_BYTES, gearCut } from "../chunk/gear.ts";
import { scanGear } from "./gear-scan.ts";
import { randomNumbers } from "./testing/numbers.ts";

const table = Int32Array.from({ length: 256 }, (_, byte) =>
  createHash("sha256").update(`smc gear 1 ${byte}`).digest().readInt32LE(0),
);

function scanPlainly(
  bytes: Uint8Array,
  { from, to, mask, seed }: Record<"from" | "to" | "mask" | "seed", number>,
) {
  let hash = seed;
  for (let at = from; at < to; at++) {
    hash = ((hash << 1) + (table[bytes[at] as number] as number)) | 0;
    if ((hash & mask) === 0) return { at: at + 1, hash };
  }
  return { at: -1, hash };
}

function noise(length: number, seed: number): Uint8Array {
  const random = randomNumbers(seed);
  return Uint8Array.from({ length }, () => random() * 256);
}

const data = noise(3_000_000, 1);

test("scanGear() finds the cuts that the definition gives, and its hashes", () => {
  const range = fc.tuple(fc.nat(data.length), fc.nat(400_000)).map(([from, length]) => ({
    from,
    to: Math.min(data.length, from + length),
  }));
  const mask = fc.constantFrom(0xfffffc00 | 0, 0xffffc000 | 0, 0xffff0000 | 0, 0xff000000 | 0, 1);
  fc.assert(
    fc.property(range, mask, fc.integer(), ({ from, to }, mask, seed) => {
      expect(scanGear(data, { from, to, mask, seed, table })).toEqual(
        scanPlainly(data, { from, to, mask, seed }),
      );
    }),
    { numRuns: 200 },
  );
});

/** gearCut() with scanGear() in the place of its loops. */
function cutWithKernels(bytes: Uint8Array, start: number): number {
  const end = Math.min(bytes.length, start + GEAR_MAX_BYTES);
  const first = start + GEAR_MIN_BYTES;
  if (first >= end) return bytes.length - start;
  const seed = bytes
    .subarray(first - 32, first)
    .reduce((hash, byte) => ((hash << 1) + (table[byte] as number)) | 0, 0);
  const normal = Math.min(end, start + GEAR_NORMAL_BYTES);
  const before = scanGear(bytes, { from: first, to: normal, mask: 0xfffffc00 | 0, seed, table });
  if (before !== undefined && before.at >= 0) return before.at - start;
  const after = scanGear(bytes, {
    from: normal,
    to: end,
    mask: 0xffffc000 | 0,
    seed: before?.hash ?? 0,
    table,
  });
  return (after !== undefined && after.at >= 0 ? after.at : end) - start;
}

test("scanGear() cuts where gearCut() does, also in bytes that repeat", () => {
  const period = noise(777, 2);
  const inputs = [data, data.map((byte) => byte & 3), data.map((_, at) => period[at % period.length] ?? 0)];
  inputs.push(new Uint8Array(5_000_000));
  for (const bytes of inputs) {
    for (let at = 0; at < bytes.length;) {
      const length = gearCut(bytes, at, bytes.length);
      expect(cutWithKernels(bytes, at)).toBe(length);
      at += length;
    }
  }
});
