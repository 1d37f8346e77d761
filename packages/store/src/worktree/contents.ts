/** What tracked files of the worktree hold right now, as entries. */
import { join } from "node:path";
import type { Call } from "../call.ts";
import { hashBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import type { FlatEntry } from "../trees/tree-read.ts";
import { compareFiles, hashAll, readLink, type Tracked } from "./compare.ts";
import type { PathFilter } from "./paths.ts";
import { type Found, scan, TrackedPaths } from "./scan.ts";
import type { Stage } from "./stage.ts";
import { fileModeOf } from "./stat.ts";
import type { Worktree } from "./worktree.ts";

/**
 * Path → content of every tracked file that is there; those outside of the filter are left out.
 * Reads only files whose stat differs from the stage. Throws FILE_CHANGED, PERMISSION_DENIED, CANCELED.
 */
export async function readWorktreeFiles(
  repository: Repository,
  options: { worktree: Worktree; stage: Stage; filter: PathFilter | undefined },
  call: Call,
): Promise<Map<string, FlatEntry>> {
  const { worktree, stage, filter } = options;
  const { objects } = repository.store;
  const tracked = new TrackedPaths(stage.entries);
  const wantsStat = (path: string): boolean => stage.entries.has(path);
  const { files } = await scan(
    worktree.root,
    { from: [""], tracked, wantsStat, leaveOut: repository.store.path },
    call,
  );
  const present = new Map<string, FlatEntry>();
  const candidates: Tracked[] = [];
  for (const [path, entry] of stage.entries) {
    if (filter?.matches(path) === false) continue;
    const found = files.get(path);
    if (found !== undefined) candidates.push({ path, entry, found });
    if (found !== undefined || entry.isSkipped === true) present.set(path, entry);
  }
  const { modified, vanished } = await compareFiles(candidates, { root: worktree.root, objects }, call);
  for (const path of vanished) present.delete(path);
  const changed = modified.flatMap((path) => files.get(path) ?? []);
  for (const [path, entry] of await readChanged(repository, { root: worktree.root, files: changed }, call)) {
    if (entry === undefined) present.delete(path);
    else present.set(path, entry);
  }
  return present;
}

/** Content of files that differ from the stage; undefined for one that went away meanwhile. */
async function readChanged(
  repository: Repository,
  { root, files }: { root: string; files: readonly Found[] },
  call: Call,
): Promise<Map<string, FlatEntry | undefined>> {
  const contents = new Map<string, FlatEntry | undefined>();
  for (const { path, disk, kind } of files) {
    if (kind !== "link") continue;
    const target = await readLink(join(root, disk));
    contents.set(path, { mode: "120000", digest: hashBytes(target), sizeBytes: target.length });
  }
  const regular = files.filter(({ kind }) => kind === "file");
  const paths = regular.map(({ disk }) => join(root, disk));
  const read = paths.length === 0 ? [] : await hashAll(repository.store.objects, paths, call);
  for (const [index, { path }] of regular.entries()) {
    const file = read[index];
    if (file === "changing") throw new SmcError("FILE_CHANGED", `'${show(path)}' changed while it was read`);
    if (file === undefined || file === "vanished") contents.set(path, undefined);
    else contents.set(path, { mode: fileModeOf(file.stat), digest: file.digest, sizeBytes: file.sizeBytes });
  }
  return contents;
}
