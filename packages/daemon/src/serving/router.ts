/** From a request that came to the right name to its row of the table: who asks, what it may, what it sends. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { fastify, type FastifyInstance, type FastifyRequest } from "fastify";
import { INCOMING_PACK_BYTES_MAX, type TokenRecord } from "@smc/store";
import { type ErrorJson, isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Failure } from "../answer.ts";
import { JSON_TYPE } from "../protocol.ts";
import { assertScope, identify } from "./access.ts";
import type { ServingLimits } from "./limits.ts";
import type { ServingHost } from "./listener.ts";
import { describeRefusal, sendJson } from "./refusal.ts";
import { type Exchange, type Route, ROUTES } from "./routes.ts";
import type { Shares } from "./shares.ts";
import { BYTES_TYPE, REMOTE_PROTOCOL, REMOTE_PROTOCOL_HEADER } from "./wire.ts";

const HEALTH = "/healthz";
/** Longer than a repository's name can be, percent-encoded. */
const PARAM_LENGTH_MAX = 1024;
const TYPES: Readonly<Record<Exclude<Route["body"], "none">, RegExp>> = {
  bytes: /^application\/octet-stream$/i,
  json: /^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i,
};

/** A request as the listener gives it. */
export interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** It waits for "100 Continue" before it sends its body. */
  readonly isExpecting: boolean;
}

/** What every request needs to know. */
interface Routing {
  readonly host: ServingHost;
  readonly limits: ServingLimits;
  readonly shares: Shares;
  readonly describe: (error: unknown) => Failure;
  readonly arrivals: WeakMap<IncomingMessage, Arrival>;
  readonly callers: WeakMap<IncomingMessage, TokenRecord>;
}

/** Gives back what answers each request; it never throws. */
export async function createRouter(
  host: ServingHost,
  { limits, shares }: Pick<Routing, "limits" | "shares">,
): Promise<(arrival: Arrival) => void> {
  const { store, logger } = host;
  const describe = (error: unknown): Failure => describeRefusal(error, { logger, storePath: store.path });
  const routing: Routing = {
    host,
    limits,
    shares,
    describe,
    arrivals: new WeakMap(),
    callers: new WeakMap(),
  };
  const server = fastify({
    // Bodies are read by the routes, each with its own limit.
    bodyLimit: Number.MAX_SAFE_INTEGER,
    exposeHeadRoutes: false,
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, maxParamLength: PARAM_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => {
      reply.hijack();
      refuse(routing, request.raw, error);
    },
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser("*", (_request, _payload, done) => done(null));
  server.addHook("onRequest", async (request) => letIn(routing, request));
  server.setNotFoundHandler((request) => {
    throw new SmcError("ROUTE_NOT_FOUND", `there is nothing at ${request.method} ${show(request.url, 200)}`, {
      hint: "see docs/design/protocol.md",
    });
  });
  server.setErrorHandler((error, request, reply) => {
    reply.hijack();
    refuse(routing, request.raw, error);
  });
  server.get(HEALTH, (request, reply) => {
    reply.hijack();
    sendJson(reply.raw, 200, { body: { status: "ok" } });
  });
  for (const route of ROUTES) addRoute(server, routing, route);
  await server.ready();
  return (arrival) => {
    routing.arrivals.set(arrival.request, arrival);
    server.routing(arrival.request, arrival.response);
  };
}

/** Looks at the version, then at the token, then at everything else. */
async function letIn(
  { host, shares, callers }: Routing,
  { raw, routeOptions }: FastifyRequest,
): Promise<void> {
  if (routeOptions.url !== HEALTH) callers.set(raw, await callerOf(raw, { store: host.store, shares }));
}

/** Whose token it is. Throws REQUEST_INVALID, DAEMON_INCOMPATIBLE, AUTH_FAILED, RATE_LIMITED. */
export async function callerOf(
  { headers, socket }: IncomingMessage,
  { store, shares }: { readonly store: ServingHost["store"]; readonly shares: Shares },
): Promise<TokenRecord> {
  const version = headers[REMOTE_PROTOCOL_HEADER];
  if (version === undefined) {
    throw new SmcError("REQUEST_INVALID", `the header ${REMOTE_PROTOCOL_HEADER} is missing`, {
      hint: `send ${REMOTE_PROTOCOL_HEADER}: ${REMOTE_PROTOCOL}`,
    });
  }
  if (version !== REMOTE_PROTOCOL) {
    const spoken = `this server speaks version ${REMOTE_PROTOCOL}, not ${show(String(version), 40)}`;
    throw new SmcError("DAEMON_INCOMPATIBLE", `${spoken}; nothing was changed`, {
      hint: "use the same version of smc on both machines",
    });
  }
  try {
    return await identify(store, headers.authorization);
  } catch (error) {
    // A token that is one is always let in: many may come from the address of a gateway.
    if (isSmcError(error, "AUTH_FAILED")) shares.failLogin(socket.remoteAddress);
    throw error;
  }
}

function addRoute(server: FastifyInstance, routing: Routing, route: Route): void {
  server.route<{ Params: Exchange["params"] }>({
    method: route.method,
    url: route.path,
    handler: async (request, reply) => {
      const { raw } = request;
      reply.hijack();
      const arrival = routing.arrivals.get(raw);
      const caller = routing.callers.get(raw);
      if (arrival === undefined || caller === undefined)
        return refuse(routing, raw, new SmcError("INTERNAL", "a request that nobody let in"));
      const entered = routing.host.enter();
      if (entered === undefined)
        return refuse(
          routing,
          raw,
          new SmcError("DAEMON_STOPPING", "the server is leaving; nothing was changed"),
        );
      const { controller } = entered;
      const gone = (): void => {
        if (!reply.raw.writableFinished) controller.abort(new SmcError("CANCELED", "the caller went away"));
      };
      reply.raw.once("close", gone);
      const { limits, shares, describe, host } = routing;
      const { store, logger } = host;
      const { params } = request;
      try {
        assertScope(caller, route.scope);
        assertForm(raw, route);
        await route.answer({
          ...arrival,
          store,
          logger,
          limits,
          shares,
          caller,
          params,
          controller,
          describe,
        });
        // What was not wanted of the body is read away: the next request comes behind it.
        raw.resume();
      } catch (error) {
        refuse(routing, raw, error);
      } finally {
        reply.raw.off("close", gone);
        entered.leave();
      }
    },
  });
}

/** Throws REQUEST_INVALID for a query, REQUEST_TYPE_INVALID for another body than the route takes. */
function assertForm({ url, headers }: IncomingMessage, { body }: Route): void {
  if (url?.includes("?") === true)
    throw new SmcError("REQUEST_INVALID", "nothing stands behind a '?' in requests of this protocol");
  if (headers["transfer-encoding"] !== undefined)
    throw new SmcError("REQUEST_INVALID", "a body must say how long it is (content-length)");
  if (body === "none") return;
  if (TYPES[body].test(headers["content-type"] ?? "") && headers["content-encoding"] === undefined) return;
  const type = body === "json" ? JSON_TYPE : BYTES_TYPE;
  throw new SmcError("REQUEST_TYPE_INVALID", `the body of this request must be ${type}, not compressed`, {
    hint: `send content-type: ${type}`,
  });
}

/** Answers with what may be told of an error; ends the connection when an answer has begun, or a body stays unread. */
function refuse({ arrivals, callers, describe }: Routing, request: IncomingMessage, error: unknown): void {
  const { response, isExpecting = false } = arrivals.get(request) ?? {};
  if (response === undefined) {
    request.destroy();
    return;
  }
  const { http, json } = describe(translate(error));
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { headers } = request;
  // The body of somebody known is read away, so that the answer is not lost while it is being sent.
  const goesOn =
    request.complete ||
    (callers.has(request) &&
      !isExpecting &&
      json.code !== "CANCELED" &&
      headers["transfer-encoding"] === undefined &&
      Number(headers["content-length"] ?? 0) <= INCOMING_PACK_BYTES_MAX);
  sendJson(response, http, {
    body: { error: json },
    headers: headersOf(http, json),
    isLast: !goesOn,
  });
  if (goesOn) request.resume();
}

function headersOf(http: number, { details }: ErrorJson): Record<string, string> {
  if (http === 401) return { "www-authenticate": "Bearer" };
  const seconds = details?.["retryAfterSeconds"];
  return http === 429 && typeof seconds === "number" ? { "retry-after": String(seconds) } : {};
}

/** What the router itself refuses. */
function translate(error: unknown): unknown {
  if (isSmcError(error)) return error;
  const { statusCode } = error as { statusCode?: number };
  if (statusCode === undefined || statusCode < 400 || statusCode >= 500) return error;
  if (statusCode === 415) return new SmcError("REQUEST_TYPE_INVALID", "the content-type is not one");
  return new SmcError("REQUEST_INVALID", show(error instanceof Error ? error.message : String(error), 200));
}
