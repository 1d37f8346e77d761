/** How much room the versions take: what each ref needs, what it alone needs, and what lies in the packs. */
import { statfs } from "node:fs/promises";
import { type Call, createPacer } from "../call.ts";
import type { StoreUsage } from "../db/usage.ts";
import { SmcError } from "../errors.ts";
import { formatMoment } from "../history/dates.ts";
import { readCommit } from "../history/graph.ts";
import { commitOfRef, listShownRefs } from "../history/log-entry.ts";
import { resolveRevision, resolveTree } from "../history/revision.ts";
import type { Digest } from "../objects/digest.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import { shortRefName } from "../refs/ref-find.ts";
import type { Repository } from "../repository.ts";
import type { Store } from "../store.ts";
import { flattenTree } from "../trees/tree-read.ts";

/** Distinct chunks that are kept in mind; about 4 TiB of weights. */
const CHUNKS_MAX = 1_000_000;
/** Chunks of blobs that are remembered, so that a file of many versions is looked up once. */
const REMEMBERED_MAX = 4_000_000;

export interface DuOptions {
  /** All branches, tags and other refs when left out. */
  readonly revisions?: readonly string[];
}

/** One version: every name that leads to the same files. */
export interface DuRow {
  readonly names: readonly string[];
  readonly tree: Digest;
  /** When its commit was made; null for a bare tree. */
  readonly committed: string | null;
  readonly fileCount: number;
  /** Bytes of its files. */
  readonly sizeBytes: number;
  /** Stored bytes that it needs, with those of the chunks that its own are stored against. */
  readonly storedBytes: number;
  /** Stored bytes that no other row needs, and those that another one needs too. */
  readonly uniqueBytes: number;
  readonly sharedBytes: number;
}

export interface DuResult {
  readonly rows: readonly DuRow[];
  readonly total: {
    /** Bytes of the files of all rows. */
    readonly sizeBytes: number;
    /** Stored bytes that the rows need together. */
    readonly storedBytes: number;
  };
  /** The whole store: all repositories and all versions. */
  readonly store: StoreUsage & {
    /** Bytes that the user may still write where the store is. */
    readonly freeBytes: number;
  };
}

interface Version {
  readonly names: string[];
  readonly tree: Digest;
  readonly committed: string | null;
}

/**
 * Measures the files of versions, not of their history: what an old version alone needs is in no row but the store's.
 * Throws LIMIT_EXCEEDED over 1,000,000 distinct chunks, OBJECT_MISSING, and as resolveTree.
 */
export async function du(repository: Repository, options: DuOptions, call: Call): Promise<DuResult> {
  const { store } = repository;
  const versions = await listVersions(repository, options.revisions ?? [], call);
  const shares = new ChunkShares(store);
  const measured: Pick<DuRow, "fileCount" | "sizeBytes" | "storedBytes">[] = [];
  for (const [row, { tree }] of versions.entries()) {
    const files = await flattenTree(store.objects, tree, call);
    const pace = createPacer(call);
    let sizeBytes = 0;
    let storedBytes = 0;
    for (const file of files.values()) {
      sizeBytes += file.sizeBytes;
      storedBytes += await shares.addBlob(row, file.digest);
      await pace();
    }
    measured.push({ fileCount: files.size, sizeBytes, storedBytes });
    call.onProgress({ phase: "measure", done: row + 1, total: versions.length, unit: "objects" });
  }
  const unique = shares.uniqueBytes(versions.length);
  const rows = versions.map(({ names, tree, committed }, row): DuRow => {
    const { fileCount = 0, sizeBytes = 0, storedBytes = 0 } = measured[row] ?? {};
    const uniqueBytes = unique[row] ?? 0;
    const sharedBytes = storedBytes - uniqueBytes;
    return { names, tree, committed, fileCount, sizeBytes, storedBytes, uniqueBytes, sharedBytes };
  });
  const usage = await store.objects.usage(call);
  const { bavail, bsize } = await statfs(store.path);
  return {
    rows,
    total: {
      sizeBytes: rows.reduce((sum, row) => sum + row.sizeBytes, 0),
      storedBytes: shares.storedBytes,
    },
    store: { ...usage, freeBytes: bavail * bsize },
  };
}

async function listVersions(
  repository: Repository,
  texts: readonly string[],
  call: Call,
): Promise<readonly Version[]> {
  const versions = new Map<Digest, Version>();
  const note = (name: string, version: Omit<Version, "names">): void => {
    const known = versions.get(version.tree);
    if (known === undefined) versions.set(version.tree, { ...version, names: [name] });
    else if (!known.names.includes(name)) known.names.push(name);
  };
  const pace = createPacer(call);
  if (texts.length > 0) {
    for (const text of texts) {
      note(text, await versionOf(repository, text, call));
      await pace();
    }
    return [...versions.values()];
  }
  for (const { name, digest } of await listShownRefs(repository)) {
    const commit = await commitOfRef(repository.store, digest);
    if (commit !== undefined) note(shortRefName(name), await versionOfCommit(repository.store, commit));
    await pace();
  }
  return [...versions.values()];
}

async function versionOf(repository: Repository, text: string, call: Call): Promise<Omit<Version, "names">> {
  const found = await resolveRevision(repository, text, call);
  const commit = found.path === undefined ? await commitOfRef(repository.store, found.digest) : undefined;
  if (commit !== undefined) return versionOfCommit(repository.store, commit);
  return { tree: await resolveTree(repository, text, call), committed: null };
}

async function versionOfCommit(store: Store, digest: Digest): Promise<Omit<Version, "names">> {
  const { tree, committed } = await readCommit(store, digest);
  return { tree, committed: formatMoment(committed) };
}

const SHARED = -1;

interface Share {
  readonly storedBytes: number;
  /** The only row that needs the chunk so far, or SHARED. */
  owner: number;
  /** The row that met it last. */
  row: number;
}

/** Which row needs which chunk. */
class ChunkShares {
  readonly #store: Store;
  readonly #chunks = new Map<Digest, Share>();
  readonly #blobs = new Map<Digest, readonly Share[]>();
  #rememberedCount = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Stored bytes of all chunks together. */
  get storedBytes(): number {
    let sum = 0;
    for (const { storedBytes } of this.#chunks.values()) sum += storedBytes;
    return sum;
  }

  uniqueBytes(rowCount: number): number[] {
    const sums = Array.from({ length: rowCount }, () => 0);
    for (const { owner, storedBytes } of this.#chunks.values()) {
      if (owner !== SHARED) sums[owner] = (sums[owner] ?? 0) + storedBytes;
    }
    return sums;
  }

  /** The row needs this blob: gives the stored bytes of those of its chunks that the row did not have yet. */
  async addBlob(row: number, blob: Digest): Promise<number> {
    let stored = 0;
    for (const share of await this.#chunksOf(row, blob)) {
      if (share.row !== row) stored += share.storedBytes;
      if (share.owner !== row) share.owner = SHARED;
      share.row = row;
    }
    return stored;
  }

  async #chunksOf(row: number, blob: Digest): Promise<readonly Share[]> {
    const known = this.#blobs.get(blob);
    if (known !== undefined) return known;
    const { pieces } = await this.#store.objects.blob(blob);
    const shares = new Set<Share>();
    const note = (place: ChunkPlace): void => {
      shares.add(this.#shareOf(row, place));
      for (const parent of place.parents ?? []) note(parent);
    };
    for (const piece of pieces) note(piece);
    const list = [...shares];
    if (this.#rememberedCount + list.length <= REMEMBERED_MAX) {
      this.#blobs.set(blob, list);
      this.#rememberedCount += list.length;
    }
    return list;
  }

  #shareOf(row: number, { span }: ChunkPlace): Share {
    const known = this.#chunks.get(span.digest);
    if (known !== undefined) return known;
    if (this.#chunks.size >= CHUNKS_MAX) {
      throw new SmcError("LIMIT_EXCEEDED", `the versions have more than ${CHUNKS_MAX} chunks`, {
        hint: "name fewer of them: smc du REV …",
      });
    }
    const share = { storedBytes: span.storedBytes, owner: row, row: SHARED };
    this.#chunks.set(span.digest, share);
    return share;
  }
}
