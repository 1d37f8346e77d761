/** Opens a remote by its URL, and tries what it can do. */
import type { Call, OwnedStore, Remote } from "@smc/store";
import { assertExclusive, BucketRemote, type BucketRemoteOptions } from "./bucket-remote.ts";
import { openBucket } from "./bucket-url.ts";

/**
 * With `fresh`, nothing is taken from what is known of the remote. Throws URL_INVALID, REMOTE_NOT_FOUND, REMOTE_UNREACHABLE,
 * AUTH_FAILED.
 */
export async function openRemote(
  url: string,
  { store }: { store: OwnedStore },
  options: BucketRemoteOptions = {},
): Promise<Remote> {
  return new BucketRemote(await openBucket(url), store, options);
}

/**
 * Writes to the remote and sees whether two writers at a time are safe there. Throws REMOTE_UNSUITABLE when they are not,
 * unless the user says that there is one writer only, and as `openRemote`.
 */
export async function probeRemote(
  url: string,
  { singleWriter }: { singleWriter: boolean },
  call: Call,
): Promise<void> {
  await using bucket = await openBucket(url);
  if (singleWriter) await bucket.probe(call);
  else await assertExclusive(bucket, call);
}
