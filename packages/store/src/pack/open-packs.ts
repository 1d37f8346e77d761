/** Reading chunks out of many packs in one thread: open files, memory that is used again, parents before children. */
import { closeSync } from "node:fs";
import { isSmcError, SmcError } from "../errors.ts";
import { CHUNK_BYTES_MAX } from "../objects/objects.ts";
import { DELTA_PREFIX_BYTES_MAX, CHAIN_MAX } from "./delta.ts";
import { RECORD_HEADER_BYTES } from "./format.ts";
import { damaged, openPack, readRecordSync, type RecordSpan } from "./reader.ts";

const OPEN_PACKS_MAX = 32;

/** Where a chunk's record is, and where those of its parents are. */
export interface ChunkPlace {
  readonly pack: string;
  readonly span: RecordSpan;
  /** In the order in which the record names them; absent when it stands alone. */
  readonly parents?: readonly ChunkPlace[];
}

/** The least recently used pack is closed first. */
export class OpenPacks implements Disposable {
  readonly #crc: boolean;
  readonly #fds = new Map<string, number>();
  #stored: Uint8Array | undefined;
  /** Raw bytes of the parents, one memory for each step of the chain. */
  readonly #parents: Uint8Array[] = [];

  /** With `crc`, what is stored is checked as well as what it decodes to. */
  constructor(options: { crc?: boolean } = {}) {
    this.#crc = options.crc === true;
  }

  /** Verified raw bytes, good until the next read. Throws OBJECT_CORRUPT. */
  read(place: ChunkPlace): Uint8Array {
    return this.#read(place, 0, true);
  }

  /**
   * What a difference decodes to has the right digest only if its parents were right, so those are not hashed, which
   * halves the hashing of a fine-tune. When it has not, they are, to name the one that is damaged.
   */
  #read(place: ChunkPlace, depth: number, verify: boolean): Uint8Array {
    if (depth > CHAIN_MAX) {
      throw new SmcError(
        "OBJECT_CORRUPT",
        `${place.span.digest} has a chain of more than ${CHAIN_MAX} parents`,
      );
    }
    const { parents } = place;
    if (parents === undefined) return this.#decode(place, { verify });
    try {
      return this.#decode(place, { verify, parent: this.#readAll(parents, depth, false) });
    } catch (error) {
      if (!verify || !isSmcError(error, "OBJECT_CORRUPT")) throw error;
    }
    return this.#decode(place, { verify, parent: this.#readAll(parents, depth, true) });
  }

  #decode(place: ChunkPlace, { verify, parent }: { verify: boolean; parent?: Uint8Array }): Uint8Array {
    this.#stored ??= new Uint8Array(RECORD_HEADER_BYTES + DELTA_PREFIX_BYTES_MAX + CHUNK_BYTES_MAX);
    let fd: number;
    try {
      fd = this.#open(place.pack);
    } catch (error) {
      throw damaged(error, place.span, place.pack);
    }
    return readRecordSync(fd, place.pack, place.span, {
      memory: this.#stored,
      parent,
      crc: this.#crc,
      verify,
    });
  }

  /** The verified raw bytes of several chunks one after the other; good until the next call. Throws OBJECT_CORRUPT. */
  readAll(places: readonly ChunkPlace[]): Uint8Array {
    return this.#readAll(places, 0, true);
  }

  #readAll(places: readonly ChunkPlace[], depth: number, verify: boolean): Uint8Array {
    let used = 0;
    for (const place of places) {
      const raw = this.#read(place, depth + 1, verify);
      let memory = this.#parents[depth];
      if (memory === undefined || memory.length < used + raw.length) {
        const larger = new Uint8Array(Math.max(CHUNK_BYTES_MAX, (used + raw.length) * 2));
        if (memory !== undefined) larger.set(memory.subarray(0, used));
        memory = larger;
        this.#parents[depth] = memory;
      }
      memory.set(raw, used);
      used += raw.length;
    }
    return (this.#parents[depth] ?? new Uint8Array(0)).subarray(0, used);
  }

  #open(path: string): number {
    const known = this.#fds.get(path);
    if (known !== undefined) {
      this.#fds.delete(path);
      this.#fds.set(path, known);
      return known;
    }
    const oldest = this.#fds.entries().next().value;
    if (this.#fds.size >= OPEN_PACKS_MAX && oldest !== undefined) {
      closeSync(oldest[1]);
      this.#fds.delete(oldest[0]);
    }
    const fd = openPack(path);
    this.#fds.set(path, fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.values()) closeSync(fd);
    this.#fds.clear();
  }
}
