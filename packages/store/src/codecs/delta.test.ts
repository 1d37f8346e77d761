import fc from "fast-check";
import { expect, test } from "vitest";
import type { Codec, EncodeHints } from "./codec.ts";
import { DRV } from "./drv.ts";
import { FXD } from "./fxd.ts";
import { LAYOUTS_TESTED, numbers, randomNumbers, toBf16, weights } from "./testing/numbers.ts";
import { XPL } from "./xpl.ts";

function roundTrip(codec: Codec, raw: Uint8Array, hints: EncodeHints): number | undefined {
  const parent = hints.parent?.raw;
  const encoded = codec.encode(raw, hints)?.slice();
  if (encoded === undefined) return undefined;
  expect(Buffer.compare(codec.decode(encoded, raw.length, parent), raw)).toBe(0);
  expect(Buffer.compare(codec.decodePlainly?.(encoded, raw.length, parent) ?? Buffer.of(), raw)).toBe(0);
  return encoded.length;
}

/** The same bytes with a few, with all lightly, or with nothing changed; or others. */
function changed(raw: Uint8Array, kind: number, seed: number): Uint8Array {
  const random = randomNumbers(seed);
  const copy = raw.slice();
  if (kind === 0) return copy;
  if (kind === 1) return raw.slice().reverse();
  for (let at = 0; at < copy.length; at += kind === 2 ? 1 + Math.floor(random() * 400) : 2) {
    copy[at] = (copy[at] ?? 0) + Math.floor(random() * 5) - 2;
  }
  return copy;
}

const pair = fc
  .tuple(numbers(100_000), fc.nat(3), fc.nat(2 ** 31))
  .map(([raw, kind, seed]) => ({ raw, parent: changed(raw, kind, seed) }));

test("XPL and FXD give back every change of every kind of number, with and without kernels", () => {
  fc.assert(
    fc.property(
      pair,
      fc.constantFrom(...LAYOUTS_TESTED),
      fc.nat(7),
      ({ raw, parent }, { dtype, width }, lead) => {
        const hints = { dtype, lead: lead % width, parent: { raw: parent, dtype } };
        for (const codec of [XPL, FXD]) {
          const size = roundTrip(codec, raw, hints);
          if (size !== undefined) expect(size).toBeLessThanOrEqual(raw.length + 64 + (raw.length >> 10));
        }
      },
    ),
    { numRuns: 150 },
  );
});

test("XPL gives back records of any size", () => {
  const block = fc.record({ strideBytes: fc.integer({ min: 2, max: 300 }), scaleBytes: fc.nat(15) });
  fc.assert(
    fc.property(pair, block, ({ raw, parent }, block) => {
      roundTrip(XPL, raw, { block, dtype: "q8_0", parent: { raw: parent, dtype: "q8_0" } });
    }),
    { numRuns: 40 },
  );
});

const WIDTHS = { f16: 2, bf16: 2, f32: 4, u8: 1, i8: 1 } as const;

test("DRV gives back elements of every rule from any parent, with and without kernels", () => {
  const rule = fc.constantFrom(
    { dtype: "bf16", parent: "f32" },
    { dtype: "f16", parent: "f32" },
    { dtype: "f32", parent: "bf16" },
    { dtype: "f32", parent: "f16" },
    { dtype: "u8", parent: "f32" },
    { dtype: "i8", parent: "f16" },
    { dtype: "u8", parent: "bf16" },
  );
  const affine = fc.record({
    scale: fc.float({ min: 0, noNaN: true }),
    zeroPoint: fc.integer({ min: -200, max: 300 }),
  });
  fc.assert(
    fc.property(
      rule,
      numbers(60_000),
      numbers(240_000),
      affine,
      fc.nat(3),
      (rule, raw, bytes, affine, lead) => {
        const width = WIDTHS[rule.dtype];
        const phase = lead % width;
        const elements = Math.max(0, Math.floor((raw.length - phase) / width));
        const parent = new Uint8Array(elements * WIDTHS[rule.parent]);
        parent.set(bytes.subarray(0, parent.length));
        const hints = { dtype: rule.dtype, lead: phase, affine, parent: { raw: parent, dtype: rule.parent } };
        roundTrip(DRV, raw, hints);
      },
    ),
    { numRuns: 150 },
  );
});

const old = weights(500_000, 1);
const random = randomNumbers(2);

test("FXD of a small step is far shorter than the weights, and shorter than XPL", () => {
  const raw = new Uint8Array(old.map((value) => value + (random() - 0.5) * 1e-5).buffer);
  const hints: EncodeHints = { dtype: "f32", parent: { raw: new Uint8Array(old.buffer), dtype: "f32" } };
  const size = roundTrip(FXD, raw, hints) ?? Infinity;
  expect(size).toBeLessThan(raw.length * 0.5);
  expect(size).toBeLessThan((roundTrip(XPL, raw, hints) ?? 0) * 0.9);
});

test("FXD gives back small steps among large ones, whose raw bits fill whole words", () => {
  for (const share of [0.02, 0.1, 0.3, 0.6]) {
    const bits = new Uint32Array(old.slice(0, 50_000).buffer);
    const raw = bits.map((word) => (random() < share ? random() * 2 ** 32 : word + random() * 3));
    const parent = { raw: new Uint8Array(old.buffer, 0, 200_000), dtype: "f32" } as const;
    roundTrip(FXD, new Uint8Array(raw.buffer), { dtype: "f32", parent });
    const words = new Uint16Array(old.slice(0, 25_000).buffer);
    const shorts = words.map((word) => (random() < share ? random() * 2 ** 16 : word + random() * 3));
    const halves = { raw: new Uint8Array(old.buffer, 0, 100_000), dtype: "bf16" } as const;
    roundTrip(FXD, new Uint8Array(shorts.buffer), { dtype: "bf16", parent: halves });
    const longs = new BigUint64Array(Float64Array.from(old.subarray(0, 10_000)).buffer);
    const doubles = longs.map((long) =>
      random() < share ? BigInt(Math.floor(random() * 2 ** 53)) << 11n : long + 3n,
    );
    const wide = { raw: new Uint8Array(longs.buffer), dtype: "f64" } as const;
    roundTrip(FXD, new Uint8Array(doubles.buffer), { dtype: "f64", parent: wide });
  }
});

test("DRV of an exact cast and of an exact quantisation takes next to nothing", () => {
  const parent = { raw: new Uint8Array(old.buffer), dtype: "f32" } as const;
  const half = new DataView(new ArrayBuffer(4));
  const rounded = Uint16Array.from(old, (value) => {
    half.setFloat32(0, value);
    const bits = half.getUint32(0);
    return Number.isNaN(value) ? 0x7fc0 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  });
  expect(roundTrip(DRV, new Uint8Array(rounded.buffer), { dtype: "bf16", parent })).toBeLessThan(1000);
  const widened = Uint32Array.from(toBf16(old), (bits) => bits << 16);
  const upper = { raw: new Uint8Array(toBf16(old).buffer), dtype: "bf16" } as const;
  expect(roundTrip(DRV, new Uint8Array(widened.buffer), { dtype: "f32", parent: upper })).toBeLessThan(1000);
  const scale = Math.fround(0.0007);
  const quantised = Uint8Array.from(old, (value) => {
    const quotient = Math.fround(value / scale);
    const nearest = Math.abs(quotient % 1) === 0.5 ? 2 * Math.round(quotient / 2) : Math.round(quotient);
    return Number.isNaN(nearest) ? 128 : Math.max(0, Math.min(255, nearest + 128));
  });
  expect(roundTrip(DRV, quantised, { dtype: "u8", parent, affine: { scale, zeroPoint: 128 } })).toBeLessThan(
    1000,
  );
});

test("a delta decodes from a parent that lies in memory of the codec", () => {
  const first = new Uint8Array(old.buffer);
  const second = changed(first, 3, 4);
  const third = changed(second, 3, 5);
  const to = (raw: Uint8Array, parent: Uint8Array): Uint8Array =>
    FXD.encode(raw, { dtype: "f32", parent: { raw: parent, dtype: "f32" } })?.slice() ?? Buffer.of();
  const steps = [to(second, first), to(third, second)];
  const decoded = steps.reduce((parent, step) => FXD.decode(step, first.length, parent), first);
  expect(Buffer.compare(decoded, third)).toBe(0);
});

test("a delta against a parent of another length is not made", () => {
  const parent = { raw: new Uint8Array(old.buffer, 0, 4000), dtype: "f32" } as const;
  const raw = new Uint8Array(old.buffer, 0, 4004);
  for (const codec of [XPL, FXD]) expect(codec.encode(raw, { dtype: "f32", parent })).toBeUndefined();
  expect(DRV.encode(raw, { dtype: "bf16", parent })).toBeUndefined();
});
