/** Joins another line of commits into the current one. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { isAncestor, mergeBases, readCommit } from "../history/graph.ts";
import { advance, assertNothingStaged, mergeConflict, storeCommit } from "../history/join-commits.ts";
import { mergeFiles } from "../trees/merge-files.ts";
import type { CommitMeta, MetaMap } from "../objects/objects.ts";
import { shortRefName } from "../refs/ref-find.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveCommit } from "../history/revision.ts";
import { show } from "../show.ts";
import { diffTrees, groupChanges } from "../trees/tree-diff.ts";
import type { Head } from "../worktree/head.ts";
import { readTip } from "../worktree/state.ts";
import { exclusively } from "../worktree/worktree.ts";
import { assertNotMoved } from "./commit.ts";

export interface MergeOptions {
  readonly revision: string;
  /** Where both sides changed a file, whose bytes are taken. Files that one side changed are taken from it. */
  readonly strategy?: "ours" | "theirs";
  /** Makes a merge commit also where the branch could move forward. */
  readonly noFf?: boolean;
  /** Refuses to make a merge commit. */
  readonly ffOnly?: boolean;
  readonly message?: string;
  /** Of the merge commit; those of the two sides are not mixed. */
  readonly metrics?: Readonly<Record<string, number>>;
  readonly params?: Readonly<Record<string, string | number | boolean | null>>;
  readonly meta?: MetaMap;
}

export interface MergeResult {
  readonly outcome: "up-to-date" | "fast-forward" | "merge";
  /** The commit HEAD is at now. */
  readonly digest: Digest;
  readonly tree: Digest;
  readonly parents: readonly Digest[];
  /** The branch that moved, or "HEAD" when it is detached. */
  readonly ref: string;
  /** Where HEAD was; null before the first commit. */
  readonly from: Digest | null;
  /** Files that the strategy decided. */
  readonly settled: readonly string[];
  readonly files: { readonly added: number; readonly modified: number; readonly deleted: number };
}

interface Sides {
  readonly head: Head;
  readonly ours: Digest | undefined;
  readonly theirs: Digest;
}

/**
 * Moves forward when HEAD has nothing of its own, else makes a merge commit. Throws MERGE_CONFLICT with the paths when
 * both sides changed a file and no strategy says who wins, NOT_FAST_FORWARD with `ffOnly`, WOULD_OVERWRITE,
 * WORKTREE_DIRTY, NAME_COLLISION, REF_CHANGED, and as resolveCommit; nothing is changed then.
 */
export async function merge(repository: Repository, options: MergeOptions, call: Call): Promise<MergeResult> {
  if (options.ffOnly === true && options.noFf === true) {
    throw new SmcError("ARGUMENT_INVALID", "--ff-only and --no-ff exclude each other");
  }
  const worktree = requireWorktree(repository);
  return exclusively(worktree, call, async () => {
    const tip = await readTip(repository);
    await assertNotMoved(repository, worktree, tip.head);
    const theirs = await resolveCommit(repository, options.revision, call);
    const sides = { head: tip.head, ours: tip.head.digest, theirs };
    const { ours } = sides;
    if (ours === undefined) return fastForward(repository, sides, options, call);
    if (await isAncestor(repository.store, { ancestor: theirs, descendant: ours }, call)) {
      return describe(repository, { sides, digest: ours, outcome: "up-to-date" }, call);
    }
    const isAhead = await isAncestor(repository.store, { ancestor: ours, descendant: theirs }, call);
    if (isAhead && options.noFf !== true) return fastForward(repository, sides, options, call);
    if (options.ffOnly === true) {
      throw new SmcError(
        "NOT_FAST_FORWARD",
        `HEAD has commits that '${show(options.revision, 80)}' does not have`,
        {
          hint: "merge without --ff-only",
        },
      );
    }
    await assertNothingStaged(repository, tip, call);
    return mergeTrue(repository, { ...sides, ours }, options, call);
  });
}

async function fastForward(
  repository: Repository,
  sides: Sides,
  options: MergeOptions,
  call: Call,
): Promise<MergeResult> {
  const reason = `${show(options.revision, 100)}: Fast-forward`;
  await advance(repository, { head: sides.head, to: sides.theirs, op: "merge", reason }, call);
  return describe(repository, { sides, digest: sides.theirs, outcome: "fast-forward" }, call);
}

async function mergeTrue(
  repository: Repository,
  sides: Sides & { ours: Digest },
  options: MergeOptions,
  call: Call,
): Promise<MergeResult> {
  const { store } = repository;
  const { ours, theirs, head } = sides;
  const bases = await mergeBases(store, ours, theirs, call);
  // Of several bases the newest is taken: what it does not settle is a conflict, never a silent choice.
  const [base] = bases;
  if (base === undefined && options.strategy === undefined) {
    throw new SmcError(
      "MERGE_CONFLICT",
      `HEAD and '${show(options.revision, 80)}' have no commit in common`,
      {
        hint: "pass --strategy ours or --strategy theirs to join them all the same",
      },
    );
  }
  const treeOf = async (digest: Digest): Promise<Digest> => (await readCommit(store, digest)).tree;
  const trees = {
    base: base === undefined ? undefined : await treeOf(base),
    ours: await treeOf(ours),
    theirs: await treeOf(theirs),
  };
  const { files, conflicts } = await mergeFiles(store.objects, trees, { prefer: options.strategy }, call);
  if (conflicts.length > 0 && options.strategy === undefined) {
    throw mergeConflict(
      conflicts,
      "weights are not mixed: say who wins with --strategy ours or --strategy theirs",
    );
  }
  const message = options.message ?? defaultMessage(head, options.revision);
  const input = { op: "merge", files, parents: [ours, theirs], message, meta: metaOf(options) } as const;
  const made = await storeCommit(repository, input, call);
  const reason = `${show(options.revision, 100)}: Merge made by ${options.strategy ?? "files"}`;
  await advance(repository, { head, to: made.digest, op: "merge", reason }, call);
  return describe(repository, { sides, digest: made.digest, outcome: "merge", settled: conflicts }, call);
}

function metaOf(options: MergeOptions): CommitMeta {
  for (const [name, value] of Object.entries(options.metrics ?? {})) {
    if (!Number.isFinite(value))
      throw new SmcError("ARGUMENT_INVALID", `metric '${show(name, 80)}' is not a finite number`);
  }
  const { metrics, params } = options;
  return {
    ...options.meta,
    ...(metrics === undefined ? {} : { metrics }),
    ...(params === undefined ? {} : { params }),
  };
}

function defaultMessage(head: Head, revision: string): string {
  const into =
    head.ref === undefined || head.ref === "refs/heads/main" ? "" : ` into ${shortRefName(head.ref)}`;
  return `Merge ${show(revision, 200)}${into}`;
}

async function describe(
  repository: Repository,
  merged: { sides: Sides; digest: Digest; outcome: MergeResult["outcome"]; settled?: readonly string[] },
  call: Call,
): Promise<MergeResult> {
  const { sides, digest, outcome, settled = [] } = merged;
  const { store } = repository;
  const { tree, parents } = await readCommit(store, digest);
  const before = sides.ours === undefined ? undefined : (await readCommit(store, sides.ours)).tree;
  const changes = groupChanges(await diffTrees(store.objects, { from: before, to: tree }, call));
  const files = {
    added: changes.added.length,
    modified: changes.modified.length,
    deleted: changes.deleted.length,
  };
  return {
    outcome,
    digest,
    tree,
    parents,
    ref: sides.head.ref ?? "HEAD",
    from: sides.ours ?? null,
    settled,
    files,
  };
}
