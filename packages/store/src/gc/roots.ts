/** Where gc starts from: everything that must be kept with all it needs. */
import type { Digest } from "../objects/digest.ts";
import { isSmcError } from "../errors.ts";
import { readJobs } from "../jobs/job-folder.ts";
import type { OwnedStore } from "../open-store.ts";
import { PRUNED_PREFIX, type WorktreeRecord } from "../refs/refs.ts";
import { show } from "../show.ts";
import { readHeadFile } from "../worktree/head.ts";
import { readStage } from "../worktree/stage.ts";
import { readWorktreeFile } from "../worktree/worktree.ts";

export interface Root {
  readonly digest: Digest;
  /** "repository refs/heads/main", for messages. */
  readonly from: string;
}

export interface RootOptions {
  /** What refs named before the change of this number, or by it, and not since is not kept. */
  readonly sinceSeq: number;
  /** Told of a worktree that is not where it was: what is staged there is not kept. */
  readonly onGone: (path: string) => void;
}

/**
 * Refs of all repositories, what they were since `sinceSeq`, and what the worktrees have checked out and staged.
 * Throws when one of them cannot be read: what cannot be read may name anything.
 */
export async function* roots(store: OwnedStore, options: RootOptions): AsyncIterable<Root> {
  for await (const { repository, name, digest } of store.refs.named(options.sinceSeq)) {
    if (!name.startsWith(PRUNED_PREFIX)) yield { digest, from: `${repository} ${name}` };
  }
  for (const worktree of await store.refs.listWorktrees()) {
    if (await isThere(worktree)) yield* rootsOf(worktree);
    else options.onGone(worktree.path);
  }
  // Also one that has ended: it may be started again, and names its input in the commit of what it makes.
  for (const { id, input, checkpoints } of await readJobs(store.path)) {
    yield { digest: input, from: `job ${id}` };
    if (checkpoints !== undefined && checkpoints !== null)
      yield { digest: checkpoints, from: `checkpoints of job ${id}` };
  }
}

/** False when the folder is gone, or is another worktree by now. */
async function isThere({ path, id }: WorktreeRecord): Promise<boolean> {
  try {
    return (await readWorktreeFile(path)).id === id;
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return false;
    throw error;
  }
}

async function* rootsOf({ path }: WorktreeRecord): AsyncIterable<Root> {
  const head = await readHeadFile(path);
  if (head.kind === "detached") yield { digest: head.digest, from: `HEAD of '${show(path)}'` };
  const stage = await readStage(path);
  if (stage === undefined) return;
  const from = `the stage of '${show(path)}'`;
  if (stage.base !== undefined) yield { digest: stage.base, from };
  for (const { digest } of stage.entries.values()) yield { digest, from };
}
