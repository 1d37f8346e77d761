/** Opens a remote by its URL, and tries what it can do. */
import type { Call, OwnedStore, Remote, RemoteAbilities } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { BucketRemote, type BucketRemoteOptions, isExclusive } from "./bucket-remote.ts";
import type { LinkUrl } from "../links/link-url.ts";
import { readAllowedHosts } from "./allowed-hosts.ts";
import type { Bucket } from "./bucket.ts";
import { type BucketUrl, openBucket } from "./bucket-url.ts";
import { readCredential } from "./credentials.ts";
import type { Credential } from "./http-connection.ts";
import type { HttpUrl } from "./http-url.ts";
import { assertOutsideHost } from "./outside-addresses.ts";
import { isWriteRefused } from "./probe.ts";
import { parseRemoteUrl } from "./remote-url.ts";

interface Place {
  readonly store: OwnedStore;
}

/**
 * With `fresh`, nothing is taken from what is known of the remote. Throws URL_INVALID, REMOTE_NOT_FOUND,
 * REMOTE_UNREACHABLE, AUTH_FAILED.
 */
export async function openRemote(
  text: string,
  { store }: Place,
  options: BucketRemoteOptions = {},
): Promise<Remote> {
  const url = parseRemoteUrl(text);
  if (url.kind === "link") return openLink(url, store);
  if (url.kind !== "http") return new BucketRemote(await openAllowed(url, store), store, options);
  const credential = await credentialFor(url, store);
  const { HttpRemote } = await import("./http-remote.ts");
  return new HttpRemote({ url, credential });
}

/**
 * Sees what can be done there: of a bucket by writing to it, of a server by asking it for our token. Throws
 * REMOTE_UNSUITABLE for a bucket whose server does less than when it was pushed to first, SCOPE_MISSING when the token
 * may not read, and as `openRemote`.
 */
export async function probeRemote(text: string, { store }: Place, call: Call): Promise<RemoteAbilities> {
  const url = parseRemoteUrl(text);
  if (url.kind === "link") return { readOnly: true, exclusive: true };
  if (url.kind === "http") {
    const credential = await credentialFor(url, store);
    const { askForToken, assertReads } = await import("./http-token.ts");
    const { origin } = url;
    return { ...assertReads(await askForToken({ origin, credential }, call), origin), exclusive: true };
  }
  await using bucket = await openAllowed(url, store);
  try {
    return { readOnly: false, exclusive: await isExclusive(bucket, call) };
  } catch (error) {
    // A share mounted read-only, or keys that may only read: enough for who takes and never gives.
    if (isWriteRefused(error)) return { readOnly: true, exclusive: true };
    throw error;
  }
}

async function openLink(link: LinkUrl, store: OwnedStore): Promise<Remote> {
  const { LinkRemote } = await import("../links/link-remote.ts");
  const { readLinkWay } = await import("../links/link-settings.ts");
  return new LinkRemote(await readLinkWay(link, store), store);
}

async function openAllowed(url: BucketUrl, store: OwnedStore): Promise<Bucket> {
  return openBucket(url, await readAllowedHosts(store, "network.metadataHosts"));
}

async function credentialFor({ origin }: HttpUrl, store: OwnedStore): Promise<Credential> {
  const metadataHosts = await readAllowedHosts(store, "network.metadataHosts");
  assertOutsideHost(new URL(origin), metadataHosts);
  const credential = await readCredential(store, origin);
  if (credential !== undefined) return { ...credential, metadataHosts };
  throw new SmcError("AUTH_FAILED", `there is no token for ${origin}`, { hint: `smc login ${origin}` });
}
