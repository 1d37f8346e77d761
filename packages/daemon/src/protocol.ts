/** What both ends of the socket agree on. Imports nothing but the package's own version. */
import { readFileSync } from "node:fs";

/** Raised when a request or an answer changes so that an older end would misread it. */
export const PROTOCOL = "1";
export const PROTOCOL_HEADER = "smc-protocol";
/** Size of a blob in bytes; the body itself is chunked so that a trailer can tell of damage. */
export const SIZE_HEADER = "smc-size-bytes";
/** Trailer of a blob: a percent-encoded ErrorJson when the bytes sent so far are all there will be. */
export const ERROR_TRAILER = "smc-error";
export const JSON_TYPE = "application/json";
export const NDJSON_TYPE = "application/x-ndjson";

/** The version of this package, as `smc version` prints it. */
export const VERSION = readVersion();

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const found =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : "";
  return String(found);
}

/** Where the user stands and as whom; part of every verb's request. */
export interface At {
  /** Absolute path of the folder the user stands in. */
  readonly folder: string;
  /** Overrides the repository that the worktree names. */
  readonly repository?: string;
  /** `Name <name@example.org>`; overrides the configuration. */
  readonly author?: string;
}

/** Answer of `GET /v1/daemon`. */
export interface DaemonStatus {
  readonly pid: number;
  readonly version: string;
  readonly protocol: string;
  readonly storeId: string;
  readonly storePath: string;
  readonly socket: string;
  /** Where it answers other machines, or null. */
  readonly url: string | null;
  readonly startedMs: number;
  readonly uptimeMs: number;
  readonly activeRequests: number;
  /** 0 when it never leaves by itself. */
  readonly idleMs: number;
  readonly rssBytes: number;
  /** The most memory the process ever had. */
  readonly rssBytesMax: number;
  /** Longest time the event loop did not turn, since the start or the last `POST /v1/daemon/measure`. */
  readonly loopDelayMaxMs: number;
  readonly loopDelayP99Ms: number;
  /** Why the store takes no writes, or null. */
  readonly readOnlyReason: string | null;
}
