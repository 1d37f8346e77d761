/** `smc status`: HEAD against stage against worktree. On an unchanged tree no file is opened. */
import type { Call } from "../call.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { compareFiles, type Tracked } from "../worktree/compare.ts";
import { branchOf } from "../worktree/head.ts";
import { resolvePaths } from "../worktree/paths.ts";
import { type Scan, scan, TrackedPaths } from "../worktree/scan.ts";
import { refreshStage, type Stage } from "../worktree/stage.ts";
import {
  compareToTree,
  filesOf,
  loadStage,
  readTip,
  type StagedChange,
  type Tip,
} from "../worktree/state.ts";
import { readUpstream, type Upstream } from "../worktree/upstream.ts";
import { exclusively, type Worktree } from "../worktree/worktree.ts";

export interface StatusOptions {
  /** Only these files and folders; none means all. */
  readonly paths?: readonly string[];
  /** "normal" names a folder without tracked files as `folder/`; "all" names its files. */
  readonly untracked?: "normal" | "all";
}

export interface StatusResult {
  /** Null when HEAD is detached. */
  readonly branch: string | null;
  /** Null before the first commit. */
  readonly head: Digest | null;
  /** How far the branch is from the remote's, as fetched last; null when there is none. */
  readonly upstream: Upstream | null;
  /** What a commit would change. */
  readonly staged: readonly StagedChange[];
  readonly modified: readonly string[];
  readonly deleted: readonly string[];
  readonly untracked: readonly string[];
  /** What is in the folder and cannot be stored. */
  readonly unsupported: readonly { readonly path: string; readonly reason: string }[];
  /**
   * Packs of the store that were damaged when they were read last; null when none was. `date` is of the newest find.
   */
  readonly damage: { readonly packs: number; readonly date: string } | null;
}

/**
 * What differs between HEAD, stage and worktree. Takes the time to look at names and stats; reads a file only when
 * its stat does not tell whether it changed, and remembers the answer. Throws STAGE_CORRUPT, PERMISSION_DENIED,
 * CONFIG_INVALID for a bad `.smcignore`.
 */
export async function status(
  repository: Repository,
  options: StatusOptions,
  call: Call,
): Promise<StatusResult> {
  const worktree = requireWorktree(repository);
  const filter = options.paths?.length ? await resolvePaths(worktree, options.paths) : undefined;
  const tip = await readTip(repository);
  const stage = await loadStage(repository, worktree, tip, call);
  const tracked = new TrackedPaths(stage.entries);
  const found = await scan(
    worktree.root,
    {
      from: [""],
      tracked,
      leaveOut: repository.store.path,
      wantsStat: (path) => tracked.hasFile(path),
    },
    call,
  );
  const changes = await compareWorktree(repository, { worktree, stage, found }, call);
  const staged = await compareStaged(repository, { tip, stage }, call);
  const files = [...found.files.keys()].filter((path) => !tracked.hasFile(path));
  const isWanted = (path: string): boolean => filter === undefined || filter.matches(path);
  const untracked = files.filter(isWanted);
  return {
    branch: branchOf(tip.head),
    head: tip.head.digest ?? null,
    upstream: await readUpstream(repository, tip.head, call),
    staged: staged.filter(({ path }) => isWanted(path)),
    modified: changes.modified.filter(isWanted).sort(),
    deleted: changes.deleted.filter(isWanted).sort(),
    untracked: options.untracked === "all" ? untracked.sort() : joinFolders(untracked, tracked),
    unsupported: found.faults
      .filter(({ path }) => isWanted(path))
      .map(({ path, error }) => ({ path, reason: error.message })),
    damage: await readDamage(repository),
  };
}

async function readDamage({ store }: Repository): Promise<StatusResult["damage"]> {
  const { damaged } = await store.scrubState();
  if (damaged.length === 0) return null;
  const newest = Math.max(...damaged.map(({ checkedMs }) => checkedMs));
  return { packs: damaged.length, date: formatMoment(momentAt(newest)) };
}

async function compareStaged(
  repository: Repository,
  { tip, stage }: { tip: Tip; stage: Stage },
  call: Call,
): Promise<StagedChange[]> {
  if (stage.isExact) return [];
  return compareToTree(await filesOf(repository, tip.tree, call), stage.entries);
}

/** Tracked files that changed or are gone; remembers what had to be read. */
export async function compareWorktree(
  repository: Repository,
  { worktree, stage, found }: { worktree: Worktree; stage: Stage; found: Scan },
  call: Call,
): Promise<{ modified: string[]; deleted: string[] }> {
  const files: Tracked[] = [];
  const deleted: string[] = [];
  for (const [path, entry] of stage.entries) {
    const file = found.files.get(path);
    if (file !== undefined) files.push({ path, entry, found: file });
    else if (entry.isSkipped !== true) deleted.push(path);
  }
  const { objects } = repository.store;
  const { modified, vanished, verified } = await compareFiles(files, { root: worktree.root, objects }, call);
  for (const [path, entry] of verified) stage.entries.set(path, entry);
  if (verified.size > 0) await exclusively(worktree, call, () => refresh(worktree, stage));
  return { modified, deleted: [...deleted, ...vanished] };
}

/** The cache only saves time: where it cannot be written, status answers all the same. */
async function refresh(worktree: Worktree, stage: Stage): Promise<void> {
  try {
    await refreshStage(worktree.root, stage);
  } catch (error) {
    const code = error instanceof SmcError ? error.code : undefined;
    if (code !== "READ_ONLY" && code !== "DISK_FULL" && code !== "PERMISSION_DENIED") throw error;
  }
}

/** Names a folder instead of its files when nothing in it is tracked. */
function joinFolders(paths: readonly string[], tracked: TrackedPaths): string[] {
  const joined = new Set<string>();
  for (const path of paths) {
    let end = path.indexOf("/");
    while (end > 0 && tracked.hasFolder(path.slice(0, end))) end = path.indexOf("/", end + 1);
    joined.add(end > 0 ? path.slice(0, end + 1) : path);
  }
  return [...joined].sort();
}
