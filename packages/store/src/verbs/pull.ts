/** `smc pull`: fetches, and moves the current branch forward to what the remote has. */
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { parseRefName, type RefName, refName } from "../objects/names.ts";
import { notFound, shortRefName } from "../refs/ref-find.ts";
import { type OwnedRepository, type Repository, requireWorktree } from "../repository.ts";
import { suggest } from "../history/suggest.ts";
import { show } from "../show.ts";
import type { Remote, RemoteRef } from "../transfer/remote.ts";
import { readHead } from "../worktree/head.ts";
import { fetch, type FetchResult } from "./fetch.ts";
import { merge, type MergeResult } from "./merge.ts";

export interface PullOptions {
  readonly remote: Remote;
  /** Its name here. */
  readonly remoteName: string;
  /** Branch or tag there; the branch of the current branch's name when left out. */
  readonly ref?: string;
}

export interface PullResult {
  readonly fetched: FetchResult;
  /** `outcome` is "up-to-date" or "fast-forward". */
  readonly merged: MergeResult;
}

/**
 * Makes no merge commit: throws NOT_FAST_FORWARD when HEAD has commits of its own; what was fetched stays then. Throws
 * REVISION_NOT_FOUND before anything is fetched when the remote has no such branch, and as fetch and merge.
 */
export async function pull(
  repository: OwnedRepository,
  options: PullOptions,
  call: Call,
): Promise<PullResult> {
  requireWorktree(repository);
  const { remote, remoteName } = options;
  const name = options.ref ?? (await currentBranch(repository));
  const ref = findThere(await remote.refs(call), name, remoteName);
  const wanted = options.ref === undefined ? {} : { refs: [ref] };
  const fetched = await fetch(repository, { remote, remoteName, ...wanted }, call);
  const here = ref.startsWith("refs/heads/") ? trackingRef(remoteName, ref) : ref;
  try {
    return { fetched, merged: await merge(repository, { revision: here, ffOnly: true }, call) };
  } catch (error) {
    if (!isSmcError(error, "NOT_FAST_FORWARD")) throw error;
    const short = show(shortRefName(here), 80);
    throw new SmcError(
      "NOT_FAST_FORWARD",
      `HEAD has commits that '${short}' does not have; it was not moved`,
      {
        hint: `join the two with "smc merge ${short}"`,
        details: { revision: here },
        cause: error,
      },
    );
  }
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
