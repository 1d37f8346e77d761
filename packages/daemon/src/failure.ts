/** Turns whatever was thrown into what may be sent: a code and sentences, never a stack. */
import { randomBytes } from "node:crypto";
import { fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import type { Failure } from "./answer.ts";
import type { Logger } from "./logger.ts";

/** An SmcError as it is; an errno as what it means; anything else is INTERNAL with an id that the log has too. */
export function describeFailure(
  error: unknown,
  logger: Logger,
  fields: Readonly<Record<string, unknown>>,
): Failure {
  const known = fromErrno(error, "cannot go on");
  if (isSmcError(known) && known.code !== "INTERNAL") return { http: known.http, json: known.toJSON() };
  if (error instanceof Error && error.name === "AbortError") {
    const canceled = new SmcError("CANCELED", "stopped on request");
    return { http: canceled.http, json: canceled.toJSON() };
  }
  const id = randomBytes(6).toString("hex");
  logger.error({ ...fields, id, err: error }, "internal error");
  const internal = new SmcError("INTERNAL", `something went wrong inside smc (id ${id})`, {
    details: { id },
  });
  return { http: internal.http, json: internal.toJSON() };
}
