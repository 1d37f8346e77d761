/** `smc fetch`: brings a remote's refs, and what they need, into this store. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { Repository } from "../repository.ts";
import type { Remote } from "../transfer/remote.ts";

export interface FetchOptions {
  readonly remote: Remote;
  /** Its name here: branches are kept below `refs/remotes/<remoteName>/`. */
  readonly remoteName: string;
  /** Removes tracking branches whose branch is gone there. */
  readonly prune?: boolean;
  /** Branches and tags by the names they have there; all when absent. */
  readonly refs?: readonly string[];
}

/** A ref that is not what it was. */
export interface MovedRef {
  /** Full name here for fetch, there for push. */
  readonly name: string;
  readonly from: Digest | null;
  readonly to: Digest | null;
  /** False when `from` is no ancestor of `to`. */
  readonly fastForward: boolean;
}

export interface FetchResult {
  readonly remote: string;
  readonly url: string;
  readonly refs: readonly MovedRef[];
  /** Names that cannot be refs here, or that differ from a tag of ours; they were left out. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  readonly objects: number;
  readonly receivedBytes: number;
  /** Blobs whose SHA-256 was computed anew from what arrived. */
  readonly verifiedBlobs: number;
}

/** Throws REMOTE_UNREACHABLE, REMOTE_FAILED, REMOTE_INCOMPLETE, OBJECT_CORRUPT; no ref was moved then. */
export async function fetch(repository: Repository, options: FetchOptions, call: Call): Promise<FetchResult> {
  void [repository, options, call];
  throw new SmcError("INTERNAL", "not there yet");
}
