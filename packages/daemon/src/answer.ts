/** How a verb's answer goes out: plain JSON, or lines of progress that end with the result or the error. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { breathe, type Call, type Progress, type StoreEvent } from "@smc/store";
import { type ErrorJson, SmcError } from "@smc/store/errors";
import { jsonPieces } from "./json.ts";
import { JSON_TYPE, NDJSON_TYPE, PROTOCOL, PROTOCOL_HEADER } from "./protocol.ts";

/** No verb tells its progress more often, and none that is faster tells it at all. */
export const PROGRESS_MS = 100;
/** A client that reads nothing of a result for so long is given up. */
const STALLED_MS = 5 * 60_000;
const WRITE_BYTES = 64 * 1024;
const OWN_HEADERS = { [PROTOCOL_HEADER]: PROTOCOL, "cache-control": "no-store" };
/** Told when nothing else is there to tell. */
const STILL_AT_WORK: Progress = { phase: "work", done: 0, unit: "objects" };

/** A failure as it goes out, and the status that it has when nothing was sent yet. */
export interface Failure {
  readonly http: number;
  readonly json: ErrorJson;
}

export interface Answering {
  readonly controller: AbortController;
  /** Lets no more time go by without a line, whether there is progress or not: then silence means that nobody works. */
  readonly beatMs?: number;
  /** Beside content type and length; default: the protocol of the daemon's socket. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly run: (call: Call) => Promise<unknown>;
  readonly describe: (error: unknown) => Failure;
}

/** Runs a verb and writes its answer; the client going away aborts it. Never throws: returns the failure, if any. */
export async function answerVerb(
  response: ServerResponse,
  answering: Answering,
): Promise<Failure | undefined> {
  const { controller, run, describe, beatMs, headers = OWN_HEADERS } = answering;
  const lines = new Lines(response, headers);
  const beat = beatMs === undefined ? undefined : setInterval(() => lines.beat(beatMs), beatMs / 2);
  const leave = (): void => {
    if (!response.writableFinished) controller.abort(new SmcError("CANCELED", "the caller went away"));
  };
  response.once("close", leave);
  let failure: Failure | undefined;
  let envelope: { result: unknown } | { error: ErrorJson };
  try {
    envelope = {
      result: await run({
        signal: controller.signal,
        onProgress: (progress) => lines.tell(progress),
        onEvent: (event) => lines.event(event),
      }),
    };
  } catch (error) {
    failure = describe(error);
    envelope = { error: failure.json };
  } finally {
    clearInterval(beat);
  }
  try {
    await lines.end(failure?.http ?? 200, envelope);
  } catch (error) {
    // Closing the connection is all the answer that a client can get who does not read.
    response.destroy();
    failure ??= describe(error);
  } finally {
    response.off("close", leave);
  }
  return failure;
}

/** The body of one answer. */
class Lines {
  readonly #response: ServerResponse;
  readonly #headers: Readonly<Record<string, string>>;
  #lastMs = performance.now();
  #held: Progress | undefined;
  #newest: Progress = STILL_AT_WORK;

  constructor(response: ServerResponse, headers: Readonly<Record<string, string>>) {
    this.#response = response;
    this.#headers = headers;
  }

  /** Tells the newest progress once more unless a line went out in the last half of `beatMs`. */
  beat(beatMs: number): void {
    if (performance.now() - this.#lastMs >= Math.max(beatMs / 2, PROGRESS_MS)) this.tell(this.#newest);
  }

  /** Sends at most one line in PROGRESS_MS and keeps the newest of the others; none while the client is behind. */
  tell(progress: Progress): void {
    this.#held = progress;
    this.#newest = progress;
    const now = performance.now();
    if (now - this.#lastMs < PROGRESS_MS || this.#response.writableNeedDrain || this.#response.destroyed)
      return;
    this.#lastMs = now;
    if (!this.#response.headersSent) this.#head(200, NDJSON_TYPE);
    this.#flush();
  }

  /**
   * Waits for a reader who is behind, as long as it takes: it holds one event, and the others wait where they came
   * from.
   */
  async event(event: StoreEvent): Promise<void> {
    if (!this.#response.headersSent) this.#head(200, NDJSON_TYPE);
    await writeAll(this.#response, `${JSON.stringify({ event })}\n`, Number.POSITIVE_INFINITY);
  }

  #flush(): void {
    if (this.#held === undefined) return;
    this.#response.write(`${JSON.stringify({ progress: this.#held })}\n`);
    this.#held = undefined;
  }

  #head(status: number, type: string): void {
    this.#response.writeHead(status, { "content-type": type, ...this.#headers });
  }

  async end(status: number, envelope: { result: unknown } | { error: ErrorJson }): Promise<void> {
    if (this.#response.headersSent) this.#flush();
    else this.#head(status, JSON_TYPE);
    let pending = "";
    for (const piece of jsonPieces(envelope)) {
      pending += piece;
      if (pending.length < WRITE_BYTES) continue;
      await writeAll(this.#response, pending);
      pending = "";
      await breathe();
    }
    this.#response.end(`${pending}\n`);
  }
}

/** Writes and waits until the client has room for more. Throws CANCELED when it is gone or reads nothing. */
export async function writeAll(
  response: ServerResponse,
  part: string | Uint8Array,
  stalledMs: number = STALLED_MS,
): Promise<void> {
  if (response.destroyed) throw gone();
  if (response.write(part)) return;
  const stop = new AbortController();
  const close = (): void => stop.abort();
  const timer = Number.isFinite(stalledMs) ? setTimeout(close, stalledMs) : undefined;
  response.once("close", close);
  try {
    await once(response, "drain", { signal: stop.signal });
  } catch (error) {
    if (stop.signal.aborted) throw gone();
    throw error;
  } finally {
    clearTimeout(timer);
    response.off("close", close);
  }
}

function gone(): SmcError {
  return new SmcError("CANCELED", "the caller went away");
}
