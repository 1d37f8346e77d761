/** Joins another line of commits into the current one. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { isAncestor, mergeBases, readCommit } from "../history/graph.ts";
import { advance, assertNothingStaged, mergeConflict, storeCommit } from "../history/join-commits.ts";
import { mergeFiles } from "../trees/merge-files.ts";
import { assertMessage } from "../objects/names.ts";
import type { CommitMeta, MetaMap } from "../objects/objects.ts";
import { shortRefName } from "../refs/ref-find.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveCommit } from "../history/revision.ts";
import { show } from "../show.ts";
import type { WriteSession } from "../store.ts";
import { type JoinedFile, type JoinedFiles, joinFiles } from "../tensors/join-files.ts";
import { joinsTensors, type MergeStrategy, parseStrategies } from "../tensors/strategy.ts";
import { flattenTree } from "../trees/tree-read.ts";
import { diffTrees, groupChanges } from "../trees/tree-diff.ts";
import type { Head } from "../worktree/head.ts";
import { readTip } from "../worktree/state.ts";
import { exclusively } from "../worktree/worktree.ts";
import { assertNotMoved } from "./commit.ts";

export interface MergeOptions {
  readonly revision: string;
  /**
   * `ours` or `theirs`: whose bytes are taken where both sides changed a file. `average`, `weighted:SHARE` (of theirs,
   * 0 to 1), `take=GLOB:ours`, `take=GLOB:theirs`: files of weights that differ are joined tensor by tensor, patterns
   * first.
   */
  readonly strategies?: readonly string[];
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
  /** Files that `ours` or `theirs` decided. */
  readonly settled: readonly string[];
  /** Files that were joined tensor by tensor. */
  readonly joined: readonly JoinedFile[];
  readonly files: { readonly added: number; readonly modified: number; readonly deleted: number };
}

interface Sides {
  readonly head: Head;
  readonly ours: Digest | undefined;
  readonly theirs: Digest;
}

/**
 * Moves forward when HEAD has nothing of its own, else makes a merge commit; weights are joined in a merge commit only.
 * Throws MERGE_CONFLICT with the paths when both sides changed a file and no strategy says who wins, and as joinFiles,
 * NOT_FAST_FORWARD with `ffOnly`, WOULD_OVERWRITE, WORKTREE_DIRTY, NAME_COLLISION, REF_CHANGED, and as resolveCommit;
 * nothing is changed then.
 */
export async function merge(repository: Repository, options: MergeOptions, call: Call): Promise<MergeResult> {
  if (options.ffOnly === true && options.noFf === true) {
    throw new SmcError("ARGUMENT_INVALID", "--ff-only and --no-ff exclude each other");
  }
  const strategy = parseStrategies(options.strategies ?? []);
  const joins = joinsTensors(strategy);
  if (joins && options.ffOnly === true)
    throw new SmcError("ARGUMENT_INVALID", "--ff-only makes no new files, and joining weights does");
  if (joins && Object.hasOwn(options.meta ?? {}, "lineage"))
    throw new SmcError("ARGUMENT_INVALID", "meta 'lineage' tells what was joined; it cannot be given");
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
    if (isAhead && options.noFf !== true && !joins) return fastForward(repository, sides, options, call);
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
    return mergeTrue(repository, { sides: { ...sides, ours }, strategy, options }, call);
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

interface Merging {
  readonly sides: Sides & { readonly ours: Digest };
  readonly strategy: MergeStrategy;
  readonly options: MergeOptions;
}

async function mergeTrue(repository: Repository, merging: Merging, call: Call): Promise<MergeResult> {
  const { store } = repository;
  const { sides, strategy, options } = merging;
  const { ours, theirs, head } = sides;
  const bases = await mergeBases(store, ours, theirs, call);
  // Of several bases the newest is taken: what it does not settle is a conflict, never a silent choice.
  const [base] = bases;
  if (base === undefined && strategy.text === "") {
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
  const message = options.message ?? defaultMessage(head, options.revision);
  assertMessage(message);
  const meta = { ...metaOf(options), ...lineageOf(merging) };
  const { files, conflicts } = await mergeFiles(store.objects, trees, { prefer: strategy.prefer }, call);
  await using session = store.write("merge");
  const joined = await joinWeights(repository, { trees, strategy, session }, call);
  const settled = conflicts.filter((path) => !joined.files.has(path));
  if (settled.length > 0 && strategy.prefer === undefined) throw unsettled(settled, joined);
  const all = new Map(files);
  for (const [path, entry] of joined.files)
    all.set(path, { ...entry, mode: files.get(path)?.mode ?? entry.mode });
  const input = { op: "merge", files: all, parents: [ours, theirs], message, meta, session } as const;
  const made = await storeCommit(repository, input, call);
  const how = strategy.text === "" ? "files" : show(strategy.text, 200);
  const reason = `${show(options.revision, 100)}: Merge made by ${how}`;
  await advance(repository, { head, to: made.digest, op: "merge", reason }, call);
  const merged = { sides, digest: made.digest, outcome: "merge", settled, joined: joined.joined } as const;
  return await describe(repository, merged, call);
}

/** Joins the files of weights that differ; nothing when no strategy asks for it. */
async function joinWeights(
  { store }: Repository,
  joining: {
    trees: { ours: Digest; theirs: Digest };
    strategy: MergeStrategy;
    session: WriteSession;
  },
  call: Call,
): Promise<JoinedFiles> {
  const { trees, strategy, session } = joining;
  if (!joinsTensors(strategy)) return { files: new Map(), joined: [], unreadable: new Map() };
  const sides = {
    ours: await flattenTree(store.objects, trees.ours, call),
    theirs: await flattenTree(store.objects, trees.theirs, call),
  };
  return joinFiles(store, { sides, strategy, session }, call);
}

function unsettled(paths: readonly string[], { unreadable }: JoinedFiles): SmcError {
  const broken = paths.find((path) => unreadable.has(path));
  const why =
    broken === undefined ? "" : ` ('${show(broken, 80)}' cannot be joined: ${unreadable.get(broken)})`;
  const hint =
    "say who wins with --strategy ours or --strategy theirs; weights can be mixed with --strategy average";
  return mergeConflict(paths, `${hint}${why}`);
}

/** What a commit of joined weights says about where they are from. */
function lineageOf({ strategy, sides }: Merging): CommitMeta {
  if (!joinsTensors(strategy)) return {};
  return { lineage: { merge: strategy.text, ours: sides.ours, theirs: sides.theirs } };
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
  merged: {
    sides: Sides;
    digest: Digest;
    outcome: MergeResult["outcome"];
    settled?: readonly string[];
    joined?: readonly JoinedFile[];
  },
  call: Call,
): Promise<MergeResult> {
  const { sides, digest, outcome, settled = [], joined = [] } = merged;
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
    joined,
    files,
  };
}
