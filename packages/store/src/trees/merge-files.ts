/** Three versions of a folder into one, file by file. A file is never merged inside: one side's bytes are taken. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { diffTrees, type FileChange, type FileVersion } from "./tree-diff.ts";
import { type FlatEntry, flattenTree, type FlatTree, type TreeSource } from "./tree-read.ts";

export interface MergeSides {
  /** What both came from; undefined when they have nothing in common. */
  readonly base: Digest | undefined;
  readonly ours: Digest;
  /** Undefined for no files at all. */
  readonly theirs: Digest | undefined;
}

export interface MergedFiles {
  readonly files: ReadonlyMap<string, FlatEntry>;
  /** Paths that both sides changed to different things, sorted; decided by the strategy when there is one. */
  readonly conflicts: readonly string[];
  /** True when the files are exactly ours. */
  readonly isOurs: boolean;
}

function isSame(a: FileVersion | undefined, b: FileVersion | undefined): boolean {
  return a?.digest === b?.digest && a?.mode === b?.mode;
}

/**
 * What changed on one side only is taken; what changed on both to different things is a conflict, and taken from
 * the side that `prefer` names (from ours when it is left out). Throws LIMIT_EXCEEDED, OBJECT_CORRUPT …
 */
export async function mergeFiles(
  objects: TreeSource,
  sides: MergeSides,
  options: { prefer?: "ours" | "theirs" | undefined },
  call: Call,
): Promise<MergedFiles> {
  const ours = await flattenTree(objects, sides.ours, call);
  const theirs = sides.theirs === undefined ? new Map() : await flattenTree(objects, sides.theirs, call);
  const ourChanges = await changesByPath(objects, { from: sides.base, to: sides.ours }, call);
  const theirChanges = await changesByPath(objects, { from: sides.base, to: sides.theirs }, call);
  const files = new Map(ours);
  const conflicts = new Set<string>();
  for (const [path, change] of theirChanges) {
    const own = ourChanges.get(path);
    if (own !== undefined && isSame(own.to, change.to)) continue;
    if (own !== undefined) conflicts.add(path);
    if (own !== undefined && options.prefer !== "theirs") continue;
    if (change.to === undefined) files.delete(path);
    else files.set(path, change.to);
  }
  for (const path of settleFolders(files, options.prefer === "theirs" ? theirs : ours)) conflicts.add(path);
  const isOurs = files.size === ours.size && [...files].every(([path, file]) => isSame(file, ours.get(path)));
  return { files, conflicts: [...conflicts].sort(), isOurs };
}

async function changesByPath(
  objects: TreeSource,
  trees: { from: Digest | undefined; to: Digest | undefined },
  call: Call,
): Promise<Map<string, FileChange>> {
  const changes = await diffTrees(objects, trees, call);
  return new Map(changes.map((change) => [change.path, change]));
}

/** Removes what cannot be beside each other, a file `a` and a file `a/b`; the winner's stays. Gives the paths. */
function settleFolders(files: Map<string, FlatEntry>, winner: FlatTree): string[] {
  const clashes: string[] = [];
  for (const path of files.keys()) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const folder = path.slice(0, end);
      if (!files.has(folder)) continue;
      clashes.push(folder);
      if (!winner.has(folder)) files.delete(folder);
      else {
        files.delete(path);
        break;
      }
    }
  }
  return clashes;
}
