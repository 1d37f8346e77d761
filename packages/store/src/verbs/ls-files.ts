/** `smc ls-files`: the stage, or what in the worktree differs from it. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import type { FileMode } from "../objects/objects.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { PathFilter, resolvePaths } from "../worktree/paths.ts";
import { scan, TrackedPaths } from "../worktree/scan.ts";
import { comparePaths, type Stage } from "../worktree/stage.ts";
import { loadStage, readTip } from "../worktree/state.ts";
import { compareWorktree } from "./status.ts";

export interface LsFilesOptions {
  /** Files, folders and patterns; none means where the user stands. */
  readonly paths?: readonly string[];
  readonly modified?: boolean;
  readonly deleted?: boolean;
  /** Files that are not tracked. */
  readonly others?: boolean;
}

export interface LsFilesRow {
  readonly path: string;
  readonly state: "staged" | "modified" | "deleted" | "other";
  /** Of the staged version; absent for "other". */
  readonly mode?: FileMode;
  readonly digest?: Digest;
  readonly sizeBytes?: number;
}

/** Rows in the byte order of the paths; without a choice all staged files. Throws as `status` does. */
export async function lsFiles(
  repository: Repository,
  options: LsFilesOptions,
  call: Call,
): Promise<LsFilesRow[]> {
  const worktree = requireWorktree(repository);
  const filter = options.paths?.length
    ? await resolvePaths(worktree, options.paths)
    : new PathFilter([worktree.prefix]);
  const stage = await loadStage(repository, worktree, await readTip(repository), call);
  const wantsWorktree = options.modified === true || options.deleted === true || options.others === true;
  const states = wantsWorktree
    ? await readStates(repository, { stage, options }, call)
    : new Map([...stage.entries.keys()].map((path) => [path, "staged" as const]));
  const rows: LsFilesRow[] = [];
  for (const [path, state] of states) {
    if (!filter.matches(path)) continue;
    const entry = stage.entries.get(path);
    if (entry === undefined) rows.push({ path, state });
    else rows.push({ path, state, mode: entry.mode, digest: entry.digest, sizeBytes: entry.sizeBytes });
  }
  return rows.sort((a, b) => comparePaths(a.path, b.path));
}

async function readStates(
  repository: Repository,
  { stage, options }: { stage: Stage; options: LsFilesOptions },
  call: Call,
): Promise<Map<string, LsFilesRow["state"]>> {
  const worktree = requireWorktree(repository);
  const tracked = new TrackedPaths(stage.entries);
  const wantsStat = (path: string): boolean => tracked.hasFile(path);
  const found = await scan(
    worktree.root,
    { from: [""], tracked, leaveOut: repository.store.path, wantsStat },
    call,
  );
  const states = new Map<string, LsFilesRow["state"]>();
  const changes = await compareWorktree(repository, { worktree, stage, found }, call);
  if (options.modified === true) for (const path of changes.modified) states.set(path, "modified");
  if (options.deleted === true) for (const path of changes.deleted) states.set(path, "deleted");
  if (options.others !== true) return states;
  for (const path of found.files.keys()) if (!tracked.hasFile(path)) states.set(path, "other");
  return states;
}
