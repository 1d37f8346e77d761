/** Files of a source put into the stage, the worktree or both, for named paths only. */
import { type Call, createPacer } from "../call.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import type { FlatTree } from "../trees/tree-read.ts";
import { isSameFile } from "./compare.ts";
import { type LinkPolicy, linkPolicy, settleLinks, type SkippedLink } from "./links.ts";
import type { PathFilter } from "./paths.ts";
import { type Overwrite, planMove } from "./plan.ts";
import { type Stage, type StageEntry, writeStage } from "./stage.ts";
import { isTree, markAbsentLinks } from "./state.ts";
import { writeOut } from "./write-out.ts";

export interface Restoring {
  readonly stage: Stage;
  /** The stage itself, or the files of a tree. */
  readonly source: FlatTree;
  readonly filter: PathFilter;
  readonly toStage: boolean;
  readonly toWorktree: boolean;
  /** Leaves files alone that the source does not have. */
  readonly isOverlay: boolean;
  readonly overwrite: Overwrite;
  readonly symlinks: LinkPolicy | undefined;
  /** Files of HEAD's commit. */
  readonly base: FlatTree;
}

export interface Restored {
  /** Paths that changed in the stage or the worktree. */
  readonly restored: readonly string[];
  readonly skippedLinks: readonly SkippedLink[];
}

/**
 * The caller holds the worktree. Throws PATH_NOT_FOUND when a path names nothing in source or stage, WOULD_OVERWRITE
 * for untracked files, UNSAFE_PATH; then nothing is changed.
 */
export async function restoreFiles(
  repository: Repository,
  restoring: Restoring,
  call: Call,
): Promise<Restored> {
  const { stage, source, filter, toStage, isOverlay } = restoring;
  const worktree = requireWorktree(repository);
  const paths = [...source.keys(), ...(isOverlay ? [] : stage.entries.keys())];
  const pace = createPacer(call);
  const matched = new Set<string>();
  for (const path of paths) {
    if (filter.matches(path)) matched.add(path);
    await pace();
  }
  filter.assertAllMet();
  const changed = new Set<string>();
  const disk = restoring.toWorktree
    ? await restoreWorktree(repository, { ...restoring, matched, changed }, call)
    : undefined;
  const links: string[] = [];
  for (const path of matched) {
    await pace();
    const wanted = source.get(path);
    const staged = stage.entries.get(path);
    const onDisk = disk?.next.get(path);
    if (!toStage) {
      if (staged !== undefined && onDisk !== undefined && isSameFile(staged, onDisk))
        stage.entries.set(path, onDisk);
      continue;
    }
    if (!isSameFile(wanted, staged)) changed.add(path);
    if (wanted === undefined) stage.entries.delete(path);
    else if (onDisk !== undefined) stage.entries.set(path, onDisk);
    else if (!isSameFile(wanted, staged)) {
      stage.entries.set(path, { mode: wanted.mode, digest: wanted.digest, sizeBytes: wanted.sizeBytes });
      if (wanted.mode === "120000") links.push(path);
    }
  }
  await markAbsentLinks(worktree.root, stage, links);
  stage.isExact = stage.base !== undefined && (await isTree(stage.entries, restoring.base, call));
  await writeStage(worktree.root, stage, { durable: toStage });
  return { restored: [...changed].sort(), skippedLinks: disk?.skippedLinks ?? [] };
}

async function restoreWorktree(
  repository: Repository,
  input: Restoring & { matched: ReadonlySet<string>; changed: Set<string> },
  call: Call,
): Promise<{ next: ReadonlyMap<string, StageEntry>; skippedLinks: readonly SkippedLink[] }> {
  const { stage, source, matched, changed, overwrite, symlinks } = input;
  const { objects } = repository.store;
  const { root } = requireWorktree(repository);
  const plan = await planMove(
    {
      root,
      objects,
      from: new Map(),
      to: source,
      stage: stage.entries,
      overwrite,
      isLeftAlone: (path) => !matched.has(path),
    },
    call,
  );
  const policy = await linkPolicy(repository, symlinks);
  const { out, skipped } = await settleLinks(plan, { root, objects, policy }, call);
  const caches = await writeOut({ root, objects }, out, call);
  const pace = createPacer(call);
  for (const [path, cache] of caches) {
    await pace();
    const entry = plan.next.get(path);
    if (entry !== undefined) plan.next.set(path, { ...entry, cache });
    changed.add(path);
  }
  for (const { path } of out.removals) changed.add(path);
  return { next: plan.next, skippedLinks: skipped };
}
