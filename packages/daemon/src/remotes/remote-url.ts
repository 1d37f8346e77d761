/** Addresses of remotes of every kind. */
import { type BucketUrl, parseBucketUrl } from "./bucket-url.ts";
import { type HttpUrl, parseHttpUrl } from "./http-url.ts";

export type RemoteUrl = BucketUrl | HttpUrl;

/** Reads an address and asks nobody. Throws URL_INVALID for everything but a folder, a bucket and a server of smc. */
export function parseRemoteUrl(text: string): RemoteUrl {
  return /^https?:/i.test(text) ? parseHttpUrl(text) : parseBucketUrl(text);
}
