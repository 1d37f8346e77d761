/** Checks a store: what refs need is there; with `full`, every byte of every pack is what its digest says. */
import { stat } from "node:fs/promises";
import { type Call, throwIfCanceled } from "../call.ts";
import { checkConnectivity, type ConnectivityCounts } from "../connectivity.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import { listPacks, packPath } from "../pack/folder.ts";
import { fromErrno, isSmcError } from "../errors.ts";
import type { PiecedBlob } from "../pool/tasks.ts";

export interface FsckOptions {
  /** Reads and hashes every byte. */
  readonly full?: boolean;
  /** First builds the index and the refs anew from packs and journal. */
  readonly rebuild?: boolean;
}

export interface FsckProblem {
  /** The object that is hit, or null for a pack's own header or footer. */
  readonly digest: string | null;
  readonly pack: string | null;
  readonly message: string;
  /** Refs, commits and paths that need it, at most ten. */
  readonly affects: readonly string[];
}

export interface FsckResult {
  readonly ok: boolean;
  readonly full: boolean;
  readonly rebuilt: boolean;
  readonly checked: ConnectivityCounts & { packs: number; bytes: number };
  readonly problems: readonly FsckProblem[];
  /** Harmless leftovers: files that are not ours. */
  readonly notes: readonly string[];
}

type ParentPlaces = ReadonlyMap<Digest, readonly ChunkPlace[]>;

interface PackReport {
  readonly problems: FsckProblem[];
  readonly bad: Map<Digest, string>;
  readonly bytes: number;
}

export async function fsck(store: OwnedStore, options: FsckOptions, call: Call): Promise<FsckResult> {
  if (options.rebuild === true) await store.rebuild();
  using _ = store.objects.readers.enter();
  const { names, foreign } = await listPacks(store.path);
  const packs = await checkPacks(store, names, options.full === true, call);
  if (options.full === true) await checkBlobs(store, packs, call);
  const { counts, problems } = await checkConnectivity(store, packs.bad, call);
  const affected = new Map(problems.map(({ digest, affects }) => [digest, affects]));
  const all: FsckProblem[] = packs.problems.map((problem) => ({
    ...problem,
    affects: problem.digest === null ? [] : (affected.get(problem.digest as Digest) ?? []),
  }));
  for (const { digest, message, affects } of problems) {
    if (!packs.bad.has(digest)) all.push({ digest, pack: null, message, affects });
  }
  return {
    ok: all.length === 0,
    full: options.full === true,
    rebuilt: options.rebuild === true,
    checked: { ...counts, packs: names.length, bytes: packs.bytes },
    problems: all,
    notes: foreign.map((path) => `not ours, left alone: ${path}`),
  };
}

async function checkPacks(
  store: OwnedStore,
  names: readonly Digest[],
  full: boolean,
  call: Call,
): Promise<PackReport> {
  const report = { problems: [] as FsckProblem[], bad: new Map<Digest, string>(), bytes: 0 };
  const known = new Map(store.index.packs().map((pack) => [pack.name, pack]));
  for (const { name, message } of store.recovery.damaged) {
    report.problems.push({ digest: null, pack: name, message, affects: [] });
  }
  const onDisk = new Set(names);
  for (const name of known.keys()) {
    if (!onDisk.has(name))
      report.problems.push({ digest: null, pack: name, message: "the pack is gone", affects: [] });
  }
  const sizes = await Promise.all(names.map((name) => packBytes(packPath(store.path, name))));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  for (const [position, name] of names.entries()) {
    const expected = known.get(name)?.sizeBytes;
    if (expected !== undefined && expected !== sizes[position]) {
      const message = `${sizes[position]} bytes instead of ${expected}`;
      report.problems.push({ digest: null, pack: name, message, affects: [] });
    }
  }
  if (!full) return report;
  const onProgress = (bytes: number): void => {
    report.bytes += bytes;
    call.onProgress({ phase: "check", done: report.bytes, total, unit: "bytes" });
  };
  const tasks = names.map(async (name) => {
    const pack = packPath(store.path, name);
    const parents = await parentsIn(store, pack, call);
    const task = { signal: call.signal, onProgress };
    for (const { digest, offset, message } of await store.pool.run("verifyPack", { pack, parents }, task)) {
      report.problems.push({
        digest: digest ?? null,
        pack: name,
        message: `at offset ${offset}: ${message}`,
        affects: [],
      });
      if (digest !== undefined) report.bad.set(digest, message);
    }
  });
  await Promise.all(tasks);
  return report;
}

/** Where the parents of a pack's differences are; none when the pack cannot say what it holds. */
async function parentsIn(store: OwnedStore, pack: string, call: Call): Promise<ParentPlaces> {
  try {
    const { rows } = await store.pool.run("contents", { pack }, { signal: call.signal });
    return await store.objects.parentsOf(rows);
  } catch (error) {
    if (isSmcError(error) && error.exit === 4) return new Map();
    throw error;
  }
}

async function packBytes(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    throw fromErrno(error, `cannot read '${path}'`);
  }
}

/** The chunks of a blob must give the blob's own digest: nothing else checks the list as a whole. */
async function checkBlobs(store: OwnedStore, report: PackReport, call: Call): Promise<void> {
  for await (const digest of store.index.chunkedBlobs()) {
    throwIfCanceled(call);
    const blob = await readableBlob(store, digest);
    if (blob === undefined || blob.pieces.some(({ span }) => report.bad.has(span.digest))) continue;
    const found = await store.pool.run("hashPieces", { pieces: blob.pieces }, { signal: call.signal });
    if (found === digest) continue;
    const message = `its chunks give ${found}`;
    report.problems.push({ digest, pack: null, message, affects: [] });
    report.bad.set(digest, message);
  }
}

/** Undefined when its chunklist or a chunk is missing: the connectivity check reports that. */
async function readableBlob(store: OwnedStore, digest: Digest): Promise<PiecedBlob | undefined> {
  try {
    return await store.objects.blob(digest);
  } catch (error) {
    if (isSmcError(error) && error.exit === 4) return undefined;
    throw error;
  }
}
