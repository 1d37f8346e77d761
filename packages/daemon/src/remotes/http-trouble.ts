/** What went wrong between us and a server of smc: one of our codes, and whether trying again may help. */
import { type ErrorCode, ERRORS } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { IdleError } from "./attempt.ts";
import { parseRetryAfter } from "./retry.ts";

const SERVER_TEXT_MAX = 300;

export interface HttpTrouble {
  readonly code: ErrorCode;
  readonly text: string;
  readonly hint?: string;
  /** Trying again may help. */
  readonly isShort: boolean;
  readonly retryAfterMs: number;
  /** The request cannot have been carried out: it did not leave, or the server says so. */
  readonly isUndone: boolean;
  /** Of the answer, when there was one. */
  readonly status: number | undefined;
}

/** An answer that is not the one that was asked for. */
export class AnswerError extends Error {
  override readonly name = "AnswerError";
  readonly trouble: HttpTrouble;

  constructor(trouble: HttpTrouble) {
    super(trouble.text);
    this.trouble = trouble;
  }
}

/** What a server says by these is what our user needs to know; other codes are about the server itself. */
const PASSED_ON: ReadonlySet<string> = new Set<ErrorCode>([
  "REF_CHANGED",
  "PUSH_FORBIDDEN",
  "QUOTA_EXCEEDED",
  "SCOPE_MISSING",
  "AUTH_FAILED",
  "OBJECT_CORRUPT",
  "OBJECT_INVALID",
  "REMOTE_INCOMPLETE",
  "REPOSITORY_NAME_INVALID",
  "LIMIT_EXCEEDED",
  "READ_ONLY",
  "DISK_FULL",
]);
const SHORT_STATUS = new Set([429, 502, 503, 504]);
/** Said before anything was done; a gateway's 502 and 504 come also after. */
const UNDONE_STATUS = new Set([429, 503]);

const BROKEN = "the connection broke";
/** Errors of connections → what they mean, and whether the request may have arrived all the same. */
const CONNECTION: ReadonlyMap<string, readonly [text: string, hasLeft: boolean]> = new Map([
  ["ECONNREFUSED", ["nobody answers there", false]],
  ["ENOTFOUND", ["its host name is not known", false]],
  ["EAI_AGAIN", ["its host name cannot be looked up now", false]],
  ["EHOSTUNREACH", ["its host cannot be reached", false]],
  ["ENETUNREACH", ["its network cannot be reached", false]],
  ["ETIMEDOUT", ["no connection came about in time", false]],
  ["ECONNRESET", [BROKEN, true]],
  ["EPIPE", [BROKEN, true]],
  ["ECONNABORTED", [BROKEN, true]],
  ["ERR_STREAM_PREMATURE_CLOSE", [BROKEN, true]],
  ["ERR_HTTP_CONTENT_LENGTH_MISMATCH", ["the answer ended too early", true]],
]);
const VOUCHES = "nobody known vouches for its certificate";
const CERTIFICATE: ReadonlyMap<string, string> = new Map([
  ["CERT_HAS_EXPIRED", "its certificate has expired"],
  ["CERT_NOT_YET_VALID", "its certificate is not valid yet"],
  ["CERT_REVOKED", "its certificate was revoked"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another host"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", VOUCHES],
  ["SELF_SIGNED_CERT_IN_CHAIN", VOUCHES],
  ["UNABLE_TO_GET_ISSUER_CERT", VOUCHES],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", VOUCHES],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", VOUCHES],
]);

const PLAIN = { isShort: false, retryAfterMs: 0, isUndone: false, status: undefined } as const;

/** Trouble of an answer that makes no sense. */
export function nonsense(text: string, status?: number): AnswerError {
  return new AnswerError({ ...PLAIN, code: "REMOTE_FAILED", text, status });
}

/**
 * What an error of a request means; one that is none of a connection is thrown on. Texts of libraries are not shown:
 * they may hold headers.
 */
export function troubleOfRequest(error: unknown): HttpTrouble {
  if (error instanceof AnswerError) return error.trouble;
  if (error instanceof IdleError) {
    const text = `nothing came or went for ${error.idleMs / 1000} s`;
    return { ...PLAIN, code: "REMOTE_UNREACHABLE", text };
  }
  const raw = (error as { code?: unknown } | null)?.code;
  const code = typeof raw === "string" ? raw : "";
  const known = CONNECTION.get(code);
  if (known !== undefined) {
    const [text, hasLeft] = known;
    const shown = `${text} (${code})`;
    return { ...PLAIN, code: "REMOTE_UNREACHABLE", text: shown, isShort: hasLeft, isUndone: !hasLeft };
  }
  const certificate = CERTIFICATE.get(code);
  if (certificate !== undefined) {
    const hint =
      certificate === VOUCHES
        ? "ask who runs the server for the certificate of its authority, then: smc login --ca-file FILE URL"
        : "see that the address and the clock of this machine are right, else tell who runs the server";
    return { ...PLAIN, code: "REMOTE_UNREACHABLE", text: `${certificate} (${code})`, hint, isUndone: true };
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS")) {
    const text = `no secure connection came about (${show(code, 60)})`;
    return { ...PLAIN, code: "REMOTE_UNREACHABLE", text, isUndone: true };
  }
  // A mistake of ours: errors of connections have a code.
  if (code === "") throw error;
  return {
    ...PLAIN,
    code: "REMOTE_FAILED",
    text: `the answer is no HTTP that can be read (${show(code, 60)})`,
  };
}

/**
 * The parts of an answer that is no success; `body` is its beginning, or empty. `clean` takes out what nobody may see.
 */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly clean: (text: string) => string;
}

/** What an answer that is no success means. */
export function troubleOfAnswer({ status, headers, body, clean }: Refusal): HttpTrouble {
  const rest = { ...PLAIN, status };
  if (status >= 300 && status < 400) {
    const to = show(clean(String(headers.location ?? "nowhere")), SERVER_TEXT_MAX);
    const text = `it answered ${status} and would lead to '${to}'; smc goes nowhere else than it was told`;
    return { ...rest, code: "REMOTE_FAILED", text };
  }
  const { code, message } = readError(body);
  const said = message === "" ? "" : `: ${show(clean(message), SERVER_TEXT_MAX)}`;
  const isUndone = UNDONE_STATUS.has(status);
  if (status === 401)
    return { ...rest, code: "AUTH_FAILED", text: `it does not take the token${said}`, isUndone: true };
  if (isPassedOn(code)) return { ...rest, code, text: message === "" ? code : said.slice(2) };
  if (code === "DAEMON_INCOMPATIBLE")
    return {
      ...rest,
      code: "REMOTE_FAILED",
      text: `it speaks another version of the protocol${said}`,
      isUndone: true,
    };
  if (status >= 200 && status < 300)
    return { ...rest, code: "REMOTE_FAILED", text: `its answer (${status}) makes no sense` };
  const name = code === "" ? "" : ` ${show(clean(code), 60)}`;
  return {
    ...rest,
    code: "REMOTE_FAILED",
    text: `it answered ${status}${name}${said}`,
    isShort: SHORT_STATUS.has(status),
    retryAfterMs: parseRetryAfter(headers["retry-after"]?.toString()),
    isUndone,
  };
}

/** The code and the text of an error's body, both from outside; empty where there are none. */
export function readError(body: string): { code: string; message: string } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { code: "", message: "" };
  }
  const { error } = (value ?? {}) as { error?: { code?: unknown; message?: unknown } | null };
  const { code, message } = error ?? {};
  return { code: typeof code === "string" ? code : "", message: typeof message === "string" ? message : "" };
}

export function isPassedOn(code: string): code is ErrorCode {
  return PASSED_ON.has(code) && Object.hasOwn(ERRORS, code);
}
