/** What differs between two trees, file by file. Subtrees with the same digest are not read. */
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { TREE_DEPTH_MAX } from "../objects/names.ts";
import type { FileMode, TreeEntry } from "../objects/objects.ts";
import { measureTree, readTree, type TreeSource } from "./tree-read.ts";

/** A diff of more files than this is refused. */
export const CHANGES_MAX = 1_000_000;
/** From here on the trees are measured first: a few that share subtrees can stand for any number of files. */
const MEASURED_FROM = 10_000;
const ENTRIES_CACHED_MAX = 100_000;

export interface FileVersion {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mode: FileMode;
}

/** Without `from` the file was added, without `to` deleted. */
export interface FileChange {
  readonly path: string;
  readonly from?: FileVersion;
  readonly to?: FileVersion;
}

export interface FileChanges {
  readonly added: FileChange[];
  readonly modified: FileChange[];
  readonly deleted: FileChange[];
}

interface Pair {
  readonly prefix: string;
  readonly depth: number;
  readonly from: Digest | undefined;
  readonly to: Digest | undefined;
}

function comparePaths(a: { path: string }, b: { path: string }): number {
  return Buffer.compare(Buffer.from(a.path), Buffer.from(b.path));
}

function isSame(a: TreeEntry | undefined, b: TreeEntry | undefined): boolean {
  return a?.digest === b?.digest && a?.mode === b?.mode;
}

function fileOf(entry: TreeEntry | undefined): FileVersion | undefined {
  if (entry === undefined || entry.mode === "040000") return undefined;
  return { digest: entry.digest, sizeBytes: entry.sizeBytes, mode: entry.mode };
}

function folderOf(entry: TreeEntry | undefined): Digest | undefined {
  return entry?.mode === "040000" ? entry.digest : undefined;
}

/** Rows sorted by path into the three groups. */
export function groupChanges(changes: Iterable<FileChange>): FileChanges {
  const groups: FileChanges = { added: [], modified: [], deleted: [] };
  for (const change of [...changes].sort(comparePaths)) {
    if (change.from === undefined) groups.added.push(change);
    else if (change.to === undefined) groups.deleted.push(change);
    else groups.modified.push(change);
  }
  return groups;
}

/** A row for a path, or undefined when both sides are the same or absent. */
export function compareFiles(
  path: string,
  from: FileVersion | undefined,
  to: FileVersion | undefined,
): FileChange | undefined {
  if (from?.digest === to?.digest && from?.mode === to?.mode) return undefined;
  return { path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/**
 * The files that differ, in no particular order; undefined stands for the empty tree.
 * Throws LIMIT_EXCEEDED after CHANGES_MAX files or 512 folders of depth, OBJECT_NOT_FOUND, OBJECT_CORRUPT.
 */
export async function diffTrees(
  objects: TreeSource,
  trees: { from: Digest | undefined; to: Digest | undefined },
  call: Call,
): Promise<FileChange[]> {
  const pace = createPacer(call);
  const changes: FileChange[] = [];
  const cache = cached(objects);
  const stack: Pair[] = [{ prefix: "", depth: 1, ...trees }];
  for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
    if (pair.from === pair.to) continue;
    if (pair.depth > TREE_DEPTH_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `a tree is deeper than ${TREE_DEPTH_MAX} folders`);
    for (const [name, [from, to]] of await readPair(cache, pair)) {
      if (isSame(from, to)) continue;
      const path = pair.prefix + name;
      const change = compareFiles(path, fileOf(from), fileOf(to));
      if (change !== undefined && changes.push(change) === MEASURED_FROM)
        await assertMeasured(objects, trees, call);
      if (changes.length > CHANGES_MAX)
        throw new SmcError("LIMIT_EXCEEDED", `more than ${CHANGES_MAX} files differ`);
      const below = { from: folderOf(from), to: folderOf(to) };
      if (below.from !== below.to) stack.push({ prefix: `${path}/`, depth: pair.depth + 1, ...below });
      await pace();
    }
  }
  return changes;
}

async function assertMeasured(
  objects: TreeSource,
  trees: { from: Digest | undefined; to: Digest | undefined },
  call: Call,
): Promise<void> {
  for (const tree of [trees.from, trees.to]) if (tree !== undefined) await measureTree(objects, tree, call);
}

type Read = (tree: Digest) => Promise<readonly TreeEntry[]>;

/** Reads a tree that occurs in many places once, while there is room. */
function cached(objects: TreeSource): Read {
  const known = new Map<Digest, readonly TreeEntry[]>();
  let count = 0;
  return async (digest) => {
    const entries = known.get(digest) ?? (await readTree(objects, digest));
    if (!known.has(digest) && count + entries.length <= ENTRIES_CACHED_MAX) {
      known.set(digest, entries);
      count += entries.length;
    }
    return entries;
  };
}

type Sides = [TreeEntry | undefined, TreeEntry | undefined];

async function readPair(read: Read, pair: Pair): Promise<Map<string, Sides>> {
  const rows = new Map<string, Sides>();
  if (pair.from !== undefined) {
    for (const entry of await read(pair.from)) rows.set(entry.name, [entry, undefined]);
  }
  if (pair.to !== undefined) {
    for (const entry of await read(pair.to)) {
      const row = rows.get(entry.name);
      if (row === undefined) rows.set(entry.name, [undefined, entry]);
      else row[1] = entry;
    }
  }
  return rows;
}
