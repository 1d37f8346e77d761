/**
 * The index of a CARv2 file, of codec MultihashIndexSorted: where each block of the CARv1 begins, by the digest in its
 * CID. https://ipld.io/specs/transport/car/carv2/#format-0x0401-multihashindexsorted
 */
import type { Pacer } from "../call.ts";
import { DIGEST_BYTES, type Digest, digestToBytes } from "../objects/digest.ts";

/** The codec as a varint. */
export const INDEX_CODEC = Buffer.from("8108", "hex");
const SHA256_CODE = 0x12n;
const ENTRY_BYTES = DIGEST_BYTES + 8;
/** The codec, one hash, its code, one length of digests, the length of an entry, the length of all. */
const HEAD_BYTES = INDEX_CODEC.length + 4 + 8 + 4 + 4 + 8;

/** Takes 48 bytes of memory a block. */
export class BlockIndex {
  readonly #entries: Buffer;
  /** The numbers of the entries by the first byte of their digests. */
  readonly #numbers: readonly number[][] = Array.from({ length: 256 }, () => []);
  #count = 0;

  /** For at most that many blocks. */
  constructor(max: number) {
    this.#entries = Buffer.alloc(max * ENTRY_BYTES);
  }

  /** A block whose length stands at this offset of the CARv1. */
  add(digest: Digest, offset: number): void {
    const at = this.#count * ENTRY_BYTES;
    this.#entries.set(digestToBytes(digest), at);
    this.#entries.writeBigUInt64LE(BigInt(offset), at + DIGEST_BYTES);
    this.#numbers[this.#entries[at] ?? 0]?.push(this.#count);
    this.#count += 1;
  }

  /** The bytes of the index, in pieces. */
  async *encode(pace: Pacer): AsyncIterable<Buffer> {
    const head = Buffer.alloc(HEAD_BYTES);
    INDEX_CODEC.copy(head);
    let at = INDEX_CODEC.length;
    at = head.writeInt32LE(1, at);
    at = head.writeBigUInt64LE(SHA256_CODE, at);
    at = head.writeInt32LE(1, at);
    at = head.writeUInt32LE(ENTRY_BYTES, at);
    head.writeBigUInt64LE(BigInt(this.#count * ENTRY_BYTES), at);
    yield head;
    for (const numbers of this.#numbers) {
      await pace();
      // Of different digests: the offsets behind them never decide.
      const entries = numbers.map((number) =>
        this.#entries.subarray(number * ENTRY_BYTES, (number + 1) * ENTRY_BYTES),
      );
      yield Buffer.concat(entries.sort((a, b) => a.compare(b)));
    }
  }
}
