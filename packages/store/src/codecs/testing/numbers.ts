/** Bytes that look like tensors, and like nothing at all, for the tests of the codecs. */
import fc from "fast-check";

export const LAYOUTS_TESTED = [
  { dtype: "u8", width: 1 },
  { dtype: "i8", width: 1 },
  { dtype: "bf16", width: 2 },
  { dtype: "f16", width: 2 },
  { dtype: "f32", width: 4 },
  { dtype: "i32", width: 4 },
  { dtype: "f64", width: 8 },
  { dtype: "i64", width: 8 },
] as const;

const SPECIAL = [0, -0, Number.NaN, Infinity, -Infinity, 1e-45, -1e-45, 3.4e38, 1, -1, 1e-40];

/** A generator of one step: the same numbers for the same seed on every machine. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    let mixed = state ^ (state >>> 15);
    mixed = Math.imul(mixed, 0x2c1b3c6d);
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32;
  };
}

/** About normally distributed weights whose spread changes every 10,000, with a few special values. */
export function weights(length: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length }, (_, index) => {
    const shape = random() + random() + random() + random() - 2;
    const special = SPECIAL[Math.floor(random() * 2000)];
    return special ?? shape * 0.02 * (1 + (Math.floor(index / 10_000) % 5));
  });
}

/** The upper half of each float. */
export function toBf16(values: Float32Array): Uint16Array {
  return Uint16Array.from(
    new Uint32Array(values.buffer, values.byteOffset, values.length),
    (bits) => bits >>> 16,
  );
}

function bytesOf({ buffer }: { buffer: ArrayBufferLike }, length: number): Uint8Array {
  return new Uint8Array(buffer).slice(0, length);
}

/** At most `maxLength` bytes: weights of several types, noise, few values, one value, text-like. Not shrunk. */
export function numbers(maxLength: number): fc.Arbitrary<Uint8Array> {
  const length = fc.oneof(fc.nat(70), fc.nat(5000), fc.integer({ min: 0, max: maxLength }));
  return fc.tuple(fc.nat(6), length, fc.nat(2 ** 31)).map(([kind, bytes, seed]) => {
    const random = randomNumbers(seed);
    if (kind === 0) return bytesOf(weights(Math.ceil(bytes / 4), seed), bytes);
    if (kind === 1) return bytesOf(toBf16(weights(Math.ceil(bytes / 2), seed)), bytes);
    if (kind === 2) return bytesOf(Float64Array.from(weights(Math.ceil(bytes / 8), seed)), bytes);
    if (kind === 3) return Uint8Array.from({ length: bytes }, () => random() * 256);
    if (kind === 4) return Uint8Array.from({ length: bytes }, () => random() * random() * 5);
    if (kind === 5) return new Uint8Array(bytes).fill(seed);
    return bytesOf(
      Int32Array.from({ length: Math.ceil(bytes / 4) }, () => (random() - 0.5) * 300),
      bytes,
    );
  });
}
