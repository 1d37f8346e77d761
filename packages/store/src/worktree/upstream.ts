/** How far the current branch is from the branch of the same name on the remote, as it was fetched last. */
import type { Call } from "../call.ts";
import { isSmcError } from "../errors.ts";
import { aheadBehind } from "../history/graph.ts";
import type { RefName } from "../objects/names.ts";
import { tryRefName } from "../refs/ref-find.ts";
import { DEFAULT_REMOTE, readRemotes } from "../remotes.ts";
import type { Repository } from "../repository.ts";
import type { Head } from "./head.ts";

/** Counting looks at no more commits. */
export const COMMITS_COUNTED_MAX = 10_000;

export interface Upstream {
  /** `refs/remotes/origin/main` */
  readonly ref: RefName;
  /** Commits that only the branch has, and only `ref`; null when there are too many to count. */
  readonly ahead: number | null;
  readonly behind: number | null;
}

/** Of the remote `origin`, or of the only one; null without a branch, a commit, or such a ref. */
export async function readUpstream(repository: Repository, head: Head, call: Call): Promise<Upstream | null> {
  if (head.ref === undefined || head.digest === undefined) return null;
  const remotes = await readRemotes(repository.store, repository.name);
  const chosen = remotes.find(({ name }) => name === DEFAULT_REMOTE) ?? remotes[0];
  if (chosen === undefined || (chosen.name !== DEFAULT_REMOTE && remotes.length > 1)) return null;
  const ref = tryRefName(`refs/remotes/${chosen.name}/${head.ref.slice("refs/heads/".length)}`);
  if (ref === undefined) return null;
  const there = await repository.store.refs.read(repository.name, ref);
  if (there === undefined) return null;
  const pair = { a: head.digest, b: there, commitsMax: COMMITS_COUNTED_MAX };
  try {
    return { ref, ...(await aheadBehind(repository.store, pair, call)) };
  } catch (error) {
    if (!isSmcError(error, "LIMIT_EXCEEDED")) throw error;
    return { ref, ahead: null, behind: null };
  }
}
