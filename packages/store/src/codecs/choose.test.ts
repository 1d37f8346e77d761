import fc from "fast-check";
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { acceptIfRight, encodeBest } from "./choose.ts";
import type { Codec, EncodeHints, ParentBytes } from "./codec.ts";
import { PLN as PLN_CODEC } from "./pln.ts";
import { decodeStored } from "./registry.ts";
import { LAYOUTS_TESTED, numbers, randomNumbers, toBf16, weights } from "./testing/numbers.ts";

const [RAW, FILL, BRO, PLN, PLS, XPL, FXD, DRV] = [0, 1, 2, 16, 17, 32, 33, 34];
const old = weights(400_000, 1);
const random = randomNumbers(2);
const next = old.map((value) => value + (random() - 0.5) * 1e-5);
const bytes = ({ buffer }: { buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(buffer);
const f32 = (values: Float32Array): ParentBytes => ({ raw: bytes(values), dtype: "f32" });

test("encodeBest() takes what is shortest for each kind of chunk", () => {
  const codecOf = (raw: Uint8Array, hints?: EncodeHints): number => encodeBest(raw, hints).codec;
  expect(codecOf(bytes(old), { dtype: "f32" })).toBe(PLN);
  expect(codecOf(bytes(next), { dtype: "f32", parent: f32(old) })).toBe(FXD);
  expect(codecOf(bytes(weights(400_000, 9)), { dtype: "f32", parent: f32(old) })).toBe(PLN);
  expect(codecOf(bytes(Uint16Array.from(toBf16(next))), { dtype: "bf16", parent: f32(next) })).toBe(DRV);
  expect(codecOf(new Uint8Array(65_536), { dtype: "f32" })).toBe(FILL);
  expect(codecOf(randomBytes(100_000), { dtype: "f32", parent: f32(old) })).toBe(RAW);
  const codes = Int8Array.from(old, (value) => Math.round(value * 900));
  const moved = codes.map((code) => (random() < 0.02 ? code + 1 : code));
  expect(codecOf(bytes(moved), { dtype: "i8", parent: { raw: bytes(codes), dtype: "i8" } })).toBe(XPL);
  expect(codecOf(bytes(codes), { dtype: "q8_0", block: { strideBytes: 34, scaleBytes: 2 } })).toBe(PLS);
  const positions = BigInt64Array.from({ length: 50_000 }, (_, index) => BigInt(index % 512));
  expect(codecOf(bytes(positions), { dtype: "i64" })).toBe(BRO);
});

test("encodeBest() finds the width and the phase of numbers that nobody described", () => {
  for (const shift of [0, 1, 2, 3]) {
    const { codec, stored } = encodeBest(bytes(old).subarray(shift));
    expect(codec).toBe(PLN);
    expect(stored.length).toBeLessThan(old.length * 4 * 0.86);
    expect([...stored.subarray(0, 2)]).toEqual([4, 1]);
  }
  expect([...encodeBest(bytes(toBf16(old))).stored.subarray(0, 2)]).toEqual([2, 1]);
  expect(encodeBest(randomBytes(1 << 20)).codec).toBe(RAW);
});

test("encodeBest() gives the same bytes when the codec of the chunk before is known", () => {
  for (const previous of [RAW, PLN, FXD, XPL, 99]) {
    const hints = { dtype: "f32", parent: f32(old) } as const;
    const expected = Buffer.from(encodeBest(bytes(next), hints).stored);
    expect(Buffer.compare(encodeBest(bytes(next), { ...hints, previous }).stored, expected)).toBe(0);
  }
});

const anyHints = fc.record(
  {
    dtype: fc.constantFrom(
      "f16",
      "bf16",
      "f32",
      "f64",
      "i8",
      "u8",
      "i64",
      "bool",
      "c64",
      "c128",
      "q4_0",
      "opaque",
    ),
    lead: fc.oneof(fc.nat(20), fc.double()),
    previous: fc.constantFrom(0, 1, 2, 16, 17, 32, 33, 34, 63),
    affine: fc.record({ scale: fc.double(), zeroPoint: fc.double() }),
    block: fc.record({ strideBytes: fc.nat(2000), scaleBytes: fc.nat(40) }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<EncodeHints>;

test("encodeBest() never throws and always decodes, whatever the hints say", () => {
  const parent = fc.tuple(
    fc.constantFrom("same" as const, "other" as const, "longer" as const, "none" as const),
    fc.constantFrom(...LAYOUTS_TESTED),
  );
  fc.assert(
    fc.property(numbers(150_000), anyHints, parent, (raw, hints, [kind, { dtype }]) => {
      const parents = {
        same: raw,
        other: raw.slice().reverse(),
        longer: new Uint8Array(raw.length * 2),
        none: undefined,
      };
      const bytes = parents[kind];
      const all = bytes === undefined ? hints : { ...hints, parent: { raw: bytes, dtype } };
      const { codec, stored } = encodeBest(raw, all);
      expect(stored.length).toBeLessThanOrEqual(raw.length);
      expect(Buffer.compare(decodeStored(codec, stored.slice(), raw.length, bytes), raw)).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test("encodeBest() takes bytes and a parent that lie in memory of a codec", () => {
  const decode = (raw: Uint8Array): Uint8Array =>
    PLN_CODEC.decode(PLN_CODEC.encode(raw, { dtype: "f32" })?.slice() ?? Buffer.of(), raw.length);
  const [raw, noise] = [bytes(next), new Uint8Array(randomBytes(400_000))];
  const delta = encodeBest(decode(raw), { dtype: "f32", parent: f32(old) });
  expect(Buffer.compare(decodeStored(FXD, delta.stored.slice(), raw.length, bytes(old)), raw)).toBe(0);
  expect(Buffer.compare(encodeBest(decode(noise), { dtype: "f32" }).stored, noise)).toBe(0);
  const parent = { raw: decode(bytes(old)), dtype: "f32" } as const;
  expect(encodeBest(raw, { dtype: "f32", parent }).codec).toBe(FXD);
});

test("a delta that does not give its chunk back is not taken", () => {
  const raw = Buffer.from("four times four bytes");
  const wrong: Codec = {
    id: 40,
    name: "wrong",
    isDelta: true,
    encode: () => Buffer.of(1),
    decode: () => Buffer.from("four times five bytes"),
  };
  expect(acceptIfRight(wrong, { raw, stored: Buffer.of(1), parent: raw })).toBeUndefined();
  const right = { ...wrong, decode: () => raw };
  expect(acceptIfRight(right, { raw, stored: Buffer.of(1), parent: raw })?.codec).toBe(40);
});
