/** Opens a remote by its URL, and tries what it can do. */
import type { Call, OwnedStore, Remote } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { BucketRemote } from "./bucket-remote.ts";
import { openBucket } from "./bucket-url.ts";

/**
 * With `fresh`, nothing is taken from what is known of the remote. Throws URL_INVALID, REMOTE_NOT_FOUND, REMOTE_UNREACHABLE,
 * AUTH_FAILED.
 */
export async function openRemote(
  url: string,
  { store }: { store: OwnedStore },
  options: { fresh?: boolean } = {},
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
  const { exclusive } = await bucket.probe(call);
  if (exclusive || singleWriter) return;
  throw new SmcError(
    "REMOTE_UNSUITABLE",
    `${bucket.url} ignores conditional writes: of two who push at the same time one would lose its change unseen`,
    { hint: "if nobody else ever pushes there, add it with --single-writer" },
  );
}
