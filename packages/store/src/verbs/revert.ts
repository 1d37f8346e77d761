/** A new commit that undoes what another one changed. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import { advance, assertNothingStaged, mergeConflict, storeCommit } from "../history/join-commits.ts";
import { subjectOf } from "../history/log-entry.ts";
import { mergeFiles } from "../trees/merge-files.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveCommit } from "../history/revision.ts";
import { show } from "../show.ts";
import { diffTrees, groupChanges } from "../trees/tree-diff.ts";
import { readTip, requireCommit } from "../worktree/state.ts";
import { exclusively } from "../worktree/worktree.ts";
import { assertNotMoved } from "./commit.ts";

export interface RevertOptions {
  readonly revision: string;
  readonly message?: string;
  /** For a merge: the parent to go back to, counted from 1. */
  readonly mainline?: number;
}

export interface RevertResult {
  readonly digest: Digest;
  readonly tree: Digest;
  readonly parents: readonly Digest[];
  /** The branch that moved, or "HEAD" when it is detached. */
  readonly ref: string;
  /** The commit that was undone. */
  readonly reverted: Digest;
  readonly files: { readonly added: number; readonly modified: number; readonly deleted: number };
}

/**
 * Files that were changed again since are a conflict. Throws MERGE_CONFLICT with the paths, NOTHING_TO_COMMIT when
 * there is nothing to undo, REVISION_INVALID for a merge without `mainline`, WORKTREE_DIRTY, WOULD_OVERWRITE,
 * REF_CHANGED, and as resolveCommit; nothing is changed then.
 */
export async function revert(
  repository: Repository,
  options: RevertOptions,
  call: Call,
): Promise<RevertResult> {
  const worktree = requireWorktree(repository);
  const { store } = repository;
  return exclusively(worktree, call, async () => {
    const tip = await readTip(repository);
    await assertNotMoved(repository, worktree, tip.head);
    const ours = requireCommit(tip.head);
    const reverted = await resolveCommit(repository, options.revision, call);
    const parent = await parentOf(repository, reverted, options.mainline);
    await assertNothingStaged(repository, tip, call);
    const base = await readCommit(store, reverted);
    const theirs = parent === undefined ? undefined : await treeOf(repository, parent);
    const sides = { base: base.tree, ours: await treeOf(repository, ours), theirs };
    const { files, conflicts, isOurs } = await mergeFiles(store.objects, sides, {}, call);
    if (conflicts.length > 0) {
      const why = "these files were changed again since; undo the later commits first";
      throw mergeConflict(conflicts, `${why}; ${asItWas(options.revision)}`);
    }
    if (isOurs) {
      throw new SmcError(
        "NOTHING_TO_COMMIT",
        `nothing to undo: HEAD has none of what ${reverted.slice(0, 12)} changed`,
        { hint: asItWas(options.revision) },
      );
    }
    const message =
      options.message ?? `Revert "${subjectOf(base.message)}"\n\nThis reverts commit ${reverted}.`;
    const made = await storeCommit(repository, { op: "revert", files, parents: [ours], message }, call);
    const ref = await advance(
      repository,
      { head: tip.head, to: made.digest, op: "revert", reason: message },
      call,
    );
    const changes = groupChanges(await diffTrees(store.objects, { from: sides.ours, to: made.tree }, call));
    const counts = {
      added: changes.added.length,
      modified: changes.modified.length,
      deleted: changes.deleted.length,
    };
    return { ...made, ref, reverted, files: counts };
  });
}

/** What people often mean who name a version. */
function asItWas(revision: string): string {
  return `to have all files as they were in ${show(revision, 80)}: smc checkout ${show(revision, 80)}; the champion before: smc rollback`;
}

async function treeOf(repository: Repository, commit: Digest): Promise<Digest> {
  return (await readCommit(repository.store, commit)).tree;
}

async function parentOf(
  repository: Repository,
  digest: Digest,
  mainline: number | undefined,
): Promise<Digest | undefined> {
  const { parents } = await readCommit(repository.store, digest);
  const shown = show(digest.slice(0, 12));
  if (
    mainline !== undefined &&
    !(Number.isInteger(mainline) && mainline >= 1 && mainline <= parents.length)
  ) {
    throw new SmcError("ARGUMENT_INVALID", `commit ${shown} has no parent ${mainline}`);
  }
  if (parents.length > 1 && mainline === undefined) {
    throw new SmcError(
      "REVISION_INVALID",
      `commit ${shown} is a merge: which parent to go back to is not clear`,
      {
        hint: "name the parent with --mainline 1 or --mainline 2",
      },
    );
  }
  return parents[(mainline ?? 1) - 1];
}
