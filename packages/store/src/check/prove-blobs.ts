/**
 * Reads the chunks of large blobs once for two checks: of each record, and of the blob as a whole. It says only what is
 * whole; damage is left to the checks that name it, which then read for themselves.
 */
import { randomUUID } from "node:crypto";
import type { Call } from "../call.ts";
import { isDamage } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import { DigestSet } from "../objects/digest-set.ts";
import { CHUNK_BYTES_MAX } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { recordBytes } from "../pack/format.ts";
import type { Piece } from "../pool/tasks.ts";

/** Of one blob: one is hashed while workers fill the others. */
const WINDOWS = 3;
const PIECES_PER_WINDOW_MAX = 1024;
/** Reading a smaller record again is no slower than looking up whether it was read. */
const RECORD_BYTES_MIN = 64 * 1024;
const NEVER = new AbortController().signal;

/** What needs no further reading. */
export interface Proven {
  readonly blobs: DigestSet;
  /** By the path of a pack: where the records are that have their CRC and their digest. */
  readonly records: ReadonlyMap<string, ReadonlySet<number>>;
}

/**
 * `onBytes` is told what each proven record takes in its pack. Throws CANCELED, and what keeps a disk from being read.
 */
export async function proveBlobs(
  store: OwnedStore,
  { call, onBytes }: { call: Call; onBytes: (bytes: number) => void },
): Promise<Proven> {
  const proof = new Proof(store, call, onBytes);
  const blobs = store.index.chunkedBlobs()[Symbol.asyncIterator]();
  await Promise.all(Array.from({ length: store.pool.size }, (_, storer) => proof.lane(blobs, storer)));
  return proof;
}

/** Memory to fill; undefined where a task has it, or failed with it. */
type Windows = (ArrayBuffer | undefined)[];

class Proof implements Proven {
  readonly blobs = new DigestSet();
  readonly records = new Map<string, Set<number>>();
  readonly #store: OwnedStore;
  readonly #call: Call;
  readonly #onBytes: (bytes: number) => void;
  #isOver = false;

  constructor(store: OwnedStore, call: Call, onBytes: (bytes: number) => void) {
    this.#store = store;
    this.#call = call;
    this.#onBytes = onBytes;
  }

  /** One blob after the other; its bytes are hashed in order, by one storer. */
  async lane(blobs: AsyncIterator<{ readonly blob: Digest }>, storer: number): Promise<void> {
    const windows: Windows = [];
    try {
      for (;;) {
        const next = await nextOf(blobs);
        if (next === undefined || this.#isOver) return;
        const pieces = await piecesOf(this.#store, next);
        if (pieces === undefined) continue;
        const found = await this.#hash(pieces, { storer, windows });
        if (found === next) this.blobs.add(next);
      }
    } catch (error) {
      // The others begin nothing more for a check that has failed.
      this.#isOver = true;
      throw error;
    }
  }

  /** SHA-256 of the pieces, each checked by itself; undefined when one is damaged. */
  async #hash(
    pieces: readonly Piece[],
    { storer, windows }: { storer: number; windows: Windows },
  ): Promise<Digest | undefined> {
    const of = randomUUID();
    const parts = partsOf(pieces);
    const inUse: Promise<Digest | undefined>[] = [];
    let last: Promise<Digest | undefined> = Promise.resolve(undefined);
    try {
      for (const [number, part] of parts.entries()) {
        if (this.#isOver) return undefined;
        const slot = number % WINDOWS;
        await inUse[slot];
        const isLast = number === parts.length - 1;
        last = this.#check({ of, part, isLast }, { storer, windows, slot, before: last });
        // Looked at when its window is needed again, or in the end.
        last.catch(() => undefined);
        inUse[slot] = last;
      }
      return await last;
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    } finally {
      // Nobody may still write into the windows when they are used for the next blob.
      await Promise.allSettled(inUse);
      await this.#store.pool.run("forgetHash", { of }, { signal: NEVER, storer });
    }
  }

  /** The memory goes from thread to thread and comes back into its slot. */
  async #check(
    { of, part, isLast }: { of: string; part: readonly Piece[]; isLast: boolean },
    {
      storer,
      windows,
      slot,
      before,
    }: { storer: number; windows: Windows; slot: number; before: Promise<unknown> },
  ): Promise<Digest | undefined> {
    const { pool } = this.#store;
    const { signal } = this.#call;
    const empty = windows[slot] ?? new ArrayBuffer(CHUNK_BYTES_MAX);
    windows[slot] = undefined;
    const { window } = await pool.run("readWhole", { places: part, window: empty }, { signal });
    for (const piece of part) this.#add(piece);
    await before;
    const input = { of, window, sizeBytes: sizeOf(part), isLast };
    const hashed = await pool.run("hashPart", input, { signal, storer });
    windows[slot] = hashed.window;
    return hashed.digest;
  }

  #add({ pack, span: { offset, storedBytes } }: Piece): void {
    if (storedBytes < RECORD_BYTES_MIN) return;
    const known = this.records.get(pack) ?? new Set();
    this.records.set(pack, known);
    if (known.has(offset)) return;
    known.add(offset);
    this.#onBytes(recordBytes(storedBytes));
  }
}

/** Undefined after the last one, and after a damaged row: the check of the index tells of it. */
async function nextOf(blobs: AsyncIterator<{ readonly blob: Digest }>): Promise<Digest | undefined> {
  try {
    const { done, value } = await blobs.next();
    return done === true ? undefined : value.blob;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** Undefined when its chunklist or a chunk is missing: the connectivity check reports that. */
export async function piecesOf(store: OwnedStore, blob: Digest): Promise<readonly Piece[] | undefined> {
  try {
    return (await store.objects.blob(blob)).pieces;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** As many pieces as fit into a window. */
function partsOf(pieces: readonly Piece[]): Piece[][] {
  const parts: Piece[][] = [];
  let part: Piece[] = [];
  let sizeBytes = 0;
  for (const piece of pieces) {
    const { rawBytes } = piece.span;
    if (sizeBytes + rawBytes > CHUNK_BYTES_MAX || part.length === PIECES_PER_WINDOW_MAX) {
      parts.push(part);
      part = [];
      sizeBytes = 0;
    }
    part.push(piece);
    sizeBytes += rawBytes;
  }
  parts.push(part);
  return parts;
}

function sizeOf(part: readonly Piece[]): number {
  return part.reduce((sum, { span }) => sum + span.rawBytes, 0);
}
