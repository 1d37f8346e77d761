/**
 * Downloads a file over HTTP(S): bounded in time and size, taken up again where it broke off, redirects looked at
 * first.
 */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Response } from "got";
import { type Call, parseWebUrl, shownUrl, type WebFile } from "@smc/store";
import { fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { attempt } from "../remotes/attempt.ts";
import { AnswerError, type HttpTrouble, troubleOfRequest } from "../remotes/http-trouble.ts";
import { NO_HOSTS, type PrivateHosts } from "../remotes/outside-addresses.ts";
import { backOff, type Limits, LIMITS } from "../remotes/retry.ts";
import { follow, type Guard, publicGuard, refused, type Route } from "./follow.ts";

/** After so many new bytes the tries are counted anew. */
const PROGRESS_BYTES = 1024 * 1024;
const PHASE = "download";

export interface DownloadOptions {
  readonly limits?: Partial<Limits>;
  /** Authorities that vouch for servers, instead of those that the system knows. */
  readonly caPem?: string | readonly string[];
  /** Hosts that may have addresses of this machine and of private networks. */
  readonly privateHosts?: PrivateHosts;
  /** Who may be asked, instead of public hosts and those. */
  readonly guard?: Guard;
  /** Sent to the origin of the address and to no other. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A web page is never the file, whatever can be told of its bytes afterwards. */
  readonly refusesPages?: boolean;
}

interface Trip {
  readonly file: WebFile;
  readonly route: Route;
  readonly refusesPages: boolean;
}

/**
 * Throws REMOTE_UNREACHABLE, REMOTE_FAILED, LIMIT_EXCEEDED, URL_INVALID, CANCELED, DISK_FULL before the first byte when
 * the server tells a size for which there is no room, and what the part throws.
 */
export async function download(file: WebFile, call: Call, options: DownloadOptions = {}): Promise<void> {
  const limits = { ...LIMITS, ...options.limits };
  const { privateHosts = NO_HOSTS, caPem, headers = {} } = options;
  const { url, sha256, part } = file;
  const guard = options.guard ?? publicGuard(privateHosts);
  const route = { url, sha256, limits, guard, headers, ...(caPem === undefined ? {} : { caPem }) };
  const refusesPages = options.refusesPages ?? !file.isChecked;
  for (let retry = 0, mark = part.sizeBytes; ; retry++) {
    try {
      await readOnce({ file, route, refusesPages }, call);
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
  const { file, route } = trip;
  const { part, untilBytes = Number.POSITIVE_INFINITY } = file;
  const isResuming = part.sizeBytes > 0 && (part.etag !== undefined || file.isChecked);
  const { etag } = part;
  const headers = {
    ...(isResuming ? { range: `bytes=${part.sizeBytes}-` } : {}),
    ...(isResuming && etag !== undefined ? { "if-range": etag } : {}),
  };
  const isFinal = (status: number): boolean =>
    status === 200 || ((status === 206 || status === 416) && isResuming);
  const { stream, response } = await follow(route, { headers, isFinal }, call);
  try {
    const total = await start(trip, response);
    if (total === part.sizeBytes && response.statusCode === 416) return;
    if (total !== undefined && file.untilBytes === undefined) await assertRoom(file, total);
    const pieces: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
    for (;;) {
      const next = await attempt({ call, idleMs: route.limits.idleMs }, () => pieces.next());
      if (next.done === true) break;
      if (part.sizeBytes + next.value.length > (total ?? file.bytesMax)) throw tooLarge(file, total);
      await part.write(next.value);
      const progress = { phase: PHASE, done: part.sizeBytes, unit: "bytes" as const };
      call.onProgress(total === undefined ? progress : { ...progress, total });
      if (part.sizeBytes >= untilBytes) return;
    }
    if (total !== undefined && part.sizeBytes < total)
      throw short(`${part.sizeBytes} of ${total} bytes came`, response.statusCode);
  } finally {
    stream.destroy();
  }
}

/** Makes the part ready for what this answer brings; the size of the whole file, if the server tells it. */
async function start({ file, refusesPages }: Trip, response: Response): Promise<number | undefined> {
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
  if (refusesPages && /^text\/html\b/i.test(headers["content-type"] ?? "") && !/\.html?$/i.test(part.path))
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

/** Nobody waits for an hour to be told that the disk is full. Throws DISK_FULL. */
async function assertRoom({ url, part }: WebFile, total: number): Promise<void> {
  const folder = dirname(part.path);
  const freeBytes = await freeBytesOf(folder);
  const neededBytes = total - part.sizeBytes;
  if (neededBytes <= freeBytes) return;
  const shown = show(shownUrl(parseWebUrl(url)), 500);
  const more = part.sizeBytes === 0 ? "" : " more";
  const why = `takes ${neededBytes}${more} bytes, and '${show(folder)}' has room for ${freeBytes}`;
  throw new SmcError("DISK_FULL", `${shown} ${why}; none of them were downloaded`);
}

async function freeBytesOf(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    throw fromErrno(error, `cannot ask how much room there is in '${show(folder)}'`);
  }
}

/** A tag that is the same only for the same bytes. */
function strongTag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : undefined;
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
