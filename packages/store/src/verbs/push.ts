/** `smc push`: brings refs, and what they need, to a remote. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { Repository } from "../repository.ts";
import type { Remote } from "../transfer/remote.ts";
import type { MovedRef } from "./fetch.ts";

export interface PushOptions {
  readonly remote: Remote;
  readonly remoteName: string;
  /**
   * `main`, `v1.0.0`, `refs/…`, `here:there`, `:there` to remove, with `+` in front to move it anyhow; the current branch when
   * empty.
   */
  readonly refs?: readonly string[];
  /** All branches. */
  readonly all?: boolean;
  /** All tags too. */
  readonly tags?: boolean;
  /** Moves branches that are not ancestors, if they are still what this store has seen there last. */
  readonly forceWithLease?: boolean;
  readonly force?: boolean;
  /** Remote branches and tags that are not here are removed there. */
  readonly mirror?: boolean;
  /** Packs sent at a time; 1 to 16, 4 by default. */
  readonly jobs?: number;
  readonly dryRun?: boolean;
}

export interface PushResult {
  readonly remote: string;
  readonly url: string;
  readonly refs: readonly MovedRef[];
  readonly objects: number;
  readonly sentBytes: number;
  /** Records that the remote had already. */
  readonly thereObjects: number;
  readonly packs: number;
  /** Records whose bytes the receiver compared. */
  readonly verifiedObjects: number;
}

/** Throws NOT_FAST_FORWARD, REF_CHANGED, REMOTE_UNREACHABLE, REMOTE_FAILED; no ref was moved there then. */
export async function push(repository: Repository, options: PushOptions, call: Call): Promise<PushResult> {
  void [repository, options, call];
  throw new SmcError("INTERNAL", "not there yet");
}
