/** Moving refs of a server, and finding out what happened when its answer was lost. */
import type { Call, Progress, RefChange, RefReason, RemoteRef } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Attempt } from "./attempt.ts";
import { parseObject, readLines } from "./http-body.ts";
import type { HttpAnswer, HttpConnection, HttpRequest } from "./http-connection.ts";
import { AnswerError, type HttpTrouble, isPassedOn, readError, troubleOfRequest } from "./http-trouble.ts";
import { NDJSON_TYPE } from "../protocol.ts";
import { backOff } from "./retry.ts";

/** What the server takes. */
const BODY_BYTES_MAX = 1024 * 1024;
const LINE_BYTES_MAX = 256 * 1024;
const PHASE = "move refs";
/** After a lost answer: the change is made anew so many times. */
const AGAIN_MAX = 1;
const UNITS: ReadonlySet<string> = new Set<Progress["unit"]>(["bytes", "files", "objects"]);

export interface Update {
  readonly connection: HttpConnection;
  readonly path: string;
  readonly changes: readonly RefChange[];
  readonly reason: RefReason;
  /** What the refs are there now. */
  readonly refs: (call: Call) => Promise<readonly RemoteRef[]>;
}

/**
 * All changes or none. When the answer is lost the refs are looked at: moved is done, untouched is tried once more,
 * anything else throws REF_CHANGED. Throws LIMIT_EXCEEDED, what the server may pass on, REMOTE_UNREACHABLE,
 * REMOTE_FAILED.
 */
export async function updateOverHttp(update: Update, call: Call): Promise<void> {
  const { connection, changes } = update;
  const request = requestOf(update);
  let lost = 0;
  for (let retry = 0; ; retry++) {
    try {
      await connection.once(request, call, (answer, now) => readOutcome(answer, { connection, call, now }));
      return;
    } catch (error) {
      if (isSmcError(error, "CANCELED")) throw error;
      const trouble = outcomeTrouble(error);
      if (trouble.code === "REF_CHANGED" && lost > 0) {
        // Perhaps by the change whose answer was lost.
        if (stateOf(await update.refs(call), changes) === "done") return;
      }
      if (!isLost(trouble)) {
        if (!trouble.isShort || retry >= connection.limits.retriesMax) throw connection.tell(PHASE, trouble);
      } else {
        if ((await look(update, trouble, call)) === "done") return;
        if (lost >= AGAIN_MAX || !trouble.isShort) throw connection.tell(PHASE, unknownOutcome(trouble));
        lost += 1;
      }
      await backOff({ call, limits: connection.limits, retry }, trouble.retryAfterMs);
    }
  }
}

function requestOf({ path, changes, reason }: Update): HttpRequest {
  const body = Buffer.from(JSON.stringify({ changes, reason }));
  if (body.length > BODY_BYTES_MAX) {
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `${changes.length} refs at once are more than a server takes; no ref was moved`,
      {
        hint: "push fewer refs at a time",
      },
    );
  }
  const headers = { "content-type": "application/json", accept: NDJSON_TYPE };
  return { method: "POST", path, headers, body, statuses: [200], phase: PHASE, isQuiet: true };
}

/** Errors that are none of the network's, but whose text is from the server, come as AnswerError. */
function outcomeTrouble(error: unknown): HttpTrouble {
  if (isSmcError(error)) throw error;
  return troubleOfRequest(error);
}

/** The request may have been carried out all the same. */
function isLost({ code, isUndone, status }: HttpTrouble): boolean {
  if (isUndone || isPassedOn(code)) return false;
  return status === undefined || status === 200 || status === 502 || status === 504;
}

async function look(update: Update, trouble: HttpTrouble, call: Call): Promise<"done" | "untouched"> {
  const { connection } = update;
  let refs;
  try {
    refs = await update.refs(call);
  } catch (error) {
    if (!isSmcError(error) || error.code === "CANCELED") throw error;
    throw connection.tell(PHASE, unknownOutcome(trouble));
  }
  const state = stateOf(refs, update.changes);
  if (state !== "other") return state;
  throw connection.tell(PHASE, {
    ...trouble,
    code: "REF_CHANGED",
    text: `${trouble.text}; the refs are neither what they were nor what they should be: somebody else moved them`,
  });
}

function unknownOutcome(trouble: HttpTrouble): HttpTrouble {
  return {
    ...trouble,
    text: `${trouble.text}; it is not known whether the refs were moved`,
    hint: 'see "smc outdated", and push again: what is done already is not done twice',
  };
}

function stateOf(refs: readonly RemoteRef[], changes: readonly RefChange[]): "done" | "untouched" | "other" {
  const now = new Map<string, string>(refs.map(({ name, digest }) => [name, digest]));
  const at = (name: string): string => now.get(name) ?? "absent";
  if (changes.every(({ name, to }) => at(name) === to)) return "done";
  return changes.every(({ name, from }) => from === "any" || at(name) === from) ? "untouched" : "other";
}

/** Lines of progress, then the result or the error. */
async function readOutcome(
  answer: HttpAnswer,
  { connection, call, now }: { connection: HttpConnection; call: Call; now: Attempt },
): Promise<void> {
  for await (const line of readLines(answer, LINE_BYTES_MAX)) {
    now.touch();
    const message = parseObject(line);
    if ("progress" in message) tellProgress(message.progress, call);
    else if ("error" in message) throw refusal(line.toString("utf8"), connection);
    else if ("result" in message) return;
  }
  throw Object.assign(new Error("no last line"), { code: "ERR_STREAM_PREMATURE_CLOSE" });
}

function refusal(line: string, connection: HttpConnection): AnswerError {
  const { code, message } = readError(line);
  const text = show(connection.clean(message === "" ? code : message), 300);
  const rest = { isShort: false, retryAfterMs: 0, isUndone: true, status: undefined };
  if (isPassedOn(code)) return new AnswerError({ ...rest, code, text });
  const named = `it answered ${show(connection.clean(code), 60)}: ${text}`;
  return new AnswerError({ ...rest, code: "REMOTE_FAILED", text: named });
}

function tellProgress(value: unknown, call: Call): void {
  const { phase, done, total, unit } = (value ?? {}) as Partial<Record<keyof Progress, unknown>>;
  if (typeof phase !== "string" || !isCount(done) || typeof unit !== "string" || !UNITS.has(unit)) return;
  call.onProgress({
    phase: show(phase, 40),
    done,
    ...(isCount(total) ? { total } : {}),
    unit: unit as Progress["unit"],
  });
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
