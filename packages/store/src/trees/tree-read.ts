/** Tree objects → flat entries (path → file). Every limit is checked before the first path is made. */
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { PATH_BYTES_MAX, TREE_DEPTH_MAX } from "../objects/names.ts";
import { decodeTree, type FileMode, type TreeEntry } from "../objects/objects.ts";
import { readNamed } from "../read-named.ts";
import type { ObjectStore } from "../store.ts";

/** Files and folders of one tree, folders counted as often as they occur. */
export const TREE_PATHS_MAX = 10_000_000;
const PATH_BYTES_SUM_MAX = 1024 * 1024 * 1024;
/** Decoded trees kept between measuring and flattening; the rest is read again. */
const CACHED_ENTRIES_MAX = 1_000_000;

export type TreeSource = Pick<ObjectStore, "read">;

/** A file or link of a tree; folders are only part of the paths. */
export interface FlatEntry {
  readonly mode: FileMode;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Path below the tree (`/`-separated) → file. */
export type FlatTree = ReadonlyMap<string, FlatEntry>;

export interface TreeMeasure {
  /** Files and folders, counted as often as they occur. */
  readonly pathCount: number;
  readonly pathBytes: number;
  readonly longestBytes: number;
  readonly depth: number;
}

interface Frame {
  readonly digest: Digest;
  readonly entries: readonly TreeEntry[];
  next: number;
  pathCount: number;
  pathBytes: number;
  longestBytes: number;
  depth: number;
}

/** Reads trees once each while they fit. */
class TreeCache {
  readonly #objects: TreeSource;
  readonly #known = new Map<Digest, readonly TreeEntry[]>();
  #entryCount = 0;

  constructor(objects: TreeSource) {
    this.#objects = objects;
  }

  async read(digest: Digest): Promise<readonly TreeEntry[]> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const entries = await readTree(this.#objects, digest);
    if (this.#entryCount + entries.length <= CACHED_ENTRIES_MAX) {
      this.#known.set(digest, entries);
      this.#entryCount += entries.length;
    }
    return entries;
  }
}

/** The entries of one tree object. Throws OBJECT_MISSING, OBJECT_CORRUPT, OBJECT_INVALID. */
export async function readTree(objects: TreeSource, digest: Digest): Promise<TreeEntry[]> {
  return decodeTree(await readNamed(objects, digest, "tree"));
}

/**
 * How many paths a tree stands for, without making them: each distinct subtree is read once.
 * Throws LIMIT_EXCEEDED over 10,000,000 paths, 512 folders of depth, 4096 bytes in a path.
 */
export async function measureTree(objects: TreeSource, digest: Digest, call: Call): Promise<TreeMeasure> {
  return measure(new TreeCache(objects), digest, call);
}

/**
 * All files below a tree, in the order of the trees. Throws LIMIT_EXCEEDED as `measureTree` does, before anything
 * is built, OBJECT_MISSING, OBJECT_CORRUPT, OBJECT_INVALID.
 */
export async function flattenTree(
  objects: TreeSource,
  digest: Digest,
  call: Call,
): Promise<Map<string, FlatEntry>> {
  const cache = new TreeCache(objects);
  await measure(cache, digest, call);
  const pace = createPacer(call);
  const files = new Map<string, FlatEntry>();
  const stack: { prefix: string; entries: readonly TreeEntry[]; next: number }[] = [
    { prefix: "", entries: await cache.read(digest), next: 0 },
  ];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const entry = frame.entries[frame.next];
    frame.next += 1;
    if (entry === undefined) {
      stack.pop();
      continue;
    }
    const path = frame.prefix + entry.name;
    if (isFile(entry)) files.set(path, entry);
    else stack.push({ prefix: `${path}/`, entries: await cache.read(entry.digest), next: 0 });
    const pause = pace();
    if (pause !== undefined) await pause;
  }
  return files;
}

function isFile(entry: TreeEntry): entry is TreeEntry & FlatEntry {
  return entry.mode !== "040000";
}

async function measure(cache: TreeCache, root: Digest, call: Call): Promise<TreeMeasure> {
  const pace = createPacer(call);
  const done = new Map<Digest, TreeMeasure>();
  const stack: Frame[] = [await openFrame(cache, root)];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const entry = frame.entries[frame.next];
    if (entry === undefined) {
      stack.pop();
      done.set(frame.digest, frame);
      continue;
    }
    const below = entry.mode === "040000" ? done.get(entry.digest) : LEAF;
    if (below === undefined) {
      if (stack.length >= TREE_DEPTH_MAX) throw tooDeep(root);
      stack.push(await openFrame(cache, entry.digest));
    } else {
      frame.next += 1;
      addBelow(frame, entry, below, root);
    }
    const pause = pace();
    if (pause !== undefined) await pause;
  }
  const measured = done.get(root);
  if (measured === undefined) throw new SmcError("INTERNAL", "a tree was left unmeasured");
  return measured;
}

const LEAF: TreeMeasure = { pathCount: 0, pathBytes: 0, longestBytes: -1, depth: 0 };

async function openFrame(cache: TreeCache, digest: Digest): Promise<Frame> {
  const entries = await cache.read(digest);
  return { digest, entries, next: 0, pathCount: 0, pathBytes: 0, longestBytes: 0, depth: 1 };
}

function addBelow(frame: Frame, entry: TreeEntry, below: TreeMeasure, root: Digest): void {
  const nameBytes = Buffer.byteLength(entry.name);
  frame.pathCount += 1 + below.pathCount;
  frame.pathBytes += nameBytes + below.pathBytes + below.pathCount * (nameBytes + 1);
  frame.longestBytes = Math.max(frame.longestBytes, nameBytes + 1 + below.longestBytes);
  frame.depth = Math.max(frame.depth, below.depth + 1);
  if (frame.depth > TREE_DEPTH_MAX) throw tooDeep(root);
  if (frame.pathCount > TREE_PATHS_MAX || frame.pathBytes > PATH_BYTES_SUM_MAX) {
    throw new SmcError("LIMIT_EXCEEDED", `tree ${root} stands for more than ${TREE_PATHS_MAX} paths`, {
      hint: "trees that share subtrees over and over are refused",
      details: { tree: root },
    });
  }
  if (frame.longestBytes > PATH_BYTES_MAX) {
    throw new SmcError("LIMIT_EXCEEDED", `tree ${root} has a path longer than ${PATH_BYTES_MAX} bytes`);
  }
}

function tooDeep(root: Digest): SmcError {
  return new SmcError("LIMIT_EXCEEDED", `tree ${root} is deeper than ${TREE_DEPTH_MAX} folders`);
}
