/**
 * Payloads that no encoder wrote: each gives some bytes of the right length or OBJECT_CORRUPT, with and without
 * kernels.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import type { Codec, EncodeHints } from "./codec.ts";
import { DRV } from "./drv.ts";
import { FXD } from "./fxd.ts";
import { PLN, PLS } from "./pln.ts";
import { numbers, randomNumbers, toBf16, weights } from "./testing/numbers.ts";
import { XPL } from "./xpl.ts";

interface Case {
  readonly codec: Codec;
  readonly raw: Uint8Array;
  readonly hints: EncodeHints;
}

const raw = new Uint8Array(toBf16(weights(2000, 1)).buffer).slice(0, 3999);
const floats = new Uint8Array(weights(1200, 2).buffer);
const doubles = new Uint8Array(Float64Array.from(weights(500, 3)).buffer);
const random = randomNumbers(4);
const stepped = (bytes: Uint8Array): Uint8Array =>
  bytes.map((byte, at) => (at % 4 ? byte : byte + random() * 4));

const CASES: readonly Case[] = [
  { codec: PLN, raw, hints: { dtype: "bf16" } },
  { codec: PLN, raw: floats, hints: { dtype: "f32", lead: 3 } },
  { codec: PLN, raw: doubles, hints: { dtype: "f64" } },
  { codec: PLS, raw: floats, hints: { block: { strideBytes: 18, scaleBytes: 2 } } },
  { codec: XPL, raw: stepped(floats), hints: { dtype: "f32", parent: { raw: floats, dtype: "f32" } } },
  { codec: FXD, raw: stepped(raw), hints: { dtype: "bf16", parent: { raw, dtype: "bf16" } } },
  {
    codec: FXD,
    raw: stepped(floats),
    hints: { dtype: "f32", lead: 1, parent: { raw: floats, dtype: "f32" } },
  },
  { codec: FXD, raw: stepped(doubles), hints: { dtype: "f64", parent: { raw: doubles, dtype: "f64" } } },
  { codec: DRV, raw: raw.subarray(0, 2400), hints: { dtype: "bf16", parent: { raw: floats, dtype: "f32" } } },
];

/** The decoded bytes, or undefined for OBJECT_CORRUPT. */
function attempt(decode: () => Uint8Array | undefined): Uint8Array | undefined {
  try {
    return decode()?.slice();
  } catch (error) {
    if (isSmcError(error, "OBJECT_CORRUPT")) return undefined;
    throw error;
  }
}

/** Both decoders say the same about these bytes. */
function judge(
  { codec, raw, hints }: Case,
  stored: Uint8Array,
  rawBytes = raw.length,
  parent = hints.parent?.raw,
): void {
  const fast = attempt(() => codec.decode(stored, rawBytes, parent));
  const plain = attempt(() => codec.decodePlainly?.(stored, rawBytes, parent));
  expect(fast === undefined).toBe(plain === undefined);
  if (fast === undefined || plain === undefined) return;
  expect(fast.length).toBe(rawBytes);
  expect(Buffer.compare(fast, plain)).toBe(0);
}

function encode({ codec, raw, hints }: Case): Uint8Array {
  const stored = codec.encode(raw, hints)?.slice();
  if (stored === undefined) throw new Error(`${codec.name} did not encode`);
  return stored;
}

/** One of a few bytes: the whole of it takes minutes. */
const STEP = 29;

test.for(CASES.map((one, index) => ({ ...one, index })))(
  "$codec.name $index: changed and cut payloads",
  (one) => {
    const stored = encode(one);
    for (let at = 0; at < stored.length; at += at < 90 ? 1 : STEP) {
      const copy = stored.slice();
      for (const flip of [1, 128, 255]) {
        copy[at] = (stored[at] ?? 0) ^ flip;
        judge(one, copy);
      }
      judge(one, stored.slice(0, at));
    }
    judge(one, Buffer.concat([stored, Buffer.of(0)]));
  },
);

test.for(CASES)("$codec.name: other lengths of the raw bytes and of the parent", (one) => {
  const stored = encode(one);
  const parent = one.hints.parent?.raw;
  for (const rawBytes of [
    0,
    1,
    one.raw.length - 1,
    one.raw.length + 1,
    one.raw.length * 2,
    2 ** 22 + 1,
    2 ** 40,
  ]) {
    expect(attempt(() => one.codec.decode(stored, rawBytes, parent))).toBeUndefined();
    expect(attempt(() => one.codec.decodePlainly?.(stored, rawBytes, parent))).toBeUndefined();
  }
  if (parent === undefined) return;
  for (const other of [undefined, parent.subarray(1), Buffer.concat([parent, Buffer.of(0)])]) {
    expect(attempt(() => one.codec.decode(stored, one.raw.length, other))).toBeUndefined();
    expect(attempt(() => one.codec.decodePlainly?.(stored, one.raw.length, other))).toBeUndefined();
  }
});

test("random payloads behind a sound header", () => {
  const job = fc.tuple(fc.constantFrom(...CASES), fc.nat(60), numbers(5000));
  fc.assert(
    fc.property(job, ([one, kept, noise]) => {
      judge(one, Buffer.concat([encode(one).subarray(0, kept), noise]));
      judge(one, noise);
    }),
    { numRuns: 150 },
  );
});

test("a sound payload decodes after all of that", () => {
  for (const one of CASES) {
    const stored = encode(one);
    expect(Buffer.compare(one.codec.decode(stored, one.raw.length, one.hints.parent?.raw), one.raw)).toBe(0);
  }
});
