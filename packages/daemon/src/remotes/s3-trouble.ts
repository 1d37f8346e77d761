/** What went wrong between us and an object store: one of our codes, and whether trying again may help. */
import type { ErrorCode } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { IdleError } from "./attempt.ts";
import { parseRetryAfter } from "./retry.ts";

const SERVER_TEXT_MAX = 200;

export interface Trouble {
  readonly code: ErrorCode;
  readonly text: string;
  readonly hint?: string;
  /** Trying again may help. */
  readonly isShort: boolean;
  readonly retryAfterMs: number;
  /** Of the HTTP answer, when there was one. */
  readonly status: number | undefined;
  /** What S3 calls it: NoSuchKey. */
  readonly name: string;
}

/** What errors of the SDK and of Node are made of, as far as it matters here. */
interface ErrorParts {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: {
    readonly statusCode?: number;
    readonly headers?: Readonly<Record<string, string | undefined>>;
  };
}

const RESET = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"]);
const UNREACHABLE = new Map([
  ["ECONNREFUSED", "nobody answers there"],
  ["ENOTFOUND", "its host name is not known"],
  ["EAI_AGAIN", "its host name cannot be looked up now"],
  ["EHOSTUNREACH", "its host cannot be reached"],
  ["ENETUNREACH", "its network cannot be reached"],
  ["ETIMEDOUT", "the connection timed out"],
  ["ECONNRESET", "the connection broke"],
  ["EPIPE", "the connection broke"],
  ["ECONNABORTED", "the connection broke"],
]);
const NO_ACCESS = new Set([
  "AccessDenied",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "ExpiredToken",
  "InvalidToken",
  "TokenRefreshRequired",
  "RequestTimeTooSkewed",
  "CredentialsProviderError",
]);
const WRONG_CHECKSUM = new Set([
  "BadDigest",
  "InvalidDigest",
  "XAmzContentSHA256Mismatch",
  "XAmzContentChecksumMismatch",
]);
const OTHER_REGION = new Set([
  "PermanentRedirect",
  "TemporaryRedirect",
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
]);
const SHORT_STATUS = new Set([409, 429, 500, 502, 503, 504]);

/** True when the server compared the bytes with their SHA-256 and refused them. */
export function isWrongChecksum({ name }: Trouble): boolean {
  return WRONG_CHECKSUM.has(name);
}

/** `clean` takes out of a text what nobody may see. */
export function troubleOf(error: unknown, clean: (text: string) => string): Trouble {
  const raw = (typeof error === "object" && error !== null ? error : {}) as ErrorParts;
  const name = typeof raw.name === "string" ? clean(raw.name) : "";
  const text = { name, message: clean(String(raw.message)) };
  const status = raw.$response?.statusCode ?? raw.$metadata?.httpStatusCode;
  const rest = { isShort: false, retryAfterMs: 0, status, name };
  if (error instanceof IdleError) {
    const text = `no byte came or went for ${error.idleMs / 1000} s`;
    return { ...rest, code: "REMOTE_UNREACHABLE", text };
  }
  if (typeof raw.code === "string" && UNREACHABLE.has(raw.code)) {
    const text = `${UNREACHABLE.get(raw.code)} (${raw.code})`;
    return { ...rest, code: "REMOTE_UNREACHABLE", text, isShort: RESET.has(raw.code) };
  }
  if (name === "TimeoutError")
    return { ...rest, code: "REMOTE_UNREACHABLE", text: "no connection came about in time" };
  if (status === undefined && !NO_ACCESS.has(name)) {
    return { ...rest, code: "REMOTE_FAILED", text: messageOf(text) };
  }
  const answer = { ...rest, text: answerText(text, status) };
  const hint = hintOf(name, status);
  return {
    ...answer,
    ...(hint === undefined ? {} : { hint }),
    code: codeOf(name, status),
    isShort: (status !== undefined && SHORT_STATUS.has(status)) || name === "RequestTimeout",
    retryAfterMs: parseRetryAfter(raw.$response?.headers?.["retry-after"]),
  };
}

function messageOf({ message }: { message: string }): string {
  return show(message, SERVER_TEXT_MAX);
}

function answerText(parts: { name: string; message: string }, status: number | undefined): string {
  if (status === undefined) return messageOf(parts);
  const name = show(parts.name, 60);
  // What could not be read as an answer of S3.
  if (status < 300 || name === "SyntaxError" || name === "Error")
    return `the answer (${status}) is none of S3`;
  return `the server answered ${status} ${name}: ${messageOf(parts)}`;
}

function codeOf(name: string, status: number | undefined): ErrorCode {
  // A 403 as well, of an object that is in an archive.
  if (name === "InvalidObjectState") return "REMOTE_FAILED";
  if (NO_ACCESS.has(name) || status === 401 || status === 403) return "AUTH_FAILED";
  if (name === "NoSuchBucket" || name === "NoSuchKey" || status === 404) return "REMOTE_NOT_FOUND";
  return "REMOTE_FAILED";
}

function hintOf(name: string, status: number | undefined): string | undefined {
  if (name === "RequestTimeTooSkewed") return "the clock of this machine is wrong";
  if (name === "CredentialsProviderError") {
    return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the daemon, or write ~/.aws/credentials";
  }
  if (OTHER_REGION.has(name) || status === 301)
    return "the bucket is in another region: add region=… to its address";
  if (NO_ACCESS.has(name) || status === 403)
    return "see which credentials the daemon has, and what they may do";
  return undefined;
}
