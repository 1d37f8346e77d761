/**
 * Goes over all versions of all files, the oldest first, and stores chunks that stand alone against an older version.
 */
import { extname } from "node:path/posix";
import { type Call, createPacer, throwIfCanceled } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError } from "../errors.ts";
import { readPruned } from "../history/pruned.ts";
import { readCommit, walk } from "../history/graph.ts";
import { commitOfRef } from "../history/log-entry.ts";
import type { OwnedStore } from "../open-store.ts";
import type { Recoded } from "../pool/tasks.ts";
import { type FlatEntry, type FlatTree, flattenTree } from "../trees/tree-read.ts";

/** Smaller files have no chunk worth a parent. */
const FILE_BYTES_MIN = 64 * 1024;
/** Siblings of a file in its own commit that are tried: the same weights in another precision. */
const SIBLINGS_MAX = 3;
/** Of one extension, so many are looked at for each file. */
const CANDIDATES_MAX = 256;
const COMMITS_MAX = 1_000_000;

export interface RecodedHistory extends Recoded {
  readonly files: number;
  /** Files that could not be read, and why; fsck says more. */
  readonly problems: readonly string[];
}

interface Parent {
  readonly digest: Digest;
  readonly fileName: string;
}

/** Each file is looked at once, unless `again`. Stops between files when the signal fires: what is done stays done. */
export async function recodeHistory(
  store: OwnedStore,
  { again }: { again: boolean },
  call: Call,
): Promise<RecodedHistory> {
  const sum = { files: 0, tried: 0, shorter: 0, savedBytes: 0, problems: [] as string[] };
  const seen = new Set<Digest>();
  const pruned = new Set((await readPruned(store)).map(({ digest }) => digest));
  for (const commit of await commitsOldestFirst(store, call)) {
    if (pruned.has(commit)) continue;
    for (const { digest, fileName, parents } of await changedFiles(store, commit, call)) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      if (!again && (await store.index.wasRecoded(digest))) continue;
      throwIfCanceled(call);
      try {
        const { tried, shorter, savedBytes } = await recodeFile(store, { digest, fileName, parents }, call);
        sum.tried += tried;
        sum.shorter += shorter;
        sum.savedBytes += savedBytes;
      } catch (error) {
        if (!isSmcError(error) || error.exit !== 4) throw error;
        sum.problems.push(error.message);
      }
      sum.files += 1;
      call.onProgress({ phase: "repack", done: sum.files, unit: "files" });
      await store.index.markRecoded(digest);
    }
  }
  return sum;
}

/** Published file by file: the next version must see how long the chains of this one are. */
async function recodeFile(
  store: OwnedStore,
  file: { digest: Digest; fileName: string; parents: readonly Parent[] },
  call: Call,
): Promise<Recoded> {
  using _ = store.objects.readers.enter();
  await using session = store.writePacks("repack");
  const recoded = await session.recode(file, call);
  if (recoded.shorter > 0) await session.finish({ replace: true });
  return recoded;
}

async function commitsOldestFirst(store: OwnedStore, call: Call): Promise<Digest[]> {
  const pace = createPacer(call);
  const tips: Digest[] = [];
  for (const { name: repository } of await store.refs.listRepositories()) {
    for (const { digest } of await store.refs.list(repository)) {
      const commit = await commitOfRef(store, digest);
      if (commit !== undefined) tips.push(commit);
      await pace();
    }
  }
  const commits: Digest[] = [];
  for await (const { digest } of walk(store, { from: tips, order: "topo" }, call)) {
    if (commits.length < COMMITS_MAX) commits.push(digest);
  }
  return commits.reverse();
}

interface ChangedFile extends Parent {
  readonly parents: readonly Parent[];
}

/** Files that the commit's first parent does not have, with what they may resemble, the likeliest first. */
async function changedFiles(store: OwnedStore, digest: Digest, call: Call): Promise<ChangedFile[]> {
  const commit = await readCommit(store, digest);
  const files = await flattenTree(store.objects, commit.tree, call);
  const { lineage } = commit.meta;
  const base =
    typeof lineage === "object" && lineage !== null && "base" in lineage ? lineage.base : undefined;
  const older: FlatTree[] = [];
  for (const parent of [...commit.parents, ...(typeof base === "string" ? [base as Digest] : [])]) {
    older.push(await treeOfCommit(store, parent, call));
  }
  const changed: ChangedFile[] = [];
  const pace = createPacer(call);
  const byExtension = await largeFiles(files, call);
  for (const [path, entry] of files) {
    await pace();
    if (entry.mode === "120000" || entry.sizeBytes < FILE_BYTES_MIN) continue;
    if (older[0]?.get(path)?.digest === entry.digest) continue;
    const parents = [
      ...older.flatMap((tree) => nameOf(path, tree.get(path)) ?? []),
      ...siblingsOf(path, entry, byExtension.get(extname(path)) ?? []),
    ].filter((parent) => parent.digest !== entry.digest);
    if (parents.length > 0) changed.push({ digest: entry.digest, fileName: fileName(path), parents });
  }
  return changed;
}

/** A base that is not in the store is no parent. */
async function treeOfCommit(store: OwnedStore, digest: Digest, call: Call): Promise<FlatTree> {
  if ((await store.objects.stat(digest))?.kind !== "commit") return new Map();
  return flattenTree(store.objects, (await readCommit(store, digest)).tree, call);
}

/** Extension → the first files of it that are worth a look. */
async function largeFiles(files: FlatTree, call: Call): Promise<Map<string, [string, FlatEntry][]>> {
  const byExtension = new Map<string, [string, FlatEntry][]>();
  const pace = createPacer(call);
  for (const file of files) {
    await pace();
    const [path, { mode, sizeBytes }] = file;
    if (mode === "120000" || sizeBytes < FILE_BYTES_MIN) continue;
    const others = byExtension.get(extname(path)) ?? [];
    byExtension.set(extname(path), others);
    if (others.length < CANDIDATES_MAX) others.push(file);
  }
  return byExtension;
}

/** Larger files of the same extension: a quantised one follows from the one with more bits, never the other way. */
function siblingsOf(path: string, entry: FlatEntry, files: readonly [string, FlatEntry][]): Parent[] {
  return files
    .filter(
      ([other, { sizeBytes }]) =>
        other !== path && sizeBytes > entry.sizeBytes * 1.2 && sizeBytes < entry.sizeBytes * 5,
    )
    .slice(0, SIBLINGS_MAX)
    .map(([other, { digest }]) => ({ digest, fileName: fileName(other) }));
}

function nameOf(path: string, entry: FlatEntry | undefined): Parent | undefined {
  if (entry === undefined || entry.mode === "120000") return undefined;
  return { digest: entry.digest, fileName: fileName(path) };
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
