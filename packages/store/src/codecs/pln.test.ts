import fc from "fast-check";
import { expect, test } from "vitest";
import type { EncodeHints } from "./codec.ts";
import { PLN, PLS } from "./pln.ts";
import { LAYOUTS_TESTED, numbers } from "./testing/numbers.ts";

function roundTrip(codec: typeof PLN, raw: Uint8Array, hints: EncodeHints): number | undefined {
  const encoded = codec.encode(raw, hints)?.slice();
  if (encoded === undefined) return undefined;
  expect(Buffer.compare(codec.decode(encoded, raw.length), raw)).toBe(0);
  expect(Buffer.compare(codec.decodePlainly?.(encoded, raw.length) ?? Buffer.of(), raw)).toBe(0);
  return encoded.length;
}

test("PLN gives back every kind of number at every length and phase, with and without kernels", () => {
  fc.assert(
    fc.property(
      numbers(200_000),
      fc.constantFrom(...LAYOUTS_TESTED),
      fc.nat(7),
      (raw, { dtype, width }, lead) => {
        const size = roundTrip(PLN, raw, { dtype, lead: lead % width });
        if (size !== undefined) expect(size).toBeLessThanOrEqual(raw.length + 64 + (raw.length >> 10));
      },
    ),
    { numRuns: 150 },
  );
});

test("PLS gives back records of any size", () => {
  const block = fc.record({ strideBytes: fc.integer({ min: 2, max: 300 }), scaleBytes: fc.nat(15) });
  fc.assert(
    fc.property(numbers(200_000), block, fc.nat(1), (raw, block, lead) => {
      roundTrip(PLS, raw, { block, lead });
    }),
    { numRuns: 60 },
  );
});

test("PLN of several blocks and segments is as short as the entropy of its planes", () => {
  const weights = Float32Array.from({ length: 1_000_003 }, (_, index) => Math.sin(index * index) * 0.02);
  const raw = new Uint8Array(weights.buffer);
  expect(roundTrip(PLN, raw, { dtype: "f32" })).toBeLessThan(raw.length * 0.85);
});
