/**
 * What merge, revert and rebase have in common: files into a new commit, and the branch and the worktree moved to it.
 */
import { nowMs } from "../clock.ts";
import { type Call } from "../call.ts";
import { momentAt } from "./dates.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import type { MergedFiles } from "../trees/merge-files.ts";
import { assertMessage } from "../objects/names.ts";
import { type Commit, type CommitMeta, encodeCommit } from "../objects/objects.ts";
import type { RefChange } from "../refs/refs.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { show } from "../show.ts";
import type { WriteSession } from "../store.ts";
import { writeTree } from "../trees/tree-write.ts";
import type { Head } from "../worktree/head.ts";
import { moveHead } from "../worktree/move-head.ts";
import { compareToTree, filesOf, loadStage, reasonOf, type Tip } from "../worktree/state.ts";

const PATHS_SHOWN = 10;

/** Throws WORKTREE_DIRTY when the stage holds what no commit has. */
export async function assertNothingStaged(repository: Repository, tip: Tip, call: Call): Promise<void> {
  const stage = await loadStage(repository, requireWorktree(repository), tip, call);
  const staged = compareToTree(await filesOf(repository, tip.tree, call), stage.entries);
  if (staged.length === 0) return;
  const paths = staged.slice(0, PATHS_SHOWN).map((change) => change.path);
  throw new SmcError(
    "WORKTREE_DIRTY",
    `${count(staged.length, "change")} staged and not committed; nothing was changed`,
    {
      hint: 'commit them, or take them back with "smc restore --staged"',
      details: { paths, count: staged.length },
    },
  );
}

function count(number: number, what: string): string {
  return number === 1 ? `1 ${what} is` : `${number} ${what}s are`;
}

/** MERGE_CONFLICT that lists the paths. */
export function mergeConflict(paths: readonly string[], hint: string): SmcError {
  const shown = paths
    .slice(0, PATHS_SHOWN)
    .map((path) => `'${show(path, 200)}'`)
    .join(", ");
  const more = paths.length > PATHS_SHOWN ? `, … (${paths.length} in all)` : "";
  return new SmcError("MERGE_CONFLICT", `both sides changed ${shown}${more}; nothing was changed`, {
    hint,
    details: { paths: paths.slice(0, 1000), count: paths.length },
  });
}

export interface NewCommit {
  readonly digest: Digest;
  readonly tree: Digest;
  readonly parents: readonly Digest[];
}

export interface CommitInput {
  readonly op: "merge" | "revert" | "rebase";
  readonly files: MergedFiles["files"];
  readonly parents: readonly Digest[];
  readonly message: string;
  readonly meta?: CommitMeta;
  /** Default: whoever runs this, now. */
  readonly by?: Pick<Commit, "author" | "authored">;
  /** Already holds what is new in the files; finished here. */
  readonly session?: WriteSession;
}

/** Stores trees and commit, durable when it returns; no ref names it yet. Throws NAME_COLLISION, MESSAGE_INVALID. */
export async function storeCommit(
  repository: Repository,
  input: CommitInput,
  call: Call,
): Promise<NewCommit> {
  assertMessage(input.message);
  const { parents, message, meta = {}, by } = input;
  const now = momentAt(nowMs());
  await using session = input.session ?? repository.store.write(input.op);
  const tree = await writeTree(session, input.files, call);
  const persons = {
    author: repository.actor,
    authored: now,
    ...by,
    committer: repository.actor,
    committed: now,
  };
  const digest = await session.putObject(
    "commit",
    encodeCommit({ tree, parents, ...persons, message, meta }),
  );
  await session.finish();
  return { digest, tree, parents };
}

/** Moves branch and worktree to a commit. Gives the full name of the branch, or "HEAD". Throws as `moveHead`. */
export async function advance(
  repository: Repository,
  move: { head: Head; to: Digest; op: "merge" | "revert" | "rebase"; reason: string },
  call: Call,
): Promise<string> {
  const { head, to, op } = move;
  const reason = reasonOf(repository, op, move.reason);
  if (head.kind === "detached") {
    await moveHead(repository, { to, head: { kind: "detached", digest: to }, reason }, call);
    return "HEAD";
  }
  const change: RefChange = { name: head.ref, from: head.digest ?? "absent", to };
  await moveHead(repository, { to, changes: [change], reason }, call);
  return head.ref;
}
