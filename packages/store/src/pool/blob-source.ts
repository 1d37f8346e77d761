/** A stored blob as the bytes that a format parser reads. Synchronous, for workers. */
import type { ByteSource } from "../formats/table.ts";
import type { OpenPacks } from "../pack/open-packs.ts";
import type { Piece, PiecedBlob } from "./tasks.ts";

/** Chunks kept: a parser goes from front to back, two files with their tensors in different orders jump about. */
const CHUNKS_MAX = 4;

/** The chunks that were read last are kept. */
export class BlobSource implements ByteSource {
  readonly sizeBytes: number;
  readonly #packs: OpenPacks;
  readonly #pieces: readonly Piece[];
  /** The least recently used first. */
  readonly #kept = new Map<number, Uint8Array>();

  constructor(packs: OpenPacks, { sizeBytes, pieces }: PiecedBlob) {
    this.sizeBytes = sizeBytes;
    this.#packs = packs;
    this.#pieces = pieces;
  }

  read(offset: number, length: number): Uint8Array {
    const end = Math.min(offset + length, this.sizeBytes);
    if (offset >= end) return new Uint8Array(0);
    const first = indexAt(this.#pieces, offset);
    const raw = this.#chunk(first);
    const start = offset - (this.#pieces[first]?.at ?? 0);
    if (start + (end - offset) <= raw.length) return raw.subarray(start, start + (end - offset));
    const bytes = new Uint8Array(end - offset);
    let done = 0;
    for (let index = first; done < bytes.length; index++) {
      const from = offset + done - (this.#pieces[index]?.at ?? 0);
      const part = this.#chunk(index).subarray(from, from + bytes.length - done);
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  #chunk(index: number): Uint8Array {
    const known = this.#kept.get(index);
    if (known !== undefined) {
      this.#kept.delete(index);
      this.#kept.set(index, known);
      return known;
    }
    const piece = this.#pieces[index];
    if (piece === undefined) throw new Error("a blob without the chunk that was asked for");
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= CHUNKS_MAX && oldest !== undefined) this.#kept.delete(oldest);
    // A copy: what the packs give is good until their next read only.
    const raw = this.#packs.read(piece).slice();
    this.#kept.set(index, raw);
    return raw;
  }
}

/** The piece that holds the byte at `offset`; pieces are in order and without gaps. */
export function indexAt(pieces: readonly Piece[], offset: number): number {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((pieces[middle]?.at ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
