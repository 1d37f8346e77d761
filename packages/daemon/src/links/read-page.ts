/** A small answer of the web: what a service says of a file, before the file itself. */
import type { Response } from "got";
import { type Call } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { follow, refused, type Route } from "../catalog/follow.ts";
import { attempt } from "../remotes/attempt.ts";
import { troubleOfRequest } from "../remotes/http-trouble.ts";
import { backOff } from "../remotes/retry.ts";

const PAGE_BYTES_MAX = 8 * 1024 * 1024;
const SHORT_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

export interface Page {
  readonly status: number;
  readonly headers: Response["headers"];
  /** Undefined for a body that is none of `isText`: it was not read. */
  readonly text: string | undefined;
}

export interface PageOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Looks at the content type. */
  readonly isText: (type: string) => boolean;
}

/**
 * Asks again while the trouble is short. Throws REMOTE_UNREACHABLE, REMOTE_FAILED, LIMIT_EXCEEDED for more than 8 MiB,
 * URL_INVALID, CANCELED; `what` is what messages name.
 */
export async function readPage(
  what: string,
  { route, ...options }: PageOptions & { readonly route: Route },
  call: Call,
): Promise<Page> {
  const { limits } = route;
  for (let retry = 0; ; retry++) {
    try {
      return await readOnce(what, { route, ...options }, call);
    } catch (error) {
      if (isSmcError(error)) throw error;
      const trouble = troubleOfRequest(error);
      if (!trouble.isShort || retry >= limits.retriesMax)
        throw new SmcError(trouble.code, `${what}: ${trouble.text}`);
      await backOff({ call, limits, retry }, trouble.retryAfterMs);
    }
  }
}

async function readOnce(
  what: string,
  { route, headers = {}, isText }: PageOptions & { readonly route: Route },
  call: Call,
): Promise<Page> {
  const isFinal = (status: number): boolean => status < 300 || status >= 400;
  const { stream, response } = await follow(route, { headers, isFinal }, call);
  try {
    const { statusCode: status, headers: found } = response;
    if (SHORT_STATUS.has(status)) throw refused(`it answered ${status}`, status, found);
    if (!isText(found["content-type"] ?? "")) return { status, headers: found, text: undefined };
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const body: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
    for (;;) {
      const next = await attempt({ call, idleMs: route.limits.idleMs }, () => body.next());
      if (next.done === true) break;
      bytes += next.value.length;
      if (bytes > PAGE_BYTES_MAX)
        throw new SmcError("LIMIT_EXCEEDED", `${what}: the answer has more than ${PAGE_BYTES_MAX} bytes`);
      pieces.push(next.value);
    }
    return { status, headers: found, text: Buffer.concat(pieces).toString("utf8") };
  } finally {
    stream.destroy();
  }
}
