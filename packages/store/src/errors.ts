/**
 * One error class and one table: code → exit status of the CLI, HTTP status of the daemon.
 * Safe in a browser: imports nothing.
 */

interface ErrorRow {
  readonly exit: number;
  readonly http: number;
  /** What to do next when the place that throws knows nothing better. */
  readonly hint?: string;
}

export const ERRORS = {
  USAGE: { exit: 2, http: 400, hint: 'see "smc help"' },
  ARGUMENT_INVALID: { exit: 2, http: 400 },
  DIGEST_INVALID: {
    exit: 2,
    http: 400,
    hint: "a digest is 64 lower-case hex digits, sha256:<hex>, or a CIDv1",
  },
  REF_NAME_INVALID: { exit: 2, http: 400, hint: "names follow git check-ref-format" },
  REPOSITORY_NAME_INVALID: { exit: 2, http: 400, hint: 'use "name" or "owner/name"' },
  REVISION_INVALID: { exit: 2, http: 400, hint: 'see "smc help revisions"' },
  MESSAGE_INVALID: { exit: 2, http: 400 },
  IDENTITY_INVALID: { exit: 2, http: 400, hint: 'write it as "Name <name@example.org>"' },
  DATE_INVALID: { exit: 2, http: 400, hint: "use ISO 8601, for instance 2026-01-15T10:00:00Z" },
  PATH_INVALID: { exit: 2, http: 400 },
  URL_INVALID: { exit: 2, http: 400, hint: 'see "smc help remotes"' },
  CONFIG_INVALID: { exit: 2, http: 400, hint: 'see "smc help config"' },
  EXPRESSION_INVALID: { exit: 2, http: 400, hint: "see docs/reference/expressions.md" },
  FILE_MALFORMED: { exit: 2, http: 400, hint: 'see "smc inspect"' },
  REQUEST_INVALID: { exit: 2, http: 400, hint: "see docs/reference/http.md" },
  REQUEST_TOO_LARGE: { exit: 2, http: 413, hint: "send it in several requests" },
  REQUEST_TYPE_INVALID: { exit: 2, http: 415, hint: "send Content-Type: application/json" },
  ROUTE_NOT_FOUND: { exit: 3, http: 404, hint: "see docs/reference/http.md" },
  ORIGIN_FORBIDDEN: { exit: 7, http: 403, hint: "web pages may not use this daemon" },
  STORE_NOT_FOUND: { exit: 3, http: 404 },
  REPOSITORY_NOT_FOUND: { exit: 3, http: 404, hint: 'list them with "smc repos"' },
  WORKTREE_NOT_FOUND: { exit: 3, http: 404, hint: 'make one with "smc init"' },
  OBJECT_NOT_FOUND: { exit: 3, http: 404 },
  REVISION_NOT_FOUND: { exit: 3, http: 404, hint: 'list refs with "smc refs"' },
  REVISION_AMBIGUOUS: { exit: 3, http: 404, hint: "use more digits" },
  PATH_NOT_FOUND: { exit: 3, http: 404 },
  REMOTE_NOT_FOUND: { exit: 3, http: 404, hint: 'list them with "smc remote"' },
  TOKEN_NOT_FOUND: { exit: 3, http: 404, hint: 'list them with "smc token list"' },
  CONFIG_NOT_FOUND: { exit: 3, http: 404 },
  JOB_NOT_FOUND: { exit: 3, http: 404, hint: 'list them with "smc jobs"' },
  OBJECT_INVALID: { exit: 4, http: 422 },
  OBJECT_CORRUPT: { exit: 4, http: 500, hint: 'see what is affected with "smc fsck --full"' },
  OBJECT_MISSING: { exit: 4, http: 500, hint: 'rebuild the index with "smc fsck --rebuild"' },
  PACK_CORRUPT: { exit: 4, http: 500, hint: 'see what is affected with "smc fsck --full"' },
  JOURNAL_CORRUPT: { exit: 4, http: 500, hint: "the store is read-only; restore journal/ from a copy" },
  INDEX_CORRUPT: { exit: 4, http: 500, hint: 'rebuild it with "smc fsck --rebuild"' },
  STORE_CORRUPT: { exit: 4, http: 500 },
  EXPORT_DIFFERS: { exit: 4, http: 500, hint: "this is a bug of smc; please report it with the model" },
  STAGE_CORRUPT: { exit: 4, http: 500, hint: 'read the stage anew with "smc reset"' },
  NOTHING_TO_COMMIT: { exit: 1, http: 200, hint: 'choose files with "smc add"' },
  REF_CHANGED: { exit: 5, http: 409, hint: "run the command again" },
  REF_CONFLICT: { exit: 5, http: 409 },
  NOT_FAST_FORWARD: { exit: 5, http: 409 },
  ALREADY_EXISTS: { exit: 5, http: 409 },
  JOB_STATE_WRONG: { exit: 5, http: 409 },
  BRANCH_IN_USE: { exit: 5, http: 409 },
  NOT_MERGED: { exit: 5, http: 409, hint: "delete it all the same with -D" },
  MERGE_CONFLICT: { exit: 5, http: 409 },
  WOULD_OVERWRITE: { exit: 5, http: 409, hint: 'commit the files, move them away, or use "--force"' },
  WORKTREE_DIRTY: { exit: 5, http: 409, hint: "commit first, or use --hard" },
  FILE_CHANGED: { exit: 5, http: 409, hint: "wait until its writer is done and run the command again" },
  FILE_UNSUPPORTED: { exit: 5, http: 409, hint: "smc stores regular files and symbolic links" },
  NAME_NOT_PORTABLE: { exit: 5, http: 409 },
  NAME_COLLISION: { exit: 5, http: 409 },
  UNSAFE_PATH: { exit: 5, http: 403 },
  UNSAFE_OWNER: { exit: 5, http: 403 },
  LIMIT_EXCEEDED: { exit: 5, http: 409 },
  REF_PROTECTED: { exit: 5, http: 403 },
  PUSH_FORBIDDEN: { exit: 5, http: 403, hint: "push to another name, or ask who runs the server" },
  QUOTA_EXCEEDED: { exit: 5, http: 507, hint: "ask who runs the server for more space" },
  FORMAT_UNSUPPORTED: { exit: 5, http: 409, hint: "use a newer smc" },
  REMOTE_UNREACHABLE: { exit: 6, http: 502, hint: "run the command again; what was sent is not sent again" },
  REMOTE_FAILED: { exit: 6, http: 502, hint: "run the command again; what was sent is not sent again" },
  REMOTE_INCOMPLETE: {
    exit: 6,
    http: 502,
    hint: 'a push does not mend it: see "When a remote is damaged" in docs/guides/sharing.md',
  },
  REMOTE_UNSUITABLE: { exit: 6, http: 502 },
  AUTH_FAILED: { exit: 7, http: 401 },
  SCOPE_MISSING: { exit: 7, http: 403, hint: "ask who runs the server for a token that may" },
  HOST_FORBIDDEN: { exit: 7, http: 403 },
  CONFIRMATION_NEEDED: { exit: 8, http: 428, hint: "run it on a terminal, or say --yes" },
  CONFIRMATION_DECLINED: { exit: 8, http: 428 },
  STORE_LOCKED: { exit: 9, http: 503 },
  RATE_LIMITED: { exit: 9, http: 429, hint: "wait, then run the command again" },
  STORE_BUSY: { exit: 9, http: 503, hint: "run the command again later" },
  DAEMON_UNREACHABLE: { exit: 9, http: 503, hint: 'see "smc daemon logs"' },
  DAEMON_INCOMPATIBLE: { exit: 9, http: 503, hint: 'run "smc daemon restart"' },
  DAEMON_STOPPING: { exit: 9, http: 503, hint: "run the command again" },
  PERMISSION_DENIED: { exit: 11, http: 500 },
  DISK_FULL: { exit: 11, http: 507, hint: "free some space and run the command again" },
  READ_ONLY: { exit: 11, http: 500 },
  IO_FAILED: { exit: 11, http: 500 },
  INTERNAL: { exit: 70, http: 500, hint: "this is a bug of smc; please report it with the log" },
  CANCELED: { exit: 130, http: 499 },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Plain values that say which one: paths, names, digests, counts. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ErrorJson {
  readonly code: ErrorCode;
  readonly exit: number;
  readonly message: string;
  readonly hint?: string;
  readonly details?: ErrorDetails;
}

interface ErrorOptions {
  hint?: string;
  details?: ErrorDetails;
  cause?: unknown;
}

const BRAND = Symbol.for("smc.error");

/** Every failure that a user can meet. Match it by `code`, never by message. */
export class SmcError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SmcError";
    this.code = code;
    const row: ErrorRow = ERRORS[code];
    this.hint = options.hint ?? row.hint;
    this.details = options.details ?? {};
    Object.defineProperty(this, BRAND, { value: true });
  }

  get exit(): number {
    return ERRORS[this.code].exit;
  }

  get http(): number {
    return ERRORS[this.code].http;
  }

  toJSON(): ErrorJson {
    return {
      code: this.code,
      exit: this.exit,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(Object.keys(this.details).length === 0 ? {} : { details: this.details }),
    };
  }

  static fromJSON(json: ErrorJson): SmcError {
    const code = Object.hasOwn(ERRORS, json.code) ? json.code : "INTERNAL";
    return new SmcError(code, json.message, {
      ...(json.hint === undefined ? {} : { hint: json.hint }),
      ...(json.details === undefined ? {} : { details: json.details }),
    });
  }
}

/** True for an SmcError of this or another copy of the module, optionally of one code. */
export function isSmcError(error: unknown, code?: ErrorCode): error is SmcError {
  if (typeof error !== "object" || error === null || !(BRAND in error)) return false;
  return code === undefined || (error as { code?: unknown }).code === code;
}

/** A place of the disk that can no longer be read (EIO); another copy may lie in a better one. */
export function isUnreadable(error: unknown): boolean {
  return isSmcError(error, "IO_FAILED") && error.details.errno === "EIO";
}

/** True when what was read is damaged or missing, or the disk does not give it. */
export function isDamage(error: unknown): error is SmcError {
  return (isSmcError(error) && error.exit === 4) || isUnreadable(error);
}

/** A condition that only a bug of ours can break. Throws INTERNAL. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new SmcError("INTERNAL", message);
}

const ERRNO: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOSPC: ["DISK_FULL", "no space left on the device"],
  EDQUOT: ["DISK_FULL", "disk quota exceeded"],
  EACCES: ["PERMISSION_DENIED", "permission denied"],
  EPERM: ["PERMISSION_DENIED", "operation not permitted"],
  EROFS: ["READ_ONLY", "the file system is read-only"],
  EMFILE: ["IO_FAILED", "too many open files (see ulimit -n)"],
  ENFILE: ["IO_FAILED", "too many open files on this machine"],
  EFBIG: ["IO_FAILED", "the file is larger than allowed (see ulimit -f)"],
  ENAMETOOLONG: ["PATH_INVALID", "the name is too long"],
  ENOENT: ["PATH_NOT_FOUND", "no such file or folder"],
  ENOTDIR: ["PATH_NOT_FOUND", "a parent of it is not a folder"],
  ELOOP: ["UNSAFE_PATH", "a symbolic link is in the way"],
};

/** Turns an errno of node:fs into an SmcError that names the path; anything else passes unchanged. */
export function fromErrno(error: unknown, what: string): unknown {
  if (isSmcError(error)) return error;
  const errno = (error as NodeJS.ErrnoException | undefined)?.code;
  if (errno === undefined || !(error instanceof Error) || !("syscall" in error)) return error;
  const [code, text] = ERRNO[errno] ?? (["IO_FAILED", `I/O error ${errno}`] as const);
  return new SmcError(code, `${what}: ${text}`, { cause: error, details: { errno } });
}
