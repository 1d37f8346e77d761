/**
 * `smc sync`: takes over what is new at a remote and brings what is new here there; or makes the remote what is here.
 */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { shortRefName } from "../refs/ref-find.ts";
import { type OwnedRepository, requireWorktree } from "../repository.ts";
import { assertTakesPushes, type Remote } from "../transfer/remote.ts";
import { readHead } from "../worktree/head.ts";
import { fetch, type FetchResult } from "./fetch.ts";
import { pull, type PullResult } from "./pull.ts";
import { push, type PushResult } from "./push.ts";

export interface SyncOptions {
  readonly remote: Remote;
  /** Its name here. */
  readonly remoteName: string;
  /** Branches and tags there become what they are here, others are removed there; nothing is taken from there. */
  readonly mirror?: boolean;
}

export interface SyncResult {
  /** Null with `mirror`. */
  readonly fetched: FetchResult | null;
  /** Null with `mirror`, and when the remote has no branch of this name yet. */
  readonly merged: PullResult["merged"] | null;
  readonly pushed: PushResult;
}

/**
 * The current branch and all tags, both ways, forward only. Throws ARGUMENT_INVALID for a detached HEAD,
 * PUSH_FORBIDDEN for a remote that can only be read, NOT_FAST_FORWARD when both sides have commits of their own:
 * nothing was pushed then; and as fetch, pull and push.
 */
export async function sync(
  repository: OwnedRepository,
  { remote, remoteName, mirror = false }: SyncOptions,
  call: Call,
): Promise<SyncResult> {
  assertTakesPushes(remote);
  if (mirror) {
    return {
      fetched: null,
      merged: null,
      pushed: await push(repository, { remote, remoteName, mirror }, call),
    };
  }
  requireWorktree(repository);
  const { ref } = await readHead(repository);
  if (ref === undefined) {
    throw new SmcError("ARGUMENT_INVALID", "HEAD is detached: nothing says which branch to bring there", {
      hint: 'go to a branch with "smc switch"',
    });
  }
  const isThere = (await remote.refs(call)).some(({ name }) => name === ref);
  const taken = isThere
    ? await pull(repository, { remote, remoteName }, call)
    : { fetched: await fetch(repository, { remote, remoteName }, call), merged: null };
  const sending = { remote, remoteName, refs: [shortRefName(ref)], tags: true };
  return { ...taken, pushed: await push(repository, sending, call) };
}
