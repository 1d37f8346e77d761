/** Asks for an address of the web and goes where its answers lead, each host looked at before it is asked. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { LookupFunction } from "node:net";
import { got, type Request, type Response } from "got";
import { assertSafe, type Call, isLoopback, parseWebUrl, shownUrl } from "@smc/store";
import { show } from "@smc/store/show";
import { VERSION } from "../protocol.ts";
import { attempt } from "../remotes/attempt.ts";
import { AnswerError } from "../remotes/http-trouble.ts";
import { headOf, ONE_REQUEST } from "../remotes/outside.ts";
import {
  assertOutsideHost,
  assertPublicHost,
  lookupOutside,
  lookupPublic,
  NO_HOSTS,
  type PrivateHosts,
} from "../remotes/outside-addresses.ts";
import { type Limits, parseRetryAfter } from "../remotes/retry.ts";

const REDIRECTS_MAX = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const SHORT_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Throws URL_INVALID for a host that may not be asked on a way from `first`; else how its name is looked up. */
export type Guard = (url: URL, first: URL) => LookupFunction;

/** Where a way through the web begins, and what holds on it. */
export interface Route {
  readonly url: string;
  /** What must come; null when nobody knows. */
  readonly sha256: string | null;
  readonly limits: Limits;
  readonly guard: Guard;
  /** Sent to the origin of the address and to no other: a credential. */
  readonly headers: Readonly<Record<string, string>>;
  /** Authorities that vouch for servers, instead of those that the system knows. */
  readonly caPem?: string | readonly string[];
}

export interface Followed {
  readonly stream: Request;
  readonly response: Response;
  /** Where the way ended. */
  readonly url: URL;
}

/** Public hosts; others only where the user's own host begins: it may lead to another one of the user's. */
export function publicGuard(privateHosts: PrivateHosts): Guard {
  return (url, first) => {
    const allowed = privateHosts.has(bare(first)) ? privateHosts : NO_HOSTS;
    assertPublicHost(url, allowed);
    return lookupPublic(allowed);
  };
}

/**
 * For an address that only the user gives: its host may be in the user's own network. Where it leads is the choice of
 * somebody else.
 */
export function ownGuard(metadataHosts: PrivateHosts, privateHosts: PrivateHosts): Guard {
  const others = publicGuard(privateHosts);
  return (url, first) => {
    if (url.hostname !== first.hostname) return others(url, first);
    assertOutsideHost(url, metadataHosts);
    return lookupOutside(metadataHosts);
  };
}

/**
 * The first answer that is final. Throws AnswerError for another one that is no redirect, URL_INVALID for a host that
 * may not be asked, before it is.
 */
export async function follow(
  route: Route,
  {
    headers,
    isFinal,
  }: { readonly headers: Readonly<Record<string, string>>; readonly isFinal: (status: number) => boolean },
  call: Call,
): Promise<Followed> {
  const first = parseWebUrl(route.url);
  const usual = { "accept-encoding": "identity", "user-agent": `smc/${VERSION}`, ...headers };
  let url = first;
  assertSafe(url, route.sha256);
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const own = url.origin === first.origin ? route.headers : {};
    const answer = await ask(route, { url, first, headers: { ...usual, ...own } }, call);
    const { statusCode: status, headers: found } = answer.response;
    if (isFinal(status)) return { ...answer, url };
    answer.stream.destroy();
    if (!REDIRECTS.has(status) || found.location === undefined)
      throw refused(`it answered ${status}`, status, found);
    url = redirected(url, found.location, route);
  }
  throw refused(`it leads on more than ${REDIRECTS_MAX} times`, undefined);
}

interface Asking {
  readonly url: URL;
  readonly first: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** Until the head of the answer is there. */
function ask(
  { limits, guard, caPem }: Route,
  { url, first, headers }: Asking,
  call: Call,
): Promise<{ stream: Request; response: Response }> {
  const lookup = guard(url, first);
  const { connectMs } = limits;
  const ca = caPem === undefined ? {} : { ca: typeof caPem === "string" ? caPem : [...caPem] };
  // Told to the agent itself: no variable of the environment switches the check off.
  const agent = {
    http: new HttpAgent({ lookup }),
    https: new HttpsAgent({ ...ca, lookup, rejectUnauthorized: true }),
  };
  return attempt({ call, idleMs: limits.idleMs }, async ({ signal }) => {
    const timeout = { lookup: connectMs, connect: connectMs, secureConnect: connectMs };
    const stream = got.stream(url, { ...ONE_REQUEST, headers, agent, timeout });
    signal.addEventListener("abort", () => stream.destroy(), { once: true });
    return { stream, response: await headOf(stream) };
  });
}

function bare({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

/** Throws URL_INVALID, AnswerError where a file from the web must not lead. */
function redirected(from: URL, location: string, { sha256 }: Route): URL {
  if (!URL.canParse(location, from.href)) throw refused("it leads to what is no address", undefined);
  const to = parseWebUrl(new URL(location, from).href);
  if (from.protocol === "https:" && to.protocol === "http:")
    throw refused(`it leads from https to ${show(shownUrl(to), 300)}, which anyone can change`, undefined);
  if (isLoopback(to.hostname) && !isLoopback(from.hostname))
    throw refused("it leads to this machine", undefined);
  assertSafe(to, sha256);
  return to;
}

/** An answer that is none of those that were hoped for. */
export function refused(
  text: string,
  status: number | undefined,
  headers: Response["headers"] = {},
): AnswerError {
  const isShort = status !== undefined && SHORT_STATUS.has(status);
  const retryAfterMs = parseRetryAfter(headers["retry-after"]);
  return new AnswerError({ code: "REMOTE_FAILED", text, isShort, retryAfterMs, isUndone: false, status });
}
