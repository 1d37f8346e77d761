/** One path in a tree, and paths as people type them. */
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { PATH_BYTES_MAX } from "../objects/names.ts";
import type { TreeEntry } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { readTree, type TreeSource } from "./tree-read.ts";
import { PathFilter, resolvePaths } from "../worktree/paths.ts";

/** The entry at a path from the root of the tree, or undefined. Throws as `readTree`. */
export async function findPath(
  objects: TreeSource,
  tree: Digest,
  path: string,
): Promise<TreeEntry | undefined> {
  const parts = path.split("/");
  let at = tree;
  for (const [depth, name] of parts.entries()) {
    const entry = (await readTree(objects, at)).find((row) => row.name === name);
    if (entry === undefined || depth === parts.length - 1) return entry;
    if (entry.mode !== "040000") return undefined;
    at = entry.digest;
  }
  return undefined;
}

/**
 * What stands behind `REV:` as a path from the root: `./a` and `../a` start where the user stands, anything else at
 * the root. Throws PATH_INVALID when it leaves the worktree or is too long.
 */
export function rootPath(repository: Repository, text: string): string {
  if (Buffer.byteLength(text) > PATH_BYTES_MAX) {
    throw new SmcError("PATH_INVALID", `'${show(text, 80)}' is longer than ${PATH_BYTES_MAX} bytes`);
  }
  const relative = /^\.\.?(\/|$)/.test(text);
  const parts = relative ? (repository.worktree?.prefix ?? "").split("/").filter((part) => part !== "") : [];
  for (const part of text.replace(/\/$/, "").split("/")) {
    if (part === "." || (part === "" && text.replace(/\/$/, "") === "")) continue;
    if (part === "") throw new SmcError("PATH_INVALID", `'${show(text, 80)}': a path has no empty part`);
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) {
      throw new SmcError("PATH_INVALID", `'${show(text, 80)}' leads out of the worktree`);
    }
  }
  return parts.join("/");
}

/** Paths as typed after a verb: from where the user stands. Throws as `resolvePath`, LIMIT_EXCEEDED. */
export async function resolvePathFilter(
  repository: Repository,
  texts: readonly string[],
): Promise<PathFilter> {
  const { worktree } = repository;
  if (worktree !== undefined) return resolvePaths(worktree, texts);
  return new PathFilter(texts.map((text) => rootPath(repository, text)));
}
