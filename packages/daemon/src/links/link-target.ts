/** Where the file behind a link is now: an address that gives its bytes, perhaps only for some minutes. */
import type { Call } from "@smc/store";
import type { Route } from "../catalog/follow.ts";
import { findDriveFile } from "./google-drive.ts";
import { findAsset } from "./github-release.ts";
import type { DropboxLink } from "./link-url.ts";
import { type LinkWay, ownRoute } from "./link-way.ts";

/** Throws REMOTE_NOT_FOUND, REMOTE_UNREACHABLE, REMOTE_FAILED, AUTH_FAILED, URL_INVALID. */
export async function findTarget(way: LinkWay, call: Call): Promise<Route> {
  const { link, settings } = way;
  if (link.service === "github") return findAsset(way, link, call);
  if (link.service === "gdrive") return findDriveFile(way, link, call);
  if (link.service === "dropbox") return ownRoute(way, dropboxAddress(settings.dropbox, link));
  return ownRoute(way, link.url);
}

function dropboxAddress(base: string, { path, key }: DropboxLink): string {
  const query = new URLSearchParams({ ...(key === undefined ? {} : { rlkey: key }), dl: "1" });
  return `${base}/${path}?${query.toString()}`;
}
