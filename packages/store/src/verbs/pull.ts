/**
 * `smc pull`: fetches, and moves the current branch forward to what the remote has, or puts its own commits behind
 * that.
 */
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { parseRefName, type RefName, refName } from "../objects/names.ts";
import { notFound, shortRefName } from "../refs/ref-find.ts";
import { type OwnedRepository, type Repository, requireWorktree } from "../repository.ts";
import { readCommit } from "../history/graph.ts";
import { advance, assertNothingStaged } from "../history/join-commits.ts";
import { type RebasedCommit, replayCommits } from "../history/rebase.ts";
import { resolveCommit } from "../history/revision.ts";
import { suggest } from "../history/suggest.ts";
import { show } from "../show.ts";
import type { Remote, RemoteRef } from "../transfer/remote.ts";
import { diffTrees, groupChanges } from "../trees/tree-diff.ts";
import { readHead } from "../worktree/head.ts";
import { readTip, requireCommit } from "../worktree/state.ts";
import { exclusively } from "../worktree/worktree.ts";
import { assertNotMoved } from "./commit.ts";
import { fetch, type FetchResult } from "./fetch.ts";
import { merge, type MergeResult } from "./merge.ts";

export interface PullOptions {
  readonly remote: Remote;
  /** Its name here. */
  readonly remoteName: string;
  /** Branch or tag there; the branch of the current branch's name when left out. */
  readonly ref?: string;
  /** Makes the commits of the branch anew behind what the remote has, when both sides have some. */
  readonly rebase?: boolean;
  /** Moves forward or refuses, which is what is done without `rebase`. */
  readonly ffOnly?: boolean;
}

export interface PullResult {
  readonly fetched: FetchResult;
  readonly merged: Omit<MergeResult, "outcome"> & {
    readonly outcome: "up-to-date" | "fast-forward" | "rebase";
  };
  /** Commits that were made anew, oldest first; null for one whose changes were there already. */
  readonly rebased: readonly RebasedCommit[];
}

/**
 * Makes no merge commit: throws NOT_FAST_FORWARD when HEAD has commits of its own and they are not to be put behind,
 * and as rebase; what was fetched stays then. Throws REVISION_NOT_FOUND before anything is fetched when the remote has
 * no such branch, ARGUMENT_INVALID, and as fetch and merge.
 */
export async function pull(
  repository: OwnedRepository,
  options: PullOptions,
  call: Call,
): Promise<PullResult> {
  requireWorktree(repository);
  const { remote, remoteName } = options;
  if (options.rebase === true && options.ffOnly === true)
    throw new SmcError("ARGUMENT_INVALID", "--ff-only and --rebase exclude each other");
  const name = options.ref ?? (await currentBranch(repository));
  const ref = findThere(await remote.refs(call), name, remoteName);
  const wanted = options.ref === undefined ? {} : { refs: [ref] };
  const fetched = await fetch(repository, { remote, remoteName, ...wanted }, call);
  const here = ref.startsWith("refs/heads/") ? trackingRef(remoteName, ref) : ref;
  try {
    const merged = await merge(repository, { revision: here, ffOnly: true }, call);
    const outcome = merged.outcome === "up-to-date" ? merged.outcome : "fast-forward";
    return { fetched, merged: { ...merged, outcome }, rebased: [] };
  } catch (error) {
    if (!isSmcError(error, "NOT_FAST_FORWARD")) throw error;
    const short = show(shortRefName(here), 80);
    if (options.rebase === true)
      return { fetched, ...(await rebaseOnto(repository, { revision: here, name: short }, call)) };
    throw new SmcError(
      "NOT_FAST_FORWARD",
      `HEAD has commits that '${short}' does not have; it was not moved`,
      {
        hint: `join the two with "smc merge ${short}", or put yours behind theirs with "smc pull --rebase"`,
        details: { revision: here },
        cause: error,
      },
    );
  }
}

/** Nothing is changed when it throws. */
async function rebaseOnto(
  repository: OwnedRepository,
  { revision, name }: { readonly revision: RefName; readonly name: string },
  call: Call,
): Promise<Omit<PullResult, "fetched">> {
  const worktree = requireWorktree(repository);
  const { store } = repository;
  return exclusively(worktree, call, async () => {
    const tip = await readTip(repository);
    await assertNotMoved(repository, worktree, tip.head);
    const from = requireCommit(tip.head);
    const onto = await resolveCommit(repository, revision, call);
    await assertNothingStaged(repository, tip, call);
    const { commits, last } = await replayCommits(repository, { from, onto, name }, call);
    const reason = `${commits.length} put on ${name}`;
    const ref = await advance(repository, { head: tip.head, to: last, op: "rebase", reason }, call);
    const { tree, parents } = await readCommit(store, last);
    const trees = { from: (await readCommit(store, from)).tree, to: tree };
    const { added, modified, deleted } = groupChanges(await diffTrees(store.objects, trees, call));
    const files = { added: added.length, modified: modified.length, deleted: deleted.length };
    const made = { digest: last, tree, parents, ref, from, settled: [], joined: [], files };
    return { merged: { ...made, outcome: "rebase" }, rebased: commits };
  });
}

function trackingRef(remoteName: string, branch: RefName): RefName {
  return refName(`refs/remotes/${remoteName}/`, branch.slice("refs/heads/".length));
}

async function currentBranch(repository: Repository): Promise<string> {
  const head = await readHead(repository);
  if (head.ref !== undefined) return head.ref;
  throw new SmcError("ARGUMENT_INVALID", "HEAD is detached: say which branch to pull, or go to one first");
}

function findThere(refs: readonly RemoteRef[], name: string, remoteName: string): RefName {
  const full = [name, `refs/heads/${name}`, `refs/tags/${name}`];
  const found = full.map((text) => refs.find((ref) => ref.name === text)).find((ref) => ref !== undefined);
  if (found !== undefined) return parseRefName(found.name);
  const short = shortRefName(name);
  const names = refs.map((ref) => shortRefName(ref.name));
  throw notFound(name, `'${show(remoteName)}' has no branch or tag '${show(short, 80)}'`, {
    candidates: suggest(short, names),
    hint: `see what it has with "smc ls-remote ${show(remoteName)}"`,
  });
}
