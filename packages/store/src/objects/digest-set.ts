/** A set of digests that takes little more than their 32 bytes each: for walks over millions of objects. */
import type { Digest } from "./digest.ts";

const SHARDS = 256;
const WORDS = 8;
const SLOTS_MIN = 16;

interface Shard {
  /** Eight numbers a slot. */
  words: Int32Array;
  used: Uint8Array;
  count: number;
}

/** Grows in small parts, so that no single `add` takes long. */
export class DigestSet {
  readonly #shards: (Shard | undefined)[] = Array.from({ length: SHARDS }, () => undefined);
  readonly #bytes = Buffer.alloc(WORDS * 4);
  readonly #words = new Int32Array(this.#bytes.buffer, this.#bytes.byteOffset, WORDS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False when it was there already. */
  add(digest: Digest): boolean {
    const shard = this.#shardOf(digest);
    const slot = find(shard, this.#words);
    if (shard.used[slot] === 1) return false;
    shard.used[slot] = 1;
    shard.words.set(this.#words, slot * WORDS);
    shard.count += 1;
    this.#size += 1;
    // More than three quarters full a search takes long.
    if (shard.count * 4 > shard.used.length * 3) grow(shard);
    return true;
  }

  has(digest: Digest): boolean {
    const shard = this.#shardOf(digest);
    return shard.used[find(shard, this.#words)] === 1;
  }

  /** Leaves the digest in `#words`. */
  #shardOf(digest: Digest): Shard {
    this.#bytes.write(digest, "hex");
    const number = this.#bytes.readUInt8(0);
    let shard = this.#shards[number];
    if (shard === undefined) {
      shard = { words: new Int32Array(SLOTS_MIN * WORDS), used: new Uint8Array(SLOTS_MIN), count: 0 };
      this.#shards[number] = shard;
    }
    return shard;
  }
}

/** The slot that holds these words, else the free one where they belong. */
function find({ words, used }: Shard, wanted: Int32Array): number {
  const mask = used.length - 1;
  let slot = (wanted[1] ?? 0) & mask;
  while (used[slot] === 1 && !isAt(words, slot * WORDS, wanted)) slot = (slot + 1) & mask;
  return slot;
}

function isAt(words: Int32Array, at: number, wanted: Int32Array): boolean {
  for (let index = 0; index < WORDS; index += 1) if (words[at + index] !== wanted[index]) return false;
  return true;
}

function grow(shard: Shard): void {
  const { words, used } = shard;
  shard.words = new Int32Array(words.length * 2);
  shard.used = new Uint8Array(used.length * 2);
  for (let slot = 0; slot < used.length; slot += 1) {
    if (used[slot] === 0) continue;
    const digest = words.subarray(slot * WORDS, (slot + 1) * WORDS);
    const to = find(shard, digest);
    shard.used[to] = 1;
    shard.words.set(digest, to * WORDS);
  }
}
