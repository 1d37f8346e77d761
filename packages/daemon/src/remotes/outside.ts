/** One request to a server that is none of smc: a receiver of events, an address that is looked at. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { got, type Request, type Response } from "got";
import { type Call, isLoopback } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { VERSION } from "../protocol.ts";
import { attempt } from "./attempt.ts";
import { assertUrlText } from "./http-url.ts";
import { assertOutsideHost, lookupOutside, type PrivateHosts } from "./outside-addresses.ts";
import { parseRetryAfter } from "./retry.ts";

export interface OutsideRequest {
  readonly method: "HEAD" | "POST";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Those that may be asked although machines are told their keys there. */
  readonly metadataHosts: PrivateHosts;
}

/** The head of an answer; nobody reads its body. */
export interface OutsideAnswer {
  readonly status: number;
  /** Where a redirection would lead; nobody follows it. */
  readonly location: string | undefined;
  readonly retryAfterMs: number;
}

/** got does nothing by itself: where an answer leads, whether to try again and what to unpack is for the caller. */
export const ONE_REQUEST = {
  followRedirect: false,
  throwHttpErrors: false,
  decompress: false,
  retry: { limit: 0 },
  https: { rejectUnauthorized: true },
} as const;

/**
 * Throws URL_INVALID for what is no address of the web or has a user and password in it; unless `isPlain`, also for
 * plain HTTP to another machine. The address is not repeated: it may hold a secret.
 */
export function parseOutsideUrl(text: string, { isPlain = false } = {}): URL {
  assertUrlText(text);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const scheme = url?.protocol;
  if (url === undefined || (scheme !== "https:" && scheme !== "http:"))
    throw new SmcError("URL_INVALID", "this is not an address that begins with https://");
  if (url.username !== "" || url.password !== "")
    throw new SmcError("URL_INVALID", "a user or password stands in the address", { hint: "take it out" });
  if (scheme === "http:" && !isPlain && !isLoopback(url.hostname))
    throw new SmcError("URL_INVALID", `anyone can read what goes to http://${url.host}`, {
      hint: "use https",
    });
  return url;
}

/**
 * Ends within `wholeMs`. Throws CANCELED, URL_INVALID for a host that may not be asked, and what `troubleOfRequest`
 * understands.
 */
export async function askOutside(
  { method, url, headers = {}, body, metadataHosts }: OutsideRequest,
  wholeMs: number,
  call: Call,
): Promise<OutsideAnswer> {
  assertOutsideHost(new URL(url), metadataHosts);
  const lookup = lookupOutside(metadataHosts);
  // Told to the agent itself: no variable of the environment switches the check off.
  const agent = {
    http: new HttpAgent({ lookup }),
    https: new HttpsAgent({ lookup, rejectUnauthorized: true }),
  };
  return attempt({ call, idleMs: wholeMs }, async ({ signal }) => {
    const stream = got.stream(url, {
      method,
      headers: { ...headers, "user-agent": `smc/${VERSION}` },
      ...(body === undefined ? {} : { body }),
      ...ONE_REQUEST,
      agent,
      signal,
    });
    try {
      const { statusCode: status, headers: got } = await headOf(stream);
      return { status, location: got.location, retryAfterMs: parseRetryAfter(got["retry-after"]) };
    } finally {
      stream.destroy();
    }
  });
}

/** Until the head of the answer is there. Throws URL_INVALID for a name that a lookup refused. */
export function headOf(stream: Request): Promise<Response> {
  return new Promise((resolve, reject) => {
    stream.once("response", resolve);
    // Also for errors that come when nobody waits any more.
    stream.on("error", (error: Error) => reject(isSmcError(error.cause) ? error.cause : error));
  });
}
