/**
 * Jobs over WebSocket: `GET /v1/jobs/JOB/events` tells what is new of a job, as it happens, until it has ended. Each
 * message names the position behind it: whoever comes again with that misses nothing and hears nothing twice.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { type FollowPosition, findJob, type JobQueue, jobs, type OwnedStore } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Failure } from "../answer.ts";
import { jobsApi } from "../api-jobs.ts";
import { parseJson } from "../json.ts";
import { JSON_TYPE } from "../protocol.ts";
import type { Entered } from "../server.ts";
import { assertValid } from "../validate.ts";
import { type JobMessage, messageOf, type Told, toldAfter } from "./job-message.ts";

export interface WatchLimits {
  /** At the same time. */
  readonly connections: number;
  /** Whoever has not answered the ping before the next one is gone. */
  readonly pingMs: number;
  /** For the network to take one message. There is never more than one on its way. */
  readonly stalledMs: number;
  /** How often it is asked whether the watcher still may. */
  readonly recheckMs: number;
}

const WATCH_LIMITS: WatchLimits = { connections: 64, pingMs: 30_000, stalledMs: 30_000, recheckMs: 1_000 };
/** Nothing is taken but pings, pongs and the end. */
const TAKEN_BYTES_MAX = 1024;
/** Until a watcher that was told the end has closed its side. */
const CLOSE_MS = 1_000;
const TARGET_LENGTH_MAX = 4096;
const TARGET = /^\/v1\/jobs\/([^/?]{1,600})\/events(?:\?since=([^&#]*))?$/;

/** Codes of RFC 6455, and those from 4000 on that are free: 4000 and the status that HTTP has for it. */
const CLOSED = { done: 1000, notTaken: 1008, internal: 1011, leaving: 1012, slow: 1013 } as const;
const OWN_CODES = 4000;

/** What sockets ask of the daemon around them. */
export interface WatchHost {
  readonly store: OwnedStore;
  readonly jobs: JobQueue;
  /** Undefined when the daemon is leaving. */
  readonly watch: () => Entered | undefined;
  readonly limits?: Partial<WatchLimits>;
}

/** Who may come in by one door. */
export interface Door {
  /** Throws unless the request may watch jobs; asked again as long as it does. */
  readonly admit: (request: IncomingMessage) => void | Promise<void>;
  readonly describe: (error: unknown) => Failure;
}

interface Watched {
  readonly id: string;
  readonly since: FollowPosition | undefined;
}

export class JobSockets {
  readonly #host: WatchHost;
  readonly #limits: WatchLimits;
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: TAKEN_BYTES_MAX,
  });
  #count = 0;

  constructor(host: WatchHost) {
    this.#host = host;
    this.#limits = { ...WATCH_LIMITS, ...host.limits };
  }

  /** For the event `upgrade` of a server of HTTP. Never throws: who is refused gets an answer of HTTP. */
  async upgrade(
    { request, socket, head }: { request: IncomingMessage; socket: Duplex; head: Buffer },
    door: Door,
  ): Promise<void> {
    socket.on("error", () => socket.destroy());
    try {
      await door.admit(request);
      const watched = this.#watchedOf(request.url ?? "");
      if (this.#count >= this.#limits.connections)
        throw new SmcError("LIMIT_EXCEEDED", `${this.#limits.connections} watch jobs already`, {
          hint: "come again later",
        });
      this.#server.handleUpgrade(request, socket, head, (web) => {
        void this.#serve(web, watched, () => door.admit(request));
      });
    } catch (error) {
      refuse(socket, door.describe(error));
    }
  }

  /** Throws ROUTE_NOT_FOUND, REQUEST_INVALID, JOB_NOT_FOUND. */
  #watchedOf(url: string): Watched {
    const [, job, since] = (url.length <= TARGET_LENGTH_MAX ? TARGET.exec(url) : null) ?? [];
    if (job === undefined)
      throw new SmcError("ROUTE_NOT_FOUND", `no WebSocket is at ${show(url, 200)}`, {
        hint: "jobs are watched at /v1/jobs/JOB/events",
      });
    const { id } = findJob({ queue: this.#host.jobs }, decoded(job));
    if (since === undefined) return { id, since: undefined };
    const position = parseJson(Buffer.from(decoded(since)));
    assertValid(jobsApi.jobs.input.properties.since, position);
    return { id, since: position as FollowPosition };
  }

  async #serve(web: WebSocket, watched: Watched, recheck: () => void | Promise<void>): Promise<void> {
    const entered = this.#host.watch();
    if (entered === undefined) return web.close(CLOSED.leaving, "the daemon is leaving");
    const { controller, leave } = entered;
    this.#count += 1;
    web.once("close", () => controller.abort(new SmcError("CANCELED", "the watcher went away")));
    // A fault of the protocol: the library closes with the code that says which.
    web.on("error", () => controller.abort(new SmcError("CANCELED", "the watcher broke the protocol")));
    web.on("message", () => web.close(CLOSED.notTaken, "nothing is taken here"));
    const pings = this.#ping(web);
    try {
      await this.#tell(web, watched, { signal: controller.signal, recheck });
      web.close(CLOSED.done, "the job has ended");
    } catch (error) {
      web.close(codeOf(error), isSmcError(error) ? reasonOf(error) : "something went wrong");
    } finally {
      clearInterval(pings);
      this.#count -= 1;
      leave();
      setTimeout(() => web.terminate(), CLOSE_MS).unref();
    }
  }

  #ping(web: WebSocket): NodeJS.Timeout {
    let isThere = true;
    web.on("pong", () => {
      isThere = true;
    });
    return setInterval(() => {
      if (!isThere) return web.terminate();
      isThere = false;
      web.ping();
    }, this.#limits.pingMs);
  }

  async #tell(
    web: WebSocket,
    { id, since }: Watched,
    { signal, recheck }: { signal: AbortSignal; recheck: () => void | Promise<void> },
  ): Promise<void> {
    let position = since;
    let told: Told = { layers: "", predictions: "" };
    for (;;) {
      await recheck();
      const message = await this.#news({ id, since: position }, { signal, told });
      if (message.events.length > 0) await this.#send(web, JSON.stringify(message));
      if (message.events.some(({ type }) => type === "end")) return;
      ({ position } = message);
      told = toldAfter(told, message);
    }
  }

  async #news(
    { id, since }: Watched,
    { signal, told }: { signal: AbortSignal; told: Told },
  ): Promise<JobMessage> {
    const { store, jobs: queue } = this.#host;
    using _ = store.calls.enter();
    const openRepository = (): never => {
      throw new SmcError("INTERNAL", "a job is watched without a repository");
    };
    const asked = { action: "follow", job: id, waitMs: this.#limits.recheckMs, progress: true } as const;
    const options = { ...asked, ...(since === undefined ? {} : { since }) };
    const result = await jobs({ store, queue, openRepository }, options, {
      signal,
      onProgress: () => undefined,
    });
    return messageOf(result, { since, told });
  }

  /**
   * Returns when the network has taken it: that is the whole queue. Throws LIMIT_EXCEEDED for one that reads too
   * slowly.
   */
  async #send(web: WebSocket, text: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const { stalledMs } = this.#limits;
    const stalled = new Promise<never>((_, reject) => {
      const slow = new SmcError("LIMIT_EXCEEDED", `slow reader: a message was not taken in ${stalledMs} ms`);
      timer = setTimeout(() => reject(slow), stalledMs);
    });
    const sent = new Promise<void>((resolve, reject) => {
      web.send(text, (error) => (error === undefined || error === null ? resolve() : reject(error)));
    });
    try {
      await Promise.race([sent, stalled]);
    } finally {
      clearTimeout(timer);
      sent.catch(() => undefined);
    }
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new SmcError("REQUEST_INVALID", `'${show(text, 80)}' is not percent-encoded UTF-8`);
  }
}

function codeOf(error: unknown): number {
  if (!isSmcError(error)) return CLOSED.internal;
  if (error.code === "LIMIT_EXCEEDED") return CLOSED.slow;
  if (error.code === "DAEMON_STOPPING") return CLOSED.leaving;
  return error.http < 500 ? OWN_CODES + error.http : CLOSED.internal;
}

/** What RFC 6455 has room for. */
function reasonOf({ message }: SmcError): string {
  return show(message, 100).replaceAll(/[^\u0020-\u007e]/g, "?");
}

function refuse(socket: Duplex, { http, json }: Failure): void {
  const body = `${JSON.stringify({ error: json })}\n`;
  const head = [
    `HTTP/1.1 ${http} Refused`,
    `content-type: ${JSON_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "cache-control: no-store",
    ...(http === 401 ? ["www-authenticate: Bearer"] : []),
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), CLOSE_MS).unref();
}
