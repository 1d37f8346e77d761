/** Where whole copies of damaged records may be found. A remote can be one more. */
import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Call } from "../call.ts";
import { fromErrno, isDamage, isSmcError } from "../errors.ts";
import { type Digest, hashBytes } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { listPacks, packPath } from "../pack/folder.ts";
import type { RecordKind, RecordRow } from "../pack/format.ts";
import { listTrash } from "../gc/trash.ts";
import { show } from "../show.ts";
import { readLink } from "../worktree/compare.ts";
import type { StageEntry } from "../worktree/stage.ts";
import { rowsIn } from "./packs.ts";
import { knownStages } from "./stages.ts";

/** A record whose bytes were found, and have its digest. */
export interface FoundRecord {
  readonly digest: Digest;
  readonly kind: RecordKind;
  readonly raw: Uint8Array;
  /** For people: "pack <name>", "the file '/work/model.bin'". */
  readonly from: string;
  /** It was not asked for, but something is not whole without it. */
  readonly isNeeded?: boolean;
  /** It makes this wanted one whole, besides itself. */
  readonly instead?: Digest;
}

export interface Wanted {
  /** Records; who found one takes it out. */
  readonly records: ReadonlySet<Digest>;
  /** Blobs that these are a part of. */
  readonly blobs: ReadonlySet<Digest>;
}

export interface ChunkSource {
  /** Verified bytes of the wanted records that this source has. Damage in the source itself is passed over. */
  find(wanted: Wanted, call: Call): AsyncIterable<FoundRecord>;
}

/** In the order in which they are asked: the nearest first. */
export function localSources(store: OwnedStore): ChunkSource[] {
  return [new PackSource(store), new WorktreeSource(store)];
}

/** Other records of the same digest: further copies, packs in the trash, packs that were set aside. */
class PackSource implements ChunkSource {
  readonly #store: OwnedStore;

  constructor(store: OwnedStore) {
    this.#store = store;
  }

  async *find({ records }: Wanted, call: Call): AsyncIterable<FoundRecord> {
    for (const path of await this.#paths()) {
      if (records.size === 0) return;
      const rows = (await rowsIn(this.#store, path, call)) ?? (await scanned(this.#store, path, call));
      for (const row of rows) {
        if (!records.has(row.digest)) continue;
        const raw = await readRow(this.#store, { path, row }, call);
        if (raw !== undefined)
          yield { digest: row.digest, kind: row.kind, raw, from: `the pack '${show(path)}'` };
      }
    }
  }

  async #paths(): Promise<string[]> {
    const { path } = this.#store;
    const { names } = await listPacks(path);
    const trash = (await listTrash(path)).flatMap(({ name, packs }) =>
      packs.map((pack) => join(path, "trash", name, `${pack.name}.pack`)),
    );
    const aside = (await readdirOrNone(damagedFolder(this.#store)))
      .filter((name) => name.endsWith(".pack"))
      .map((name) => join(damagedFolder(this.#store), name));
    return [...names.map((name) => packPath(path, name)), ...trash, ...aside];
  }
}

/** Where packs go that cannot say any more what they hold. */
export function damagedFolder({ path }: OwnedStore): string {
  return join(path, "damaged");
}

async function readdirOrNone(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    const known = fromErrno(error, `cannot read '${show(folder)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return [];
    throw known;
  }
}

/** The whole records of a pack that cannot say itself what it holds; none when it cannot be read at all. */
export async function scanned(store: OwnedStore, pack: string, call: Call): Promise<readonly RecordRow[]> {
  try {
    return await store.pool.run("scan", { pack }, { signal: call.signal });
  } catch (error) {
    if (isDamage(error)) return [];
    throw error;
  }
}

/** Undefined when the record, or one that it is a difference to, is damaged. */
export async function readRow(
  store: OwnedStore,
  { path, row }: { path: string; row: RecordRow },
  call: Call,
): Promise<Uint8Array | undefined> {
  const parents = (await store.objects.parentsOf([row]).catch(orNone))?.get(row.digest);
  const place = { pack: path, span: row, ...(parents === undefined ? {} : { parents }) };
  const task = { signal: call.signal, onlyThere: true };
  const found = await store.pool.run("read", { places: [place] }, task).catch(orNone);
  return found?.[0];
}

function orNone(error: unknown): undefined {
  if (isDamage(error)) return undefined;
  throw error;
}

/** Files of the worktrees, where stage and chunklist say which bytes of them a chunk is. */
class WorktreeSource implements ChunkSource {
  readonly #store: OwnedStore;

  constructor(store: OwnedStore) {
    this.#store = store;
  }

  async *find({ records, blobs }: Wanted, call: Call): AsyncIterable<FoundRecord> {
    for await (const { root, stage } of knownStages(this.#store, () => undefined)) {
      for (const [path, entry] of stage.entries) {
        if (records.size === 0) return;
        if (blobs.has(entry.digest)) yield* this.#inFile(join(root, path), entry, { records, call });
      }
    }
  }

  async *#inFile(
    path: string,
    entry: StageEntry,
    { records, call }: { records: ReadonlySet<Digest>; call: Call },
  ): AsyncIterable<FoundRecord> {
    for (const { digest, at, sizeBytes } of await this.#chunksOf(entry)) {
      if (call.signal.aborted || !records.has(digest)) continue;
      const raw = await readSpan(path, entry, { at, sizeBytes });
      if (raw !== undefined && hashBytes(raw) === digest)
        yield { digest, kind: "chunk", raw, from: `the file '${show(path)}'` };
    }
  }

  /** A blob without a list is one chunk. */
  async #chunksOf(entry: StageEntry): Promise<{ digest: Digest; at: number; sizeBytes: number }[]> {
    const { index, objects } = this.#store;
    const list = await index.findChunklist(entry.digest);
    if (list === undefined) return [{ digest: entry.digest, at: 0, sizeBytes: entry.sizeBytes }];
    const decoded = await objects.chunklist(entry.digest, list.digest).catch(orNone);
    let at = 0;
    return (decoded?.chunks ?? []).map(({ digest, sizeBytes }) => {
      const chunk = { digest, at, sizeBytes };
      at += sizeBytes;
      return chunk;
    });
  }
}

const CHUNK_BYTES_MAX = 4 * 1024 * 1024;

/** Undefined when the file is gone or too short, or the span is longer than a chunk can be. */
async function readSpan(
  path: string,
  { mode }: StageEntry,
  { at, sizeBytes }: { at: number; sizeBytes: number },
): Promise<Uint8Array | undefined> {
  if (sizeBytes > CHUNK_BYTES_MAX) return undefined;
  try {
    if (mode === "120000") return await readLink(path);
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const bytes = Buffer.alloc(sizeBytes);
      const { bytesRead } = await handle.read(bytes, 0, sizeBytes, at);
      return bytesRead === sizeBytes ? bytes : undefined;
    } finally {
      await handle.close();
    }
  } catch (error) {
    // Whatever keeps it from being read: it is no copy then.
    const known = fromErrno(error, `cannot read '${show(path)}'`);
    if (isSmcError(known) && known.code !== "INTERNAL") return undefined;
    throw error;
  }
}
