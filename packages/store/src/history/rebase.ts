/** Commits of the current branch made anew behind another commit, one by one. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { Commit } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { mergeFiles } from "../trees/merge-files.ts";
import { mergeBases, readCommit } from "./graph.ts";
import { mergeConflict, storeCommit } from "./join-commits.ts";
import { subjectOf } from "./log-entry.ts";

const COMMITS_MAX = 1000;

export interface RebasedCommit {
  readonly from: Digest;
  /** Null when what it changed is there already. */
  readonly to: Digest | null;
}

interface OwnCommit {
  readonly digest: Digest;
  readonly commit: Commit;
  readonly parentTree: Digest;
}

/**
 * Makes what `from` has and `onto` has not anew behind `onto`, oldest first, with author, message and what was said of
 * it; who runs this is the committer. No ref names them yet. Throws MERGE_CONFLICT with the paths of the first commit
 * that changes what `onto` changed too, NOT_FAST_FORWARD when there is a merge among the commits, LIMIT_EXCEEDED for
 * more than 1,000.
 */
export async function replayCommits(
  repository: Repository,
  { from, onto, name }: { readonly from: Digest; readonly onto: Digest; readonly name: string },
  call: Call,
): Promise<{ commits: readonly RebasedCommit[]; last: Digest }> {
  const commits: RebasedCommit[] = [];
  let last = onto;
  for (const own of await ownCommits(repository, { from, onto, name }, call)) {
    const to = await replay(repository, { own, onto: last, name }, call);
    commits.push({ from: own.digest, to: to ?? null });
    last = to ?? last;
  }
  return { commits, last };
}

/** What `from` has and `onto` has not, oldest first. */
async function ownCommits(
  { store }: Repository,
  { from, onto, name }: { from: Digest; onto: Digest; name: string },
  call: Call,
): Promise<OwnCommit[]> {
  const bases = new Set(await mergeBases(store, from, onto, call));
  const hint = `join the two with "smc merge ${show(name, 80)}"`;
  const own: OwnCommit[] = [];
  for (let digest = from; !bases.has(digest);) {
    const commit = await readCommit(store, digest);
    const [parent, ...others] = commit.parents;
    if (parent === undefined || others.length > 0) {
      const why = parent === undefined ? "has no parent" : "is a merge";
      throw new SmcError(
        "NOT_FAST_FORWARD",
        `commit ${digest.slice(0, 12)} ${why}, so the commits of your own are no line that can be put on '${show(name, 80)}'; nothing was changed`,
        { hint, details: { commit: digest } },
      );
    }
    if (own.length === COMMITS_MAX)
      throw new SmcError(
        "LIMIT_EXCEEDED",
        `more than ${COMMITS_MAX} commits of your own; nothing was changed`,
        { hint },
      );
    own.push({ digest, commit, parentTree: (await readCommit(store, parent)).tree });
    digest = parent;
  }
  return own.reverse();
}

/** The new commit; undefined when all that it changes is there already. */
async function replay(
  repository: Repository,
  { own, onto, name }: { own: OwnCommit; onto: Digest; name: string },
  call: Call,
): Promise<Digest | undefined> {
  const { store } = repository;
  const { digest, commit, parentTree } = own;
  const ours = (await readCommit(store, onto)).tree;
  const sides = { base: parentTree, ours, theirs: commit.tree };
  const { files, conflicts, isOurs } = await mergeFiles(store.objects, sides, {}, call);
  if (conflicts.length > 0) {
    const subject = show(subjectOf(commit.message), 60);
    const hint = `commit ${digest.slice(0, 12)} "${subject}" cannot be put there: join the two with "smc merge ${show(name, 80)}"`;
    throw mergeConflict(conflicts, hint);
  }
  // One that changed no file tells something else: metrics, for instance.
  if (isOurs && commit.tree !== parentTree) return undefined;
  const { author, authored, message, meta } = commit;
  const input = { op: "rebase", files, parents: [onto], message, meta, by: { author, authored } } as const;
  return (await storeCommit(repository, input, call)).digest;
}
