/** Addresses of remotes of every kind. */
import { type BucketUrl, parseBucketUrl } from "./bucket-url.ts";
import { isLinkUrl, type LinkUrl, parseLinkUrl } from "../links/link-url.ts";
import { type HttpUrl, parseHttpUrl } from "./http-url.ts";

export type RemoteUrl = BucketUrl | HttpUrl | LinkUrl;

/**
 * Reads an address and asks nobody. Throws URL_INVALID for everything but a folder, a bucket, a server of smc and a
 * link to a bundle.
 */
export function parseRemoteUrl(text: string): RemoteUrl {
  if (isLinkUrl(text)) return parseLinkUrl(text);
  return /^https?:/i.test(text) ? parseHttpUrl(text) : parseBucketUrl(text);
}
