/** Versions whose files can be looked up by their paths: a tree, or files of the stage and the worktree. */
import { join, posix } from "node:path";
import type { Digest } from "../objects/digest.ts";
import type { FileMode } from "../objects/objects.ts";
import type { ObjectStore } from "../store.ts";
import { findPath } from "../trees/tree-find.ts";
import { type FlatTree, readTree } from "../trees/tree-read.ts";
import { locate } from "../worktree/locate.ts";
import type { TensorFile } from "./listing.ts";

export interface TensorSide {
  /** A regular file at a path from the root; undefined when there is none. */
  find(path: string): Promise<TensorFile | undefined>;
  /** Paths of the files in a folder ("" is the root), without those in folders below. */
  list(folder: string): Promise<readonly string[]>;
}

/** Files that were looked up are remembered: of one file many tensors are asked for. */
const REMEMBERED_MAX = 10_000;

/** The files of a tree; none without one. Throws as `readTree`. */
export function treeSide(objects: ObjectStore, tree: Digest | undefined): TensorSide {
  const find = async (path: string): Promise<TensorFile | undefined> => {
    const entry = tree === undefined ? undefined : await findPath(objects, tree, path);
    if (entry === undefined || entry.mode === "040000" || !isRegular(entry.mode)) return undefined;
    return { digest: entry.digest, path, sizeBytes: entry.sizeBytes };
  };
  return {
    find: remembering(find),
    async list(folder) {
      const at = tree === undefined || folder === "" ? undefined : await findPath(objects, tree, folder);
      const digest = folder === "" ? tree : at?.mode === "040000" ? at.digest : undefined;
      if (digest === undefined) return [];
      const entries = await readTree(objects, digest);
      return entries.filter(({ mode }) => mode !== "040000").map(({ name }) => posix.join(folder, name));
    },
  };
}

/** Files by their paths; those that the store does not hold are in the worktree at `root`. */
export function filesSide(objects: ObjectStore, files: FlatTree, root: string | undefined): TensorSide {
  const find = async (path: string): Promise<TensorFile | undefined> => {
    const entry = files.get(path);
    if (entry === undefined || !isRegular(entry.mode)) return undefined;
    const { digest, sizeBytes } = entry;
    if (root === undefined || (await objects.stat(digest)) !== undefined) return { digest, path, sizeBytes };
    const disk = (await locate(root, [path])).get(path)?.disk ?? path;
    return { digest, path, sizeBytes, localPath: join(root, disk) };
  };
  return {
    find: remembering(find),
    list: async (folder) =>
      [...files.keys()].filter((path) => posix.dirname(path) === (folder === "" ? "." : folder)),
  };
}

function isRegular(mode: FileMode): boolean {
  return mode !== "120000";
}

type Find = TensorSide["find"];

function remembering(find: Find): Find {
  const known = new Map<string, TensorFile | undefined>();
  return async (path) => {
    if (known.has(path)) return known.get(path);
    const found = await find(path);
    if (known.size < REMEMBERED_MAX) known.set(path, found);
    return found;
  };
}
