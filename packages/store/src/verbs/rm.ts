/** `smc rm`: tracked files out of the stage and, unless `cached`, out of the worktree. */
import { type Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { findArchived } from "../registry/archive-refs.ts";
import { listRoles } from "../registry/roles.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { show } from "../show.ts";
import { compareFiles, isSameFile, type Tracked } from "../worktree/compare.ts";
import { type Located, locate } from "../worktree/locate.ts";
import { isPattern, type PathFilter, resolvePaths } from "../worktree/paths.ts";
import { TrackedPaths } from "../worktree/scan.ts";
import { type Stage, writeStage } from "../worktree/stage.ts";
import { kindOf } from "../worktree/stat.ts";
import { filesOf, loadStage, readTip, type Tip } from "../worktree/state.ts";
import { exclusively, type Worktree } from "../worktree/worktree.ts";
import { writeOut } from "../worktree/write-out.ts";

const PATHS_SHOWN = 10;

export interface RmOptions {
  readonly paths: readonly string[];
  /** Keeps the files in the worktree. */
  readonly cached?: boolean;
  /** Takes folders. */
  readonly recursive?: boolean;
  /** Gives up local changes. */
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

export interface RmResult {
  readonly removed: readonly string[];
  readonly dryRun: boolean;
}

/**
 * Removes all named files or none. Throws USAGE without paths, PATH_NOT_FOUND, REF_PROTECTED for the name of a version,
 * ARGUMENT_INVALID for a folder without `recursive`, WORKTREE_DIRTY for content that no commit has, PERMISSION_DENIED.
 */
export async function rm(repository: Repository, options: RmOptions, call: Call): Promise<RmResult> {
  const worktree = requireWorktree(repository);
  if (options.paths.length === 0) throw new SmcError("USAGE", "nothing was named to remove");
  const filter = await resolvePaths(worktree, options.paths);
  try {
    return await exclusively(worktree, call, () =>
      removeFrom(repository, { worktree, filter, options }, call),
    );
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) await assertNoVersion(repository, options.paths);
    throw error;
  }
}

/** Who means a version by a name that is no file is told why it stays. Throws REF_PROTECTED. */
async function assertNoVersion(repository: Repository, paths: readonly string[]): Promise<void> {
  const roles = await listRoles(repository);
  for (const path of paths) {
    if (!roles.has(path) && (await findArchived(repository, path)) === undefined) continue;
    const what = roles.has(path) ? "a version that is live" : "an archived version";
    throw new SmcError("REF_PROTECTED", `'${show(path, 200)}' is ${what}, and those are never removed`, {
      hint: "rm removes files of the worktree",
    });
  }
}

async function removeFrom(
  repository: Repository,
  { worktree, filter, options }: { worktree: Worktree; filter: PathFilter; options: RmOptions },
  call: Call,
): Promise<RmResult> {
  const tip = await readTip(repository);
  const stage = await loadStage(repository, worktree, tip, call);
  if (options.recursive !== true) assertNoFolder(stage, filter);
  const paths = [...stage.entries.keys()].filter((path) => filter.matches(path));
  filter.assertAllMet();
  const located = await locate(worktree.root, paths);
  if (options.force !== true)
    await assertKept(repository, { worktree, tip, stage, paths, located, options }, call);
  if (options.dryRun === true) return { removed: paths.sort(), dryRun: true };
  if (options.cached !== true) {
    const removals = paths.flatMap((path) => {
      const place = located.get(path);
      const expected = place?.stat;
      if (place === undefined || expected === undefined || kindOf(expected) === "folder") return [];
      return [{ path, disk: place.disk, expected }];
    });
    const { objects } = repository.store;
    await writeOut({ root: worktree.root, objects }, { removals, writings: [], links: [] }, call);
  }
  for (const path of paths) stage.entries.delete(path);
  stage.isExact = stage.isExact && paths.length === 0;
  await writeStage(worktree.root, stage, { durable: true });
  return { removed: paths.sort(), dryRun: false };
}

function assertNoFolder(stage: Stage, filter: PathFilter): void {
  const tracked = new TrackedPaths(stage.entries);
  const folder = filter.specs.find((spec) => (spec === "" || tracked.hasFolder(spec)) && !isPattern(spec));
  if (folder === undefined) return;
  throw new SmcError(
    "ARGUMENT_INVALID",
    `'${folder === "" ? "." : show(folder, 200)}' is a folder; nothing was removed`,
    {
      hint: "remove what is below it with -r",
    },
  );
}

/** Content that is in no commit is not thrown away unasked. */
async function assertKept(
  repository: Repository,
  input: {
    worktree: Worktree;
    tip: Tip;
    stage: Stage;
    paths: readonly string[];
    located: ReadonlyMap<string, Located>;
    options: RmOptions;
  },
  call: Call,
): Promise<void> {
  const { worktree, tip, stage, paths, located, options } = input;
  const head = stage.isExact ? stage.entries : await filesOf(repository, tip.tree, call);
  const files: Tracked[] = [];
  for (const path of paths) {
    const entry = stage.entries.get(path);
    const place = located.get(path);
    const stat = place?.stat;
    if (entry === undefined || place === undefined || stat === undefined) continue;
    const kind = kindOf(stat);
    if (kind === "file" || kind === "link")
      files.push({ path, entry, found: { path, disk: place.disk, kind, stat } });
  }
  const { objects } = repository.store;
  const { modified } = await compareFiles(files, { root: worktree.root, objects }, call);
  const changed = new Set(modified);
  const isLost = (path: string): boolean => {
    const isStaged = !isSameFile(stage.entries.get(path), head.get(path));
    // With `cached` the file stays: only content that neither it nor HEAD has would be lost.
    return options.cached === true ? isStaged && changed.has(path) : isStaged || changed.has(path);
  };
  const here = new Set(files.map(({ path }) => path));
  const lost = paths.filter((path) => (here.has(path) || options.cached === true) && isLost(path));
  if (lost.length === 0) return;
  const list = lost.slice(0, PATHS_SHOWN).map((path) => `'${show(path, 200)}'`);
  const more = lost.length > PATHS_SHOWN ? ", …" : "";
  const what = lost.length === 1 ? "1 file has changes" : `${lost.length} files have changes`;
  throw new SmcError(
    "WORKTREE_DIRTY",
    `${what} that no commit has: ${list.join(", ")}${more}; nothing was removed`,
    {
      hint: "keep the file with --cached, or give the changes up with -f",
      details: { paths: lost.slice(0, PATHS_SHOWN), count: lost.length },
    },
  );
}
