/** How a link is followed: whom to ask, and as whom. */
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { type Guard, ownGuard, publicGuard, type Route } from "../catalog/follow.ts";
import { systemAuthorities } from "../remotes/http-connection.ts";
import type { PrivateHosts } from "../remotes/outside-addresses.ts";
import type { Limits } from "../remotes/retry.ts";
import type { LinkUrl } from "./link-url.ts";

export interface LinkSettings {
  /** Addresses without a slash at the end. */
  readonly github: string;
  readonly gdrive: string;
  readonly dropbox: string;
  readonly bytesMax: number;
}

export interface LinkWay {
  readonly link: LinkUrl;
  readonly settings: LinkSettings;
  readonly limits: Limits;
  readonly metadataHosts: PrivateHosts;
  /** Hosts of private networks that others may lead to. */
  readonly privateHosts: PrivateHosts;
  /** Kept for the service by `smc login`. */
  readonly credential?: { readonly token: string; readonly caPem?: string } | undefined;
}

/** An address below one that the user gave, as a setting or as the link itself. */
export function ownRoute(way: LinkWay, url: string, headers: Route["headers"] = {}): Route {
  return { ...routeTo(way, url, ownGuard(way.metadataHosts, way.privateHosts)), headers };
}

/** An address that a service told. */
export function otherRoute(way: LinkWay, url: string): Route {
  return routeTo(way, url, publicGuard(way.privateHosts));
}

function routeTo({ limits, credential }: LinkWay, url: string, guard: Guard): Route {
  const caPem = credential?.caPem === undefined ? {} : { caPem: [...systemAuthorities(), credential.caPem] };
  return { url, sha256: null, limits, guard, headers: {}, ...caPem };
}

/** Of an answer that is an error to who asked for this link. */
export function refusedBy({ link: { url } }: LinkWay, status: number, hint: string): SmcError {
  const shown = show(url, 300);
  if (status === 404 || status === 410)
    return new SmcError("REMOTE_NOT_FOUND", `${shown}: there is no such file, or nobody may see it`, {
      hint,
    });
  if (status === 401 || status === 403)
    return new SmcError("AUTH_FAILED", `${shown}: it may not be read by us (${status})`, { hint });
  return new SmcError("REMOTE_FAILED", `${shown}: it answered ${status}`, { hint });
}
