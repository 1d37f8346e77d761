/** Moves a worktree from one commit to another: files, then refs and HEAD, then the stage. */
import { breathe, type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { readCommit } from "../history/graph.ts";
import { refPolicy } from "../refs/ref-policy.ts";
import type { RefChange, RefReason } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";
import { requireWorktree } from "../repository.ts";
import { type HeadTarget, worktreeRef, writeHead } from "./head.ts";
import { type LinkPolicy, linkPolicy, settleLinks, type SkippedLink } from "./links.ts";
import { type Overwrite, planMove } from "./plan.ts";
import { type Stage, type StageEntry, writeStage } from "./stage.ts";
import { filesOf, isTree, loadStage, loadStageLeniently, readTip, type Tip } from "./state.ts";
import { writeOut } from "./write-out.ts";
import type { Worktree } from "./worktree.ts";

export interface Move {
  /** The commit the worktree shall be at; undefined only for a branch without a commit. */
  readonly to: Digest | undefined;
  /** Where HEAD shall be; the default is where it is, for a branch that moves (see `changes`). */
  readonly head?: HeadTarget;
  /** Further ref changes of the same atomic update: the branch that moves, a new branch. */
  readonly changes?: readonly RefChange[];
  readonly reason: RefReason;
  readonly overwrite?: Overwrite;
  readonly symlinks?: LinkPolicy | undefined;
}

export interface Moved {
  readonly written: number;
  readonly removed: number;
  /** Links of the commit that were not made. */
  readonly skippedLinks: readonly SkippedLink[];
}

/**
 * Makes the worktree what a commit says, keeps local changes to files that are equal in both commits, and refuses to
 * overwrite others. The caller holds the worktree (`exclusively`). Throws WOULD_OVERWRITE and UNSAFE_PATH with nothing
 * changed; a kill in the middle is made good by the same call again.
 */
export async function moveHead(repository: Repository, move: Move, call: Call): Promise<Moved> {
  const worktree = requireWorktree(repository);
  const overwrite = move.overwrite ?? "refuse";
  const tip = await readTip(repository);
  const load = overwrite === "refuse" ? loadStage : loadStageLeniently;
  const stage = await load(repository, worktree, tip, call);
  const tree = move.to === undefined ? undefined : (await readCommit(repository.store, move.to)).tree;
  const isSameTree = tree === tip.tree && overwrite === "refuse";
  const moved = isSameTree
    ? { written: 0, removed: 0, skippedLinks: [] }
    : await moveFiles(repository, { worktree, tip, stage, tree, overwrite, symlinks: move.symlinks }, call);
  await moveRefs(repository, { worktree, tip, move });
  if (!isSameTree) await writeStage(worktree.root, stage, { durable: false });
  return moved;
}

async function moveFiles(
  repository: Repository,
  input: {
    worktree: Worktree;
    tip: Tip;
    stage: Stage;
    tree: Digest | undefined;
    overwrite: Overwrite;
    symlinks: LinkPolicy | undefined;
  },
  call: Call,
): Promise<Moved> {
  const { worktree, tip, stage, tree, overwrite } = input;
  const { objects } = repository.store;
  const { root } = worktree;
  const from = await filesOf(repository, tip.tree, call);
  const to = await filesOf(repository, tree, call);
  const plan = await planMove({ root, objects, from, to, stage: stage.entries, overwrite }, call);
  const policy = await linkPolicy(repository, input.symlinks);
  const { out, skipped } = await settleLinks(plan, { root, objects, policy }, call);
  const caches = await writeOut({ root, objects }, out, call);
  const pace = createPacer(call);
  for (const [path, cache] of caches) {
    await pace();
    const entry = plan.next.get(path);
    if (entry !== undefined) plan.next.set(path, { ...entry, cache });
  }
  const isExact = await isTree(plan.next, to, call);
  await breathe();
  replaceEntries(stage, plan.next);
  stage.base = tree;
  stage.isExact = isExact;
  return { written: caches.size, removed: out.removals.length, skippedLinks: skipped };
}

function replaceEntries(stage: Stage, entries: ReadonlyMap<string, StageEntry>): void {
  stage.entries.clear();
  for (const [path, entry] of entries) stage.entries.set(path, entry);
}

/** The refs of a worktree that moves, in one durable update, and `.smc/HEAD` when it names something else then. */
export async function moveRefs(
  repository: Repository,
  { worktree, tip, move }: { worktree: Worktree; tip: Tip; move: Move },
): Promise<void> {
  const changes: RefChange[] = [...(move.changes ?? [])];
  const ref = worktreeRef(worktree);
  changes.push({ name: ref, from: "any", to: move.to ?? "absent" });
  await repository.store.refs.update(repository.name, changes, move.reason, await refPolicy(repository));
  const { head } = move;
  if (head === undefined) return;
  const isThere =
    head.kind === "branch"
      ? tip.head.kind === "branch" && tip.head.ref === head.ref
      : tip.head.kind === "detached" && tip.head.digest === head.digest;
  if (!isThere) await writeHead(worktree, head);
}
