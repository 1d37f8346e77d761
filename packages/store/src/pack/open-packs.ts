/** Reading chunks out of many packs in one thread: open files, memory that is used again, parents before children. */
import { closeSync } from "node:fs";
import { isSmcError, SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import { CHUNK_BYTES_MAX } from "../objects/objects.ts";
import { DELTA_PREFIX_BYTES_MAX, CHAIN_MAX } from "./delta.ts";
import { RECORD_HEADER_BYTES } from "./format.ts";
import {
  damaged,
  type DamagedRecord,
  damagedRecord,
  openPack,
  readRecordSync,
  type RecordSpan,
} from "./reader.ts";

const OPEN_PACKS_MAX = 32;
/** Damaged records that reading one chunk steps around: its own copies and those of its parents. */
const DAMAGED_MAX = 64;

/** Where a chunk's record is, and where those of its parents are. */
export interface ChunkPlace {
  readonly pack: string;
  readonly span: RecordSpan;
  /** In the order in which the record names them; absent when it stands alone. */
  readonly parents?: readonly ChunkPlace[];
}

/**
 * Where else these chunks are, in order, without any of the records that are damaged; undefined when one of them is
 * nowhere else. Synchronous, as reading is.
 */
export type FindElsewhere = (
  digests: readonly Digest[],
  damaged: readonly DamagedRecord[],
) => readonly ChunkPlace[] | undefined;

/** The least recently used pack is closed first. */
export class OpenPacks implements Disposable {
  readonly #crc: boolean;
  readonly #elsewhere: FindElsewhere | undefined;
  readonly #fds = new Map<string, number>();
  #stored: Uint8Array | undefined;
  /** Raw bytes of the parents, one memory for each step of the chain. */
  readonly #parents: Uint8Array[] = [];

  /**
   * With `crc`, what is stored is checked as well as what it decodes to. With `elsewhere`, a damaged record is read
   * from another pack that has it; without, damage is what the caller asks for.
   */
  constructor(options: { crc?: boolean; elsewhere?: FindElsewhere } = {}) {
    this.#crc = options.crc === true;
    this.#elsewhere = options.elsewhere;
  }

  /**
   * Raw bytes, good until the next read; verified unless the caller has another proof of them. Throws OBJECT_CORRUPT
   * when no whole copy is left.
   */
  read(place: ChunkPlace, { verify = true }: { verify?: boolean } = {}): Uint8Array {
    return this.#aroundDamage([place], ([found = place]) => this.#read(found, 0, verify));
  }

  /** The raw bytes of several chunks one after the other; good until the next read. Throws as `read`. */
  readAll(places: readonly ChunkPlace[]): Uint8Array {
    return this.#aroundDamage(places, (found) => this.#readAll(found, 0, true));
  }

  /** Each round steps around one more record, so there is an end. What is thrown is what was met first. */
  #aroundDamage(
    places: readonly ChunkPlace[],
    read: (places: readonly ChunkPlace[]) => Uint8Array,
  ): Uint8Array {
    const known: DamagedRecord[] = [];
    let first: unknown;
    for (let found = places; ;) {
      try {
        return read(found);
      } catch (error) {
        first ??= error;
        const record = damagedRecord(error);
        if (record === undefined) throw error;
        const isKnown = known.some(({ digest, pack }) => digest === record.digest && pack === record.pack);
        if (isKnown || known.length === DAMAGED_MAX) throw first;
        known.push(record);
        const others = this.#elsewhere?.(
          places.map(({ span }) => span.digest),
          known,
        );
        if (others === undefined) throw first;
        found = others;
      }
    }
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

  /** Good until the next call at the same depth. */
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
