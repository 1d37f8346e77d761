/** `smc fetch`: brings a remote's refs, and what they need, into this store. */
import type { Call } from "../call.ts";
import { PRUNED_PREFIX } from "../refs/refs.ts";
import type { OwnedRepository } from "../repository.ts";
import { chooseRefs, followRefs, gone, type MovedRef } from "../transfer/follow.ts";
import { notesThere, takeNotes } from "../transfer/annotations.ts";
import { receive } from "../transfer/receive.ts";
import type { Remote } from "../transfer/remote.ts";

export type { MovedRef } from "../transfer/follow.ts";

export interface FetchOptions {
  readonly remote: Remote;
  /** Its name here: branches are kept below `refs/remotes/<remoteName>/`. */
  readonly remoteName: string;
  /** Removes tracking branches whose branch is gone there. */
  readonly prune?: boolean;
  /** Branches and tags by the names they have there; all when absent. */
  readonly refs?: readonly string[];
}

export interface FetchResult {
  readonly remote: string;
  readonly url: string;
  readonly refs: readonly MovedRef[];
  /** Names that cannot be refs here, or that differ from a tag of ours; they were left out. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  readonly objects: number;
  readonly receivedBytes: number;
  /** That it took to receive them. */
  readonly receiveMs: number;
  /** Blobs whose SHA-256 was computed anew from what arrived. */
  readonly verifiedBlobs: number;
}

/** Throws REMOTE_UNREACHABLE, REMOTE_FAILED, REMOTE_INCOMPLETE, OBJECT_CORRUPT; no ref was moved then. */
export function fetch(repository: OwnedRepository, options: FetchOptions, call: Call): Promise<FetchResult> {
  return fetchAs(repository, { ...options, op: "fetch" }, call);
}

/** As `fetch`, under the name of another verb in the audit log. */
export async function fetchAs(
  repository: OwnedRepository,
  options: FetchOptions & { readonly op: string },
  call: Call,
): Promise<FetchResult> {
  try {
    return await takeOver(repository, options, call);
  } catch (error) {
    options.remote.failed?.(error);
    throw error;
  }
}

async function takeOver(
  repository: OwnedRepository,
  options: FetchOptions & { readonly op: string },
  call: Call,
): Promise<FetchResult> {
  const { remote, remoteName } = options;
  const { store, name: own } = repository;
  const there = await remote.refs(call);
  const { wanted, skipped } = await chooseRefs(repository, options, there);
  const pruned = new Set(
    there.filter(({ name }) => name.startsWith(PRUNED_PREFIX)).map(({ digest }) => digest),
  );
  const here = await store.refs.list(own);
  const notes = notesThere(there);
  const received = await receive(
    store,
    remote,
    {
      want: [...new Set([...wanted, ...notes].map(({ digest }) => digest))],
      have: here.filter(({ name }) => !name.startsWith(PRUNED_PREFIX)).map(({ digest }) => digest),
      pruned,
    },
    call,
  );
  const isAll = options.refs === undefined || options.refs.length === 0;
  const lost = options.prune === true && isAll ? gone(remoteName, here, wanted) : [];
  const taken = await takeNotes(repository, notes, call);
  const followed = {
    op: options.op,
    remoteName,
    here,
    wanted: [...wanted, ...taken],
    lost,
    pruned: received.pruned,
  };
  return {
    remote: remoteName,
    url: remote.url,
    refs: await followRefs(repository, followed, call),
    skipped,
    objects: received.objects,
    receivedBytes: received.bytes,
    receiveMs: received.ms,
    verifiedBlobs: received.verifiedBlobs,
  };
}
