/** One request on the daemon's socket, and its answer. Imports only what the command line can load at once. */
import { type IncomingMessage, request as httpRequest } from "node:http";
import type { Progress, StoreEvent } from "@smc/store";
import { type ErrorJson, isSmcError, SmcError } from "@smc/store/errors";
import { JSON_TYPE, NDJSON_TYPE, PROTOCOL, PROTOCOL_HEADER } from "./protocol.ts";

/** The longest answer that is read whole. */
export const ANSWER_BYTES_MAX = 512 * 1024 * 1024;

export interface RequestOptions {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** The request never reached a verb: it is safe to send it again. */
export class NotAccepted extends Error {
  constructor(cause: unknown) {
    super("the daemon did not take the request", { cause });
    this.name = "NotAccepted";
  }
}

/** The connection broke after the request was sent: whether it was carried out is unknown. */
export class Broken extends Error {
  constructor(cause: unknown) {
    super("the connection to the daemon broke", { cause });
    this.name = "Broken";
  }
}

/**
 * Sends one request and returns when the head of the answer is there. The body waits for "100 Continue", so a
 * connection that breaks before it proves that nothing was done. Throws NotAccepted, Broken, CANCELED.
 */
export function send(socketPath: string, options: RequestOptions): Promise<IncomingMessage> {
  const { method, path, signal } = options;
  const body = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
  const headers = {
    host: "localhost",
    connection: "close",
    [PROTOCOL_HEADER]: PROTOCOL,
    ...bodyHeaders(body),
  };
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(canceled());
    let bodySent = false;
    const request = httpRequest({ socketPath, method, path, headers, agent: false });
    const abort = (): void => {
      request.destroy();
      reject(canceled());
    };
    signal.addEventListener("abort", abort, { once: true });
    request.once("continue", () => {
      bodySent = true;
      request.end(body);
    });
    request.once("response", (answer) => {
      signal.removeEventListener("abort", abort);
      stopOnAbort(answer, signal);
      answer.once("close", () => request.destroy());
      resolve(answer);
    });
    request.on("error", (error) => {
      signal.removeEventListener("abort", abort);
      reject(bodySent ? new Broken(error) : new NotAccepted(error));
    });
    if (body === undefined) request.end();
    else request.flushHeaders();
  });
}

function bodyHeaders(body: Uint8Array | undefined): Record<string, string | number> {
  if (body === undefined) return {};
  return { "content-type": JSON_TYPE, "content-length": body.length, expect: "100-continue" };
}

function stopOnAbort(answer: IncomingMessage, signal: AbortSignal): void {
  const abort = (): void => {
    answer.destroy(canceled());
  };
  if (signal.aborted) return abort();
  signal.addEventListener("abort", abort, { once: true });
  answer.once("close", () => signal.removeEventListener("abort", abort));
}

export function canceled(): SmcError {
  return new SmcError("CANCELED", "stopped on request");
}

/**
 * Reads an answer to its end: progress and events as they come, then the result. Throws what the daemon answered,
 * DAEMON_INCOMPATIBLE for an answer of another protocol, Broken when it ends too early.
 */
export async function readAnswer(
  answer: IncomingMessage,
  onProgress: (progress: Progress) => void = () => {},
  onEvent: (event: StoreEvent) => Promise<void> = async () => {},
): Promise<unknown> {
  assertProtocol(answer);
  if (answer.headers["content-type"]?.startsWith(NDJSON_TYPE) !== true) {
    return openEnvelope(parse(Buffer.concat(await collect(answer))));
  }
  for await (const line of readLines(answer)) {
    const message = parse(line);
    if (isObject(message) && "progress" in message) onProgress(message.progress as Progress);
    else if (isObject(message) && "event" in message) await onEvent(message.event as StoreEvent);
    else return openEnvelope(message);
  }
  throw new Broken(new Error("the answer has no last line"));
}

/** Throws DAEMON_INCOMPATIBLE. */
export function assertProtocol(answer: IncomingMessage): void {
  const spoken = answer.headers[PROTOCOL_HEADER];
  if (spoken === PROTOCOL) return;
  answer.destroy();
  throw new SmcError(
    "DAEMON_INCOMPATIBLE",
    `the daemon that runs speaks ${spoken === undefined ? "no protocol of smc" : `protocol ${String(spoken)}`}, ` +
      `this smc speaks ${PROTOCOL}`,
  );
}

async function collect(answer: IncomingMessage): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of readBody(answer)) {
    sizeBytes += part.length;
    if (sizeBytes > ANSWER_BYTES_MAX) throw tooLong();
    parts.push(part);
  }
  return parts;
}

/** The body of an answer; a connection that ends early throws Broken. */
export async function* readBody(answer: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const part of answer as AsyncIterable<Buffer>) yield part;
  } catch (error) {
    throw isSmcError(error) ? error : new Broken(error);
  }
  if (!answer.complete) throw new Broken(new Error("the answer is not complete"));
}

async function* readLines(answer: IncomingMessage): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of readBody(answer)) {
    let start = 0;
    for (let end = part.indexOf(10); end >= 0; end = part.indexOf(10, start)) {
      yield Buffer.concat([...parts, part.subarray(start, end)]);
      parts = [];
      sizeBytes = 0;
      start = end + 1;
    }
    if (start === part.length) continue;
    parts.push(part.subarray(start));
    sizeBytes += part.length - start;
    if (sizeBytes > ANSWER_BYTES_MAX) throw tooLong();
  }
}

function tooLong(): SmcError {
  return new SmcError("LIMIT_EXCEEDED", `the answer is longer than ${ANSWER_BYTES_MAX} bytes`, {
    hint: "ask for less at a time",
  });
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new SmcError("DAEMON_INCOMPATIBLE", "the answer of the daemon is not JSON", { cause: error });
  }
}

function openEnvelope(message: unknown): unknown {
  if (isObject(message) && isObject(message.error))
    throw SmcError.fromJSON(message.error as unknown as ErrorJson);
  if (isObject(message) && "result" in message) return message.result;
  throw new SmcError("DAEMON_INCOMPATIBLE", "the answer of the daemon has neither result nor error");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
