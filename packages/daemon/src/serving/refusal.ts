/** How a failure goes out to another machine: a code and a sentence, nothing of this machine in it. */
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { type ErrorCode, type ErrorJson, isSmcError, SmcError } from "@smc/store/errors";
import type { Failure } from "../answer.ts";
import { describeFailure } from "../failure.ts";
import type { Logger } from "../logger.ts";
import { JSON_TYPE } from "../protocol.ts";
import { REMOTE_PROTOCOL, REMOTE_PROTOCOL_HEADER } from "./wire.ts";

/** On every answer. */
export const ANSWER_HEADERS: Readonly<Record<string, string>> = {
  [REMOTE_PROTOCOL_HEADER]: REMOTE_PROTOCOL,
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

/** Codes whose sentences are about what was asked. Those of all others may name files of this machine. */
const TOLD: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ALREADY_EXISTS",
  "AUTH_FAILED",
  "CANCELED",
  "DAEMON_INCOMPATIBLE",
  "DAEMON_STOPPING",
  "DIGEST_INVALID",
  "HOST_FORBIDDEN",
  "JOB_NOT_FOUND",
  "LIMIT_EXCEEDED",
  "NOT_FAST_FORWARD",
  "OBJECT_CORRUPT",
  "OBJECT_INVALID",
  "OBJECT_MISSING",
  "OBJECT_NOT_FOUND",
  "ORIGIN_FORBIDDEN",
  "PACK_CORRUPT",
  "PUSH_FORBIDDEN",
  "QUOTA_EXCEEDED",
  "REF_CHANGED",
  "REF_CONFLICT",
  "REF_NAME_INVALID",
  "RATE_LIMITED",
  "REMOTE_INCOMPLETE",
  "REPOSITORY_NAME_INVALID",
  "REPOSITORY_NOT_FOUND",
  "REQUEST_INVALID",
  "REQUEST_TOO_LARGE",
  "REQUEST_TYPE_INVALID",
  "ROUTE_NOT_FOUND",
  "SCOPE_MISSING",
]);

/** What may be told of an error. The rest is in the log under an id. */
export function describeRefusal(
  error: unknown,
  { logger, storePath }: { readonly logger: Logger; readonly storePath: string },
): Failure {
  const { http, json } = describeFailure(error, logger, { remote: true });
  if (json.code === "INTERNAL" && !isSmcError(error, "INTERNAL")) return { http, json };
  if (TOLD.has(json.code) && !JSON.stringify(json).includes(storePath)) return { http, json };
  const id = randomBytes(6).toString("hex");
  logger.error({ id, err: error }, "a request of another machine failed");
  const known = new SmcError(http >= 500 ? json.code : "INTERNAL", `the server cannot do that (id ${id})`, {
    hint: "who runs the server finds the id in its log",
    details: { id },
  });
  return { http: known.http, json: known.toJSON() };
}

/** Answers with JSON; the connection ends afterwards when `isLast`. */
export function sendJson(
  response: ServerResponse,
  status: number,
  {
    body,
    headers = {},
    isLast = false,
  }: {
    readonly body: { readonly result: unknown } | { readonly error: ErrorJson } | { readonly status: string };
    readonly headers?: Readonly<Record<string, string>>;
    readonly isLast?: boolean;
  },
): void {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(status, {
    ...ANSWER_HEADERS,
    ...headers,
    "content-type": JSON_TYPE,
    "content-length": bytes.length,
    ...(isLast ? { connection: "close" } : {}),
  });
  response.end(bytes);
}
