/** Reads objects out of packs. Every byte that leaves was checked against its SHA-256. */
import { closeSync } from "node:fs";
import type { Call } from "./call.ts";
import type { Digest } from "./objects/digest.ts";
import { isSmcError, SmcError } from "./errors.ts";
import { createFile } from "./fs.ts";
import type { ObjectIndex, Place } from "./db/object-index.ts";
import { measureUsage, type StoreUsage } from "./db/usage.ts";
import type { TensorTable } from "./formats/table.ts";
import { type Chunklist, decodeChunklist, type ObjectKind } from "./objects/objects.ts";
import { CHAIN_MAX } from "./pack/delta.ts";
import { packPath } from "./pack/folder.ts";
import type { RecordRow } from "./pack/format.ts";
import type { ChunkPlace } from "./pack/open-packs.ts";
import { damagedRecord, openPack, readRecordSync, type RecordSpan } from "./pack/reader.ts";
import type { Pool } from "./pool/pool.ts";
import { Readers } from "./readers.ts";
import type { ExportPart, Piece, PiecedBlob } from "./pool/tasks.ts";
import type { ByteRange, ExportFile, FileStat, ObjectStore, ReadFile } from "./store.ts";

const NEVER = new AbortController().signal;
const FILES_PER_TASK_MAX = 128;
/** Files above this are written by several workers at once, in parts of this size. */
const PART_BYTES = 32 * 1024 * 1024;
/** Chunks of a streamed blob that are read ahead. */
const READ_AHEAD = 2;
/** Records up to this are read in the daemon's own thread, in well under a millisecond. */
const SMALL_BYTES_MAX = 32 * 1024;
/** Records verified in one task. */
const VERIFY_MAX = 64;
/** Places asked of the index at a time. */
const LOOKUP_MAX = 4096;

interface Context {
  readonly path: string;
  readonly index: ObjectIndex;
  readonly pool: Pool;
}

interface ExportOptions {
  readonly signal: AbortSignal;
  onProgress(bytes: number): void;
}

export class PackedObjects implements ObjectStore {
  readonly #context: Context;
  /** Who looks up places and reads from them. */
  readonly readers = new Readers();

  constructor(context: Context) {
    this.#context = context;
  }

  async stat(digest: Digest): Promise<{ kind: ObjectKind; sizeBytes: number } | undefined> {
    const list = await this.#context.index.findChunklist(digest);
    if (list !== undefined) return { kind: "blob", sizeBytes: list.sizeBytes };
    const place = await this.#context.index.find(digest);
    if (place === undefined) return undefined;
    return { kind: place.kind === "chunk" ? "blob" : place.kind, sizeBytes: place.rawBytes };
  }

  async read(digest: Digest, kind: "tree" | "commit" | "tag"): Promise<Uint8Array> {
    using _ = this.readers.enter();
    const place = await this.#context.index.find(digest);
    if (place === undefined) throw notFound(digest, kind);
    if (place.kind !== kind) {
      throw new SmcError(
        "OBJECT_INVALID",
        `object ${digest} is a ${place.kind === "chunk" ? "blob" : place.kind}, not a ${kind}`,
      );
    }
    return await this.readPlace(digest, place);
  }

  /** Verified bytes of a record whose place is known. Tries every copy of a damaged one before it gives up. */
  async readPlace(digest: Digest, place: Place, signal: AbortSignal = NEVER): Promise<Uint8Array> {
    try {
      if (isSmall(place)) return readHere(this.#pack(place), spanOf(digest, place));
    } catch (error) {
      // A worker meets the same damage, and knows the way around it.
      if (damagedRecord(error) === undefined && !isSmcError(error, "PACK_CORRUPT")) throw error;
    }
    const places = await this.#places([digest], [place]);
    const [raw] = await this.#context.pool.run("read", { places }, { signal });
    if (raw === undefined) throw notFound(digest, place.kind);
    return raw;
  }

  #pack(place: Place): string {
    return packPath(this.#context.path, this.#context.index.packName(place.pack));
  }

  async *readBlob(digest: Digest, call: Call, range?: ByteRange): AsyncIterable<Uint8Array> {
    using _ = this.readers.enter();
    const blob = await this.blob(digest);
    const from = Math.max(range?.from ?? 0, 0);
    const to = Math.min(range?.to ?? blob.sizeBytes, blob.sizeBytes);
    const pieces = blob.pieces.filter(
      ({ at, span }) => (at < to && at + span.rawBytes > from) || range === undefined,
    );
    const ahead: Promise<{ at: number; raw: Uint8Array }>[] = [];
    let done = 0;
    for (let next = 0; next < pieces.length || ahead.length > 0;) {
      while (ahead.length < READ_AHEAD && next < pieces.length) {
        const piece = pieces[next];
        next += 1;
        if (piece === undefined) break;
        const bytes = this.#context.pool
          .run("read", { places: [piece] }, { signal: call.signal })
          .then(([raw]) => ({ at: piece.at, raw: raw ?? new Uint8Array(0) }));
        bytes.catch(() => undefined);
        ahead.push(bytes);
      }
      const chunk = await ahead.shift();
      if (chunk === undefined) continue;
      const bytes = chunk.raw.subarray(Math.max(from - chunk.at, 0), to - chunk.at);
      done += bytes.length;
      yield bytes;
      call.onProgress({ phase: "read", done, total: to - from, unit: "bytes" });
    }
  }

  async tensors(digest: Digest, fileName: string, call: Call): Promise<TensorTable | undefined> {
    using _ = this.readers.enter();
    const blob = await this.blob(digest);
    return await this.#context.pool.run("tensors", { blob, fileName }, { signal: call.signal });
  }

  /** Size and chunks of a blob. Throws OBJECT_NOT_FOUND, OBJECT_MISSING for a chunk that is not there. */
  async blob(digest: Digest): Promise<PiecedBlob> {
    const list = await this.#context.index.findChunklist(digest);
    if (list === undefined) {
      const place = await this.#context.index.find(digest);
      if (place === undefined || place.kind !== "chunk") throw notFound(digest, "blob");
      const [chunk] = await this.#places([digest], [place]);
      return {
        sizeBytes: place.rawBytes,
        pieces: chunk === undefined ? [] : [{ ...chunk, at: 0 }],
      };
    }
    const { chunks, sizeBytes } = await this.chunklist(digest, list.digest);
    const pieces: Piece[] = [];
    let at = 0;
    for (let from = 0; from < chunks.length; from += LOOKUP_MAX) {
      const digests = chunks.slice(from, from + LOOKUP_MAX).map((chunk) => chunk.digest);
      for (const place of await this.#places(digests, await this.#context.index.findMany(digests), digest)) {
        pieces.push({ ...place, at });
        at += place.span.rawBytes;
      }
    }
    if (at !== sizeBytes)
      throw new SmcError("INDEX_CORRUPT", `the chunks of ${digest} have ${at} bytes instead of ${sizeBytes}`);
    return { sizeBytes, pieces };
  }

  /** Which chunks a blob is made of. */
  async chunklist(blob: Digest, list: Digest): Promise<Chunklist> {
    using _ = this.readers.enter();
    const place = await this.#context.index.find(list);
    if (place === undefined) throw missing(blob, list);
    const decoded = decodeChunklist(await this.readPlace(list, place));
    if (decoded.blob !== blob)
      throw new SmcError("INDEX_CORRUPT", `the chunklist of ${blob} belongs to ${decoded.blob}`);
    return decoded;
  }

  /** With their parents, and the parents of those. Throws OBJECT_MISSING naming what is not there and who needs it. */
  async #places(
    digests: readonly Digest[],
    found: readonly (Place | undefined)[],
    blob = digests[0],
    depth = 0,
  ): Promise<ChunkPlace[]> {
    if (depth > CHAIN_MAX)
      throw new SmcError(
        "OBJECT_CORRUPT",
        `a chunk of ${blob} has a chain of more than ${CHAIN_MAX} parents`,
      );
    const needed = [...new Set(found.flatMap((place) => place?.parents ?? []))];
    const parents = new Map<Digest, ChunkPlace>();
    if (needed.length > 0) {
      const places = await this.#places(needed, await this.#context.index.findMany(needed), blob, depth + 1);
      for (const [index, place] of places.entries()) parents.set(needed[index] as Digest, place);
    }
    return digests.map((digest, index) => {
      const place = found[index];
      if (place === undefined) throw missing(blob ?? digest, digest);
      const chunk = { pack: this.#pack(place), span: spanOf(digest, place) };
      if (place.parents === undefined) return chunk;
      return { ...chunk, parents: place.parents.map((parent) => parents.get(parent) as ChunkPlace) };
    });
  }

  /** Reads records where the index says they are, and keeps nothing. Throws OBJECT_CORRUPT, OBJECT_MISSING. */
  async verify(digests: readonly Digest[], call: Call): Promise<void> {
    for (let from = 0; from < digests.length; from += VERIFY_MAX) {
      const part = digests.slice(from, from + VERIFY_MAX);
      const places = await this.#places(part, await this.#context.index.findMany(part));
      await this.#context.pool.run("verify", { places }, { signal: call.signal });
    }
  }

  /** Where the parents of these chunks are, for those that have any. */
  async parentsOf(rows: readonly RecordRow[]): Promise<Map<Digest, readonly ChunkPlace[]>> {
    const byDigest = await this.placesOf([...new Set(rows.flatMap((row) => row.parents ?? []))]);
    const known = new Map<Digest, readonly ChunkPlace[]>();
    for (const { digest, parents } of rows) {
      const all = parents?.map((parent) => byDigest.get(parent)) ?? [];
      if (all.length > 0 && all.every((place) => place !== undefined)) known.set(digest, all);
    }
    return known;
  }

  /** Where those of these records are that the store has. */
  async placesOf(digests: readonly Digest[]): Promise<Map<Digest, ChunkPlace>> {
    const found = await this.#context.index.findMany(digests);
    const there = digests.filter((_, index) => found[index] !== undefined);
    const places = await this.#places(
      there,
      found.filter((place) => place !== undefined),
    );
    return new Map(there.map((digest, index) => [digest, places[index] as ChunkPlace]));
  }

  async usage(call: Call): Promise<StoreUsage> {
    return measureUsage(this.#context.index, call);
  }

  async findPrefix(hex: string, limit: number): Promise<{ digest: Digest; kind: ObjectKind }[]> {
    const found = await this.#context.index.findPrefix(hex, limit * 2);
    return found
      .filter(({ kind }) => kind !== "chunklist")
      .slice(0, limit)
      .map(({ digest, kind }) => ({ digest, kind: kind === "chunk" ? "blob" : kind }));
  }

  async hashFiles(paths: readonly string[], call: Call): Promise<ReadFile[]> {
    const tasks = slices(paths, this.#context.pool.size).map((part) =>
      this.#context.pool.run("hash", { paths: part }, { signal: call.signal }),
    );
    return (await Promise.all(tasks)).flat();
  }

  async exportFiles(files: readonly ExportFile[], call: Call): Promise<FileStat[]> {
    using _ = this.readers.enter();
    let done = 0;
    const options = {
      signal: call.signal,
      onProgress: (bytes: number): void => {
        done += bytes;
        call.onProgress({ phase: "checkout", done, unit: "bytes" });
      },
    };
    const stats: Promise<readonly FileStat[]>[] = [];
    const start = (task: Promise<readonly FileStat[]>): void => {
      // Looked at in the end; until then a failure has nobody who waits for it.
      task.catch(() => undefined);
      stats.push(task);
    };
    try {
      for (const slice of slices(files, this.#context.pool.size))
        await this.#exportSlice(slice, start, options);
    } catch (error) {
      await Promise.allSettled(stats);
      throw error;
    }
    return await settled(stats);
  }

  async #exportSlice(
    slice: readonly ExportFile[],
    start: (task: Promise<readonly FileStat[]>) => void,
    options: ExportOptions,
  ): Promise<void> {
    const small: ExportPart[] = [];
    for (const { path, executable, digest } of slice) {
      const { sizeBytes, pieces } = await this.blob(digest);
      const whole = { path, executable, create: true, from: 0, to: sizeBytes, pieces };
      if (sizeBytes <= PART_BYTES) {
        small.push(whole);
        continue;
      }
      if (small.length > 0) start(this.#context.pool.run("export", { files: small.splice(0) }, options));
      start(this.#exportLarge(whole, options));
    }
    if (small.length > 0) start(this.#context.pool.run("export", { files: small }, options));
  }

  /** Creates the file, lets all workers fill it, then asks for its stat. */
  async #exportLarge(whole: ExportPart, options: ExportOptions): Promise<readonly FileStat[]> {
    await createFile(whole.path, "", { mode: whole.executable ? 0o777 : 0o666, durable: false });
    const parts: Promise<readonly FileStat[]>[] = [];
    let first = 0;
    for (let from = 0; from < whole.to; from += PART_BYTES) {
      const to = Math.min(from + PART_BYTES, whole.to);
      let next = first;
      while (next < whole.pieces.length && (whole.pieces[next]?.at ?? to) < to) next += 1;
      const part = { ...whole, create: false, from, to, pieces: whole.pieces.slice(first, next) };
      parts.push(this.#context.pool.run("export", { files: [part] }, options));
      // The last piece may reach into the next part.
      first = Math.max(next - 1, 0);
    }
    await settled(parts);
    return this.#context.pool.run(
      "export",
      { files: [{ ...whole, create: false, from: 0, to: 0, pieces: [] }] },
      options,
    );
  }
}

/** A record that is read and decoded faster than a worker can be asked: most commits and trees. */
function isSmall({ storedBytes, rawBytes, parents }: Place): boolean {
  return parents === undefined && storedBytes <= SMALL_BYTES_MAX && rawBytes <= SMALL_BYTES_MAX;
}

function spanOf(digest: Digest, { offset, storedBytes, rawBytes }: Place): RecordSpan {
  return { digest, offset, storedBytes, rawBytes };
}

function readHere(pack: string, span: RecordSpan): Uint8Array {
  const fd = openPack(pack);
  try {
    return readRecordSync(fd, pack, span);
  } finally {
    closeSync(fd);
  }
}

/** Waits for all, then throws the first failure: no worker may still write when the caller cleans up. */
async function settled<T>(tasks: readonly Promise<readonly T[]>[]): Promise<T[]> {
  const results = await Promise.allSettled(tasks);
  return results.flatMap((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

function slices<T>(items: readonly T[], workers: number): T[][] {
  const step = Math.max(1, Math.min(Math.ceil(items.length / (workers * 4)), FILES_PER_TASK_MAX));
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += step) parts.push(items.slice(from, from + step));
  return parts;
}

function notFound(digest: Digest, kind: string): SmcError {
  const hint =
    'a version that "smc log" shows as pruned gave up its files; "smc undelete" may bring them back';
  const more = kind === "blob" ? { hint } : {};
  return new SmcError("OBJECT_NOT_FOUND", `there is no ${kind} ${digest} in the store`, more);
}

function missing(blob: Digest, part: Digest): SmcError {
  return new SmcError("OBJECT_MISSING", `blob ${blob} needs ${part}, which the store does not have`, {
    details: { blob, missing: part },
  });
}
