/** `smc restore`: files as they are staged, or as a revision has them, into worktree or stage. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveTree } from "../history/revision.ts";
import type { FlatTree } from "../trees/tree-read.ts";
import type { LinkPolicy } from "../worktree/links.ts";
import { resolvePaths } from "../worktree/paths.ts";
import { type Restored, restoreFiles } from "../worktree/restore-files.ts";
import { filesOf, loadStage, readTip } from "../worktree/state.ts";
import { exclusively } from "../worktree/worktree.ts";

export interface RestoreOptions {
  readonly paths: readonly string[];
  /** A revision; the default is the stage, with `staged` HEAD. */
  readonly source?: string;
  /** Restores the stage. */
  readonly staged?: boolean;
  /** Restores the worktree; the default unless `staged`. */
  readonly worktree?: boolean;
  readonly symlinks?: LinkPolicy;
}

export type RestoreResult = Restored;

/**
 * Local changes of the named files are lost; tracked files that the source does not have are removed. Throws
 * USAGE without paths, PATH_NOT_FOUND, REVISION_NOT_FOUND, WOULD_OVERWRITE for an untracked file, UNSAFE_PATH.
 */
export async function restore(
  repository: Repository,
  options: RestoreOptions,
  call: Call,
): Promise<RestoreResult> {
  const root = requireWorktree(repository);
  if (options.paths.length === 0) throw new SmcError("USAGE", "nothing was named to restore");
  const filter = await resolvePaths(root, options.paths);
  const toStage = options.staged === true;
  const toWorktree = options.worktree === true || !toStage;
  return exclusively(root, call, async () => {
    const tip = await readTip(repository);
    const stage = await loadStage(repository, root, tip, call);
    const tree = await sourceTree(repository, { options, toStage, tip: tip.tree }, call);
    const base = await filesOf(repository, tip.tree, call);
    const source: FlatTree =
      tree === "stage" ? new Map(stage.entries) : await filesOf(repository, tree, call);
    const { symlinks } = options;
    return restoreFiles(
      repository,
      { stage, source, filter, toStage, toWorktree, isOverlay: false, overwrite: "tracked", symlinks, base },
      call,
    );
  });
}

async function sourceTree(
  repository: Repository,
  { options, toStage, tip }: { options: RestoreOptions; toStage: boolean; tip: Digest | undefined },
  call: Call,
): Promise<Digest | "stage" | undefined> {
  if (options.source !== undefined) return resolveTree(repository, options.source, call);
  return toStage ? tip : "stage";
}
