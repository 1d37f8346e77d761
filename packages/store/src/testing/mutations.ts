/** For tests: bytes that almost are what they should be. */
import { randomInt } from "node:crypto";
import { randomNumbers } from "../codecs/testing/numbers.ts";

/** `FUZZ_SEED` repeats a run. */
export const SEED = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31));

/** Numbers at which limits, signs and precision end, as they are written in a field of 1, 2, 4 or 8 bytes. */
const EDGES = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const SIZES = [1, 2, 4, 8] as const;
const EXTRA_BYTES_MAX = 300;

export class Mutator {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomNumbers(seed);
  }

  /** An integer in 0 … below − 1. */
  pick(below: number): number {
    return Math.floor(this.#random() * below);
  }

  one<T>(items: readonly T[]): T {
    return items[this.pick(items.length)] as T;
  }

  /** One to four changes: bits, fields, and parts that are lost, doubled, moved or added. */
  mutate(bytes: Uint8Array): Buffer {
    let changed: Buffer = Buffer.from(bytes);
    for (let count = this.pick(4); count >= 0; count -= 1) changed = this.#change(changed);
    return changed;
  }

  #change(bytes: Buffer): Buffer {
    const at = this.pick(bytes.length + 1);
    const end = at + this.pick(Math.min(bytes.length - at, EXTRA_BYTES_MAX) + 1);
    const part = bytes.subarray(at, end);
    switch (this.pick(7)) {
      case 0:
        return bytes.subarray(0, at);
      case 1:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
      case 2:
        return Buffer.concat([bytes.subarray(0, end), part, bytes.subarray(end)]);
      case 3:
        return Buffer.concat([bytes, Buffer.alloc(this.pick(EXTRA_BYTES_MAX), this.pick(256))]);
      case 4:
        return this.#setField(bytes);
      case 5:
        part.reverse();
        return bytes;
      default:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << this.pick(8));
        return bytes;
    }
  }

  #setField(bytes: Buffer): Buffer {
    const size = this.one(SIZES);
    if (bytes.length < size) return bytes;
    const field = Buffer.alloc(8);
    const edge = BigInt.asUintN(size * 8, this.one(EDGES) + BigInt(this.pick(3)) - 1n);
    const isLittle = this.pick(2) === 0;
    if (isLittle) field.writeBigUInt64LE(edge);
    else field.writeBigUInt64BE(edge << BigInt(64 - size * 8));
    bytes.set(field.subarray(0, size), this.pick(bytes.length - size + 1));
    return bytes;
  }
}
