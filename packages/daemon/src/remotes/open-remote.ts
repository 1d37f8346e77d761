/** Opens a remote by its URL, and tries what it can do. */
import type { Call, OwnedStore, Remote } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { assertExclusive, BucketRemote, type BucketRemoteOptions } from "./bucket-remote.ts";
import { openBucket } from "./bucket-url.ts";
import { readCredential } from "./credentials.ts";
import type { Credential } from "./http-connection.ts";
import type { HttpUrl } from "./http-url.ts";
import { parseRemoteUrl } from "./remote-url.ts";

interface Place {
  readonly store: OwnedStore;
}

/**
 * With `fresh`, nothing is taken from what is known of the remote. Throws URL_INVALID, REMOTE_NOT_FOUND, REMOTE_UNREACHABLE,
 * AUTH_FAILED.
 */
export async function openRemote(
  text: string,
  { store }: Place,
  options: BucketRemoteOptions = {},
): Promise<Remote> {
  const url = parseRemoteUrl(text);
  if (url.kind !== "http") return new BucketRemote(await openBucket(text), store, options);
  const credential = await credentialFor(url, store);
  const { HttpRemote } = await import("./http-remote.ts");
  const hashFiles = (paths: readonly string[], call: Call) => store.objects.hashFiles(paths, call);
  return new HttpRemote({ url, credential, hashFiles });
}

/**
 * Sees whether two writers at a time are safe there: of a bucket by writing to it, of a server by asking it for our token. Throws
 * REMOTE_UNSUITABLE when they are not, unless the user says that there is one writer only, SCOPE_MISSING when the token may not
 * read, and as `openRemote`. Returns whether nothing can be pushed there.
 */
export async function probeRemote(
  text: string,
  { store }: Place,
  { singleWriter, call }: { singleWriter: boolean; call: Call },
): Promise<{ readonly readOnly: boolean }> {
  const url = parseRemoteUrl(text);
  if (url.kind === "http") {
    const credential = await credentialFor(url, store);
    const { askForToken, assertReads } = await import("./http-token.ts");
    const { origin } = url;
    return assertReads(await askForToken({ origin, credential }, call), origin);
  }
  await using bucket = await openBucket(text);
  if (singleWriter) await bucket.probe(call);
  else await assertExclusive(bucket, call);
  return { readOnly: false };
}

async function credentialFor({ origin }: HttpUrl, store: OwnedStore): Promise<Credential> {
  const credential = await readCredential(store, origin);
  if (credential !== undefined) return credential;
  throw new SmcError("AUTH_FAILED", `there is no token for ${origin}`, { hint: `smc login ${origin}` });
}
