/** HTTP on the daemon's socket: limits, checks, routes. */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { type Socket } from "node:net";
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { answerVerb } from "./answer.ts";
import { api, isVerbName } from "./api.ts";
import { sendBlob } from "./blob.ts";
import { describeFailure } from "./failure.ts";
import { handlers } from "./handlers.ts";
import { healing } from "./heal.ts";
import { parseJson } from "./json.ts";
import type { Logger } from "./logger.ts";
import { type At, type DaemonStatus, JSON_TYPE, PROTOCOL, PROTOCOL_HEADER } from "./protocol.ts";
import { isReading } from "./reading.ts";
import { assertValid, warmUp } from "./validate.ts";
import type { JobQueue, OwnedStore } from "@smc/store";

/** A list of 100,000 paths fits. */
export const BODY_BYTES_MAX = 8 * 1024 * 1024;
export const HEADER_BYTES_MAX = 16 * 1024;
export const CONNECTIONS_MAX = 512;
const HEADERS_MS_MAX = 10_000;
const REQUEST_MS_MAX = 60_000;
const KEEP_ALIVE_MS = 5_000;
/** Written by scripts/openapi.mjs. */
const OPENAPI = new URL("../openapi.json", import.meta.url);
const BODY_TYPE = /^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i;

/** What the server asks of the process around it. */
export interface Host {
  readonly store: OwnedStore;
  readonly jobs: JobQueue;
  readonly logger: Logger;
  readonly onHooksChanged: () => void;
  readonly status: () => DaemonStatus;
  readonly resetLoopDelay: () => void;
  /** Begins to leave; the answer to this request still goes out. */
  readonly stop: () => void;
  /** Registers a request that counts as work; undefined when the daemon is leaving. */
  readonly enter: () => Entered | undefined;
  /** The same for one that only waits for what others do. */
  readonly watch: () => Entered | undefined;
}

export interface Entered {
  readonly controller: AbortController;
  readonly leave: () => void;
}

export type Server = FastifyInstance;

export function createDaemonServer(host: Host): Server {
  const server = fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: "idle",
    exposeHeadRoutes: false,
    return503OnClosing: false,
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false },
    serverFactory: (handler) => {
      const http = createServer({ maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_MS_MAX }, handler);
      http.maxConnections = CONNECTIONS_MAX;
      http.requestTimeout = REQUEST_MS_MAX;
      http.keepAliveTimeout = KEEP_ALIVE_MS;
      return http;
    },
    clientErrorHandler: refuseBrokenRequest,
    frameworkErrors: (error, _request, reply) => {
      sendFailure(host, reply, new SmcError("REQUEST_INVALID", show(error.message, 200)));
    },
  });
  server.addHook("onRequest", async (request, reply) => {
    reply.header(PROTOCOL_HEADER, PROTOCOL);
    reply.header("cache-control", "no-store");
    assertOwnClient(request.raw);
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(
    JSON_TYPE,
    { parseAs: "buffer" },
    async (_request: FastifyRequest, body: Buffer) => parseJson(body),
  );
  server.setNotFoundHandler((request, reply) => {
    const what = `${request.method} ${show(request.url, 200)}`;
    sendFailure(host, reply, new SmcError("ROUTE_NOT_FOUND", `the daemon has nothing at ${what}`));
  });
  server.setErrorHandler((error, _request, reply) => sendFailure(host, reply, translate(error)));
  addRoutes(server, host);
  warmUp(api.refs.request);
  return server;
}

function addRoutes(server: FastifyInstance, host: Host): void {
  server.get("/healthz", () => ({ status: "ok" }));
  server.get("/v1/openapi.json", async (_request, reply) => {
    return reply.type(JSON_TYPE).send(await readFile(OPENAPI));
  });
  server.get("/v1/daemon", () => ({ result: host.status() }));
  server.post("/v1/daemon/measure", () => {
    host.resetLoopDelay();
    return { result: {} };
  });
  server.post("/v1/daemon/stop", () => {
    host.stop();
    return { result: { pid: process.pid } };
  });
  server.get<{ Params: { digest: string } }>("/v1/blobs/:digest", async (request, reply) => {
    const entered = enter(host);
    try {
      await sendBlob({
        store: host.store,
        reply,
        digest: request.params.digest,
        signal: entered.controller.signal,
        describe: (error) => describeFailure(error, host.logger, { route: "blob" }),
      });
    } finally {
      entered.leave();
    }
    return reply;
  });
  server.post<{ Params: { verb: string } }>("/v1/verbs/:verb", async (request, reply) => {
    const { verb } = request.params;
    if (!isVerbName(verb)) throw new SmcError("ROUTE_NOT_FOUND", `there is no verb '${show(verb, 80)}'`);
    assertValid(api[verb].request, request.body);
    const body = request.body as { at: At; input: never };
    const entered = isWatching(verb, body.input) ? orLeaving(host.watch()) : enter(host);
    reply.hijack();
    try {
      await runVerb(host, { verb, reply, entered, body });
    } finally {
      entered.leave();
    }
  });
}

interface VerbRun {
  readonly verb: keyof typeof handlers;
  readonly reply: FastifyReply;
  readonly entered: Entered;
  readonly body: { readonly at: At; readonly input: never };
}

async function runVerb(host: Host, { verb, reply, entered, body }: VerbRun): Promise<void> {
  const { store, jobs, logger, onHooksChanged } = host;
  const startMs = performance.now();
  const reads = isReading(verb, body.input);
  const failure = await answerVerb(reply.raw, {
    controller: entered.controller,
    run: (call) =>
      healing(host, { isReading: reads }, async () =>
        handlers[verb]({ store, jobs, at: body.at, onHooksChanged }, body.input, call),
      ),
    describe: (error) => describeFailure(error, logger, { verb }),
  });
  const fields = { verb, ms: Math.round(performance.now() - startMs), code: failure?.json.code };
  if (failure === undefined && !reads) logger.info(fields, "verb done");
  else logger.debug(fields, "verb done");
}

function isWatching(verb: string, input: { readonly follow?: boolean }): boolean {
  return verb === "events" && input.follow === true;
}

function enter(host: Host): Entered {
  return orLeaving(host.enter());
}

function orLeaving(entered: Entered | undefined): Entered {
  if (entered === undefined)
    throw new SmcError("DAEMON_STOPPING", "the daemon is leaving; nothing was changed");
  return entered;
}

/** A browser, another program or another version is turned away before anything is read. */
export function assertOwnClient({
  headers,
  method,
  url,
}: Pick<IncomingMessage, "headers" | "method" | "url">): void {
  const site = headers["sec-fetch-site"];
  if (headers.origin !== undefined || (site !== undefined && site !== "none")) {
    throw new SmcError("ORIGIN_FORBIDDEN", "requests of web pages are not answered");
  }
  if (url === "/healthz") return;
  const protocol = headers[PROTOCOL_HEADER];
  if (protocol === undefined) {
    throw new SmcError("REQUEST_INVALID", `the header ${PROTOCOL_HEADER} is missing`, {
      hint: `send ${PROTOCOL_HEADER}: ${PROTOCOL}`,
    });
  }
  if (protocol !== PROTOCOL) {
    throw new SmcError(
      "DAEMON_INCOMPATIBLE",
      `this daemon speaks protocol ${PROTOCOL}, not ${show(String(protocol), 40)}; nothing was changed`,
    );
  }
  if (method === "GET" || method === "HEAD") return;
  if (!BODY_TYPE.test(headers["content-type"] ?? "") || headers["content-encoding"] !== undefined) {
    throw new SmcError(
      "REQUEST_TYPE_INVALID",
      "the body of a request must be application/json in UTF-8, not compressed",
    );
  }
}

function translate(error: unknown): unknown {
  if (isSmcError(error)) return error;
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    return new SmcError(
      "REQUEST_TOO_LARGE",
      `the body is longer than ${BODY_BYTES_MAX} bytes; nothing was changed`,
    );
  }
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return new SmcError("REQUEST_TYPE_INVALID", "the body of a request must be application/json");
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new SmcError("REQUEST_INVALID", show(error instanceof Error ? error.message : String(error), 200));
  }
  return error;
}

function sendFailure({ logger }: Host, reply: FastifyReply, error: unknown): void {
  const { http, json } = describeFailure(error, logger, {});
  void reply
    .code(http)
    .header(PROTOCOL_HEADER, PROTOCOL)
    .type(JSON_TYPE)
    // What is left of a refused body is not read: the connection ends here.
    .header("connection", "close")
    .send({ error: json });
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, `the head of the request is longer than ${HEADER_BYTES_MAX} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the request did not arrive in time"],
};

/** For what Node could not read as HTTP. */
function refuseBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, why] = CLIENT_ERRORS[error.code ?? ""] ?? [400, "the request is not HTTP/1.1"];
  const body = JSON.stringify({ error: new SmcError("REQUEST_INVALID", why) });
  const head = [
    `HTTP/1.1 ${status} Refused`,
    `content-type: ${JSON_TYPE}`,
    `${PROTOCOL_HEADER}: ${PROTOCOL}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
