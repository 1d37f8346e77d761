/**
 * Downloads a file over HTTP(S): bounded in time and size, taken up again where it broke off, redirects looked at
 * first.
 */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { got, type Request, type Response } from "got";
import { assertSafe, type Call, isLoopback, parseWebUrl, shownUrl, type WebFile } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { VERSION } from "../protocol.ts";
import { attempt } from "../remotes/attempt.ts";
import { AnswerError, type HttpTrouble, troubleOfRequest } from "../remotes/http-trouble.ts";
import { headOf, ONE_REQUEST } from "../remotes/outside.ts";
import { assertPublicHost, lookupPublic, NO_HOSTS, type PrivateHosts } from "../remotes/outside-addresses.ts";
import { backOff, type Limits, LIMITS, parseRetryAfter } from "../remotes/retry.ts";

const REDIRECTS_MAX = 10;
/** After so many new bytes the tries are counted anew. */
const PROGRESS_BYTES = 1024 * 1024;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const SHORT_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);
const PHASE = "download";

export interface DownloadOptions {
  readonly limits?: Partial<Limits>;
  /** Authorities that vouch for servers, instead of those that the system knows. */
  readonly caPem?: string;
  /** Hosts that may have addresses of this machine and of private networks. */
  readonly privateHosts?: PrivateHosts;
}

interface Trip {
  readonly file: WebFile;
  readonly limits: Limits;
  readonly privateHosts: PrivateHosts;
  readonly ca: { readonly ca?: string };
}

/** Throws REMOTE_UNREACHABLE, REMOTE_FAILED, LIMIT_EXCEEDED, URL_INVALID, CANCELED, and what the part throws. */
export async function download(file: WebFile, call: Call, options: DownloadOptions = {}): Promise<void> {
  const limits = { ...LIMITS, ...options.limits };
  const ca = options.caPem === undefined ? {} : { ca: options.caPem };
  const { privateHosts = NO_HOSTS } = options;
  const { part } = file;
  for (let retry = 0, mark = part.sizeBytes; ; retry++) {
    try {
      await readOnce({ file, limits, privateHosts, ca }, call);
      return;
    } catch (error) {
      if (isSmcError(error)) throw error;
      const trouble = troubleOfRequest(error);
      if (part.sizeBytes - mark >= PROGRESS_BYTES) {
        mark = part.sizeBytes;
        retry = 0;
      }
      if (!trouble.isShort || retry >= limits.retriesMax) throw tell(file, trouble);
      await backOff({ call, limits, retry }, trouble.retryAfterMs);
    }
  }
}

/** One answer, as far as it comes. */
async function readOnce(trip: Trip, call: Call): Promise<void> {
  const { file, limits } = trip;
  const { part } = file;
  const isResuming = part.sizeBytes > 0 && (part.etag !== undefined || file.isChecked);
  const { stream, response } = await follow(trip, isResuming, call);
  try {
    const total = await start(file, response);
    if (total === part.sizeBytes && response.statusCode === 416) return;
    const pieces: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
    for (;;) {
      const next = await attempt({ call, idleMs: limits.idleMs }, () => pieces.next());
      if (next.done === true) break;
      if (part.sizeBytes + next.value.length > (total ?? file.bytesMax)) throw tooLarge(file, total);
      await part.write(next.value);
      const progress = { phase: PHASE, done: part.sizeBytes, unit: "bytes" as const };
      call.onProgress(total === undefined ? progress : { ...progress, total });
    }
    if (total !== undefined && part.sizeBytes < total)
      throw short(`${part.sizeBytes} of ${total} bytes came`, response.statusCode);
  } finally {
    stream.destroy();
  }
}

/** Makes the part ready for what this answer brings; the size of the whole file, if the server tells it. */
async function start(file: WebFile, response: Response): Promise<number | undefined> {
  const { part } = file;
  const { statusCode: status, headers } = response;
  if (headers["content-encoding"] !== undefined)
    throw refused("the answer is compressed, which nobody asked for", status);
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(headers["content-range"] ?? "");
  const whole = range?.[2] === undefined ? undefined : Number(range[2]);
  const isFit = status === 206 ? Number(range?.[1]) === part.sizeBytes : whole === part.sizeBytes;
  if (status !== 200 && !isFit) {
    await part.begin(undefined);
    throw short("it answered with another part than was asked for", status);
  }
  if (status === 206) part.isJoined = true;
  if (status !== 200) return limited(file, whole);
  if (!file.isChecked && /^text\/html\b/i.test(headers["content-type"] ?? "") && !/\.html?$/i.test(part.path))
    throw refused("it answered with a web page and not with a file", status);
  const length = headers["content-length"];
  const total = limited(file, length === undefined ? undefined : Number(length));
  await part.begin(strongTag(headers.etag));
  return total;
}

function limited(file: WebFile, total: number | undefined): number | undefined {
  if (total === undefined) return undefined;
  if (!Number.isSafeInteger(total) || total < 0) throw refused("it tells no size that can be", undefined);
  if (total > file.bytesMax) throw tooLarge(file, undefined);
  return total;
}

/** A tag that is the same only for the same bytes. */
function strongTag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : undefined;
}

/**
 * The answer that is no redirect. What is sent never holds a credential; where it leads is looked at before it goes
 * there.
 */
async function follow(
  trip: Trip,
  isResuming: boolean,
  call: Call,
): Promise<{ stream: Request; response: Response }> {
  const { file } = trip;
  const { etag, sizeBytes } = file.part;
  const first = parseWebUrl(file.url);
  const headers = {
    "accept-encoding": "identity",
    "user-agent": `smc/${VERSION}`,
    ...(isResuming ? { range: `bytes=${sizeBytes}-` } : {}),
    ...(isResuming && etag !== undefined ? { "if-range": etag } : {}),
  };
  let url = first;
  assertSafe(url, file.sha256);
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    // Only where the user's own host begins may it lead to another one of the user's.
    const allowed = trip.privateHosts.has(bare(first)) ? trip.privateHosts : NO_HOSTS;
    const answer = await ask({ url, headers, allowed }, trip, call);
    const { statusCode: status, headers: found } = answer.response;
    if (status === 200 || ((status === 206 || status === 416) && isResuming)) return answer;
    answer.stream.destroy();
    if (!REDIRECTS.has(status) || found.location === undefined)
      throw refused(`it answered ${status}`, status, found);
    url = redirected(url, found.location, file);
  }
  throw refused(`it leads on more than ${REDIRECTS_MAX} times`, undefined);
}

interface Asking {
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly allowed: PrivateHosts;
}

/** Until the head of the answer is there. Throws URL_INVALID for a host that may not be asked, before it is. */
function ask(
  { url, headers, allowed }: Asking,
  { limits, ca }: Trip,
  call: Call,
): Promise<{ stream: Request; response: Response }> {
  assertPublicHost(url, allowed);
  const { connectMs } = limits;
  const lookup = lookupPublic(allowed);
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

/** Throws URL_INVALID, REMOTE_FAILED where a file from the web must not lead. */
function redirected(from: URL, location: string, file: WebFile): URL {
  if (!URL.canParse(location, from.href)) throw refused("it leads to what is no address", undefined);
  const to = parseWebUrl(new URL(location, from).href);
  if (from.protocol === "https:" && to.protocol === "http:")
    throw refused(`it leads from https to ${show(shownUrl(to), 300)}, which anyone can change`, undefined);
  if (isLoopback(to.hostname) && !isLoopback(from.hostname))
    throw refused("it leads to this machine", undefined);
  assertSafe(to, file.sha256);
  return to;
}

function refused(text: string, status: number | undefined, headers: Response["headers"] = {}): AnswerError {
  const isShort = status !== undefined && SHORT_STATUS.has(status);
  const retryAfterMs = parseRetryAfter(headers["retry-after"]);
  return new AnswerError({ code: "REMOTE_FAILED", text, isShort, retryAfterMs, isUndone: false, status });
}

function short(text: string, status: number): AnswerError {
  return new AnswerError({
    code: "REMOTE_FAILED",
    text,
    isShort: true,
    retryAfterMs: 0,
    isUndone: false,
    status,
  });
}

function tooLarge({ url, bytesMax }: WebFile, total: number | undefined): SmcError {
  const why = total === undefined ? `has more than ${bytesMax} bytes` : `gives more than its ${total} bytes`;
  return new SmcError("LIMIT_EXCEEDED", `${show(shownUrl(parseWebUrl(url)), 500)} ${why}; nothing was kept`);
}

function tell({ url }: WebFile, { code, text, status }: HttpTrouble): SmcError {
  return new SmcError(code, `${show(shownUrl(parseWebUrl(url)), 500)}: cannot ${PHASE} it: ${text}`, {
    hint: "see that the address is right, then run the command again: it goes on where it stopped",
    details: { phase: PHASE, ...(status === undefined ? {} : { status }) },
  });
}
