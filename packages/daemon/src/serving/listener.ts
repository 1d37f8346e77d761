/** A server on TCP, plain or with TLS, for other machines: docs/design/protocol.md. */
import { once } from "node:events";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { OwnedStore } from "@smc/store";
import { type ErrorCode, isSmcError, SmcError } from "@smc/store/errors";
import type { Logger } from "../logger.ts";
import { JSON_TYPE } from "../protocol.ts";
import type { Entered } from "../server.ts";
import type { Door, JobSockets } from "../watching/job-sockets.ts";
import { type Address, allowedHosts, formatHost, isLoopback, parseAddress, urlOf } from "./address.ts";
import { assertScope } from "./access.ts";
import { whyRefused } from "./admission.ts";
import {
  type Certificate,
  type CertificateFiles,
  type CertificateWatch,
  readCertificate,
  watchCertificate,
} from "./certificate.ts";
import { callerOf, createRouter } from "./router.ts";
import { type ServingLimits, SERVING_LIMITS } from "./limits.ts";
import { ANSWER_HEADERS, describeRefusal, sendJson } from "./refusal.ts";
import { Shares } from "./shares.ts";
import { sweep } from "./sweep.ts";
import { HEADER_BYTES_MAX } from "./wire.ts";

/** A refused connection gets so long to read why. */
const LINGER_MS = 1_000;
/** A server that is never idle takes away what was never used all the same. */
const SWEEP_MS = 3_600_000;
const TLS = { minVersion: "TLSv1.2" } as const;

/** As it stands on the command line. */
export interface ServingOptions {
  /** `HOST:PORT`. */
  readonly listen: string;
  readonly certificate?: CertificateFiles;
  /** Names under which others know this machine. */
  readonly hostNames?: readonly string[];
  readonly limits?: Partial<ServingLimits>;
}

/** Options that were checked: nothing of them fails later but the port. */
export interface Prepared {
  readonly address: Address;
  readonly hosts: ReadonlySet<string>;
  readonly names: readonly string[];
  readonly certificate: Certificate | undefined;
  /** Where it was read, and is looked for a new one. */
  readonly certificateFiles: CertificateFiles | undefined;
  readonly limits: ServingLimits;
}

/** What a listener asks of the daemon around it. */
export interface ServingHost {
  readonly store: OwnedStore;
  readonly logger: Logger;
  readonly enter: () => Entered | undefined;
  readonly sockets: JobSockets;
}

/** Throws USAGE for an address that needs TLS and has none, and what reading the certificate throws. */
export async function prepareServing(options: ServingOptions): Promise<Prepared> {
  const { listen, certificate, hostNames: names = [], limits } = options;
  const address = parseAddress(listen);
  if (certificate === undefined && !isLoopback(address.host)) throw needsTls(address.host);
  return {
    address,
    hosts: allowedHosts(address, names),
    names,
    certificate: certificate === undefined ? undefined : await readCertificate(certificate),
    certificateFiles: certificate,
    limits: { ...SERVING_LIMITS, ...limits },
  };
}

function needsTls(host: string): SmcError {
  return new SmcError("USAGE", `others can reach '${formatHost(host)}', so it needs TLS`, {
    hint: "add --tls-cert and --tls-key, or listen on 127.0.0.1 behind a server that has them",
  });
}

/** Listens from `listen` to `close`. */
export class Listener {
  readonly #prepared: Prepared;
  readonly #host: ServingHost;
  readonly #shares: Shares;
  readonly #sockets = new Set<Socket>();
  /** Answers that are not through yet: a connection with one is not idle. */
  readonly #answers = new Map<Socket, Set<ServerResponse>>();
  #server: Server | undefined;
  #sweeping: NodeJS.Timeout | undefined;
  #renewing: CertificateWatch | undefined;
  #url = "";

  constructor(prepared: Prepared, host: ServingHost) {
    this.#prepared = prepared;
    this.#host = host;
    this.#shares = new Shares(prepared.limits);
  }

  /** With the port that it really has. */
  get url(): string {
    return this.#url;
  }

  /** Throws IO_FAILED, PERMISSION_DENIED when the address cannot be had. */
  async listen(): Promise<void> {
    const { address, certificate, names, hosts } = this.#prepared;
    const route = await createRouter(this.#host, { limits: this.#prepared.limits, shares: this.#shares });
    const answer =
      (isExpecting: boolean): RequestListener =>
      (request, response) => {
        const refused = whyRefused(request, hosts);
        if (refused !== undefined)
          return sendJson(response, refused.http, { body: { error: refused.toJSON() }, isLast: true });
        this.#keep(request.socket, response);
        route({ request, response, isExpecting });
      };
    const server = this.#create(answer(false));
    // Nothing is sent before it is known that it is wanted.
    server.on("checkContinue", answer(true));
    const door = this.#door();
    server.on("upgrade", (request, socket, head) => {
      void this.#host.sockets.upgrade({ request, socket, head }, door);
    });
    await bind(server, address);
    this.#server = server;
    const { address: host, port } = server.address() as AddressInfo;
    if (certificate === undefined && !isLoopback(host)) {
      this.closeAll();
      throw needsTls(host);
    }
    this.#renewing = this.#renew(server);
    this.#sweeping = setInterval(() => void this.#sweep(), SWEEP_MS).unref();
    this.#url = urlOf({ host: address.host, port }, { isTls: certificate !== undefined, names });
  }

  /** What a job prints may be anything: only who may do everything watches it. */
  #door(): Door {
    const { store, logger } = this.#host;
    const { hosts } = this.#prepared;
    return {
      admit: async (request) => {
        const refused = whyRefused(request, hosts);
        if (refused !== undefined) throw refused;
        assertScope(await callerOf(request, { store, shares: this.#shares }), "admin");
      },
      describe: (error) => describeRefusal(error, { logger, storePath: store.path }),
    };
  }

  #create(answer: RequestListener): Server {
    const { certificate, limits } = this.#prepared;
    const options = {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.checkMs,
    };
    const server =
      certificate === undefined
        ? createServer(options, answer)
        : createTlsServer({ ...options, ...certificate, ...TLS, handshakeTimeout: limits.headersMs }, answer);
    server.maxConnections = limits.connections;
    server.on("connection", (socket: Socket) => {
      const leave = this.#shares.connect(socket.remoteAddress);
      if (leave === undefined) {
        // Of TLS nothing can be said before there is a connection.
        if (certificate === undefined) refuseOn(socket, TOO_MANY);
        else socket.destroy();
        return;
      }
      socket.once("close", leave);
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      // What a connection says that is none any more is nobody's business.
      socket.on("error", () => socket.destroy());
    });
    server.setTimeout(limits.bodyIdleMs, (socket: Socket) => {
      if (!this.#answers.has(socket)) socket.destroy();
    });
    server.on("clientError", (error, socket) => this.#refuseBroken(error, socket as Socket));
    return server;
  }

  /** Connections that are there keep the certificate that they began with. */
  #renew(server: Server): CertificateWatch | undefined {
    const { certificate: current, certificateFiles, limits } = this.#prepared;
    if (current === undefined || certificateFiles === undefined || !(server instanceof TlsServer))
      return undefined;
    const { logger } = this.#host;
    return watchCertificate(certificateFiles, {
      current,
      everyMs: limits.certificateMs,
      onNew: (certificate) => {
        server.setSecureContext({ ...certificate, ...TLS });
        logger.info({ certFile: certificateFiles.certFile }, "the certificate was read anew");
      },
      onBad: (error) => logger.warn({ err: error }, "a new certificate cannot be used; the old one stays"),
    });
  }

  #keep(socket: Socket, response: ServerResponse): void {
    const answers = this.#answers.get(socket) ?? new Set();
    this.#answers.set(socket, answers.add(response));
    response.once("close", () => {
      answers.delete(response);
      if (answers.size === 0) this.#answers.delete(socket);
    });
  }

  /** For what Node could not read as HTTP. A connection that is not even that, as one without TLS, is just closed. */
  #refuseBroken(error: NodeJS.ErrnoException, socket: Socket): void {
    const answers = [...(this.#answers.get(socket) ?? [])];
    const { code = "" } = error;
    const known = BROKEN[code] ?? (code.startsWith("HPE_") ? NOT_HTTP : undefined);
    if (known === undefined || !socket.writable) socket.destroy();
    // Another answer would be taken for a part of the one that is on its way.
    else if (answers.some(({ headersSent }) => headersSent)) socket.destroySoon();
    else refuseOn(socket, known);
  }

  async #sweep(): Promise<void> {
    const { store, logger, enter } = this.#host;
    const entered = enter();
    if (entered === undefined) return;
    await sweep(store, logger, entered.controller.signal);
    entered.leave();
  }

  /** Looks at the files of the certificate now; one that cannot be used is told in the log. */
  async reload(): Promise<void> {
    await this.#renewing?.look();
  }

  /** Takes no new connections; what is under way goes on. */
  stopListening(): void {
    clearInterval(this.#sweeping);
    this.#renewing?.stop();
    this.#server?.close();
    this.#server?.closeIdleConnections();
  }

  /** Ends every connection. */
  closeAll(): void {
    this.stopListening();
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function bind(server: Server, { host, port }: Address): Promise<void> {
  server.listen({ host, port, exclusive: true });
  try {
    await once(server, "listening");
  } catch (error) {
    throw cannotListen(error, `${formatHost(host)}:${port}`);
  }
}

const BIND_ERRORS: Readonly<Record<string, readonly ["IO_FAILED" | "PERMISSION_DENIED", string]>> = {
  EADDRINUSE: ["IO_FAILED", "another program listens there"],
  EADDRNOTAVAIL: ["IO_FAILED", "this machine has no such address"],
  ENOTFOUND: ["IO_FAILED", "there is no such name"],
  EAI_AGAIN: ["IO_FAILED", "the name cannot be looked up"],
  EACCES: ["PERMISSION_DENIED", "this user may not use the port"],
};

function cannotListen(error: unknown, where: string): unknown {
  if (isSmcError(error)) return error;
  const [code, why] = BIND_ERRORS[(error as NodeJS.ErrnoException).code ?? ""] ?? [
    "IO_FAILED",
    error instanceof Error ? error.message : String(error),
  ];
  return new SmcError(code, `cannot listen on ${where}: ${why}; the daemon was not started`, {
    cause: error,
  });
}

type Fault = readonly [status: number, why: string, code?: ErrorCode];

/** How long who has too many connections should wait for one to end. */
const RETRY_AFTER_SECONDS = 5;
const TOO_MANY: Fault = [429, "your address has too many connections to this server", "RATE_LIMITED"];

const NOT_HTTP: Fault = [400, "the request is not HTTP/1.1"];
const BROKEN: Readonly<Record<string, Fault>> = {
  HPE_HEADER_OVERFLOW: [431, `the head of the request is longer than ${HEADER_BYTES_MAX} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "the request did not arrive in time"],
};

/** Answers where Node made no answer of its own, and ends the connection. */
function refuseOn(socket: Socket, [status, why, code = "REQUEST_INVALID"]: Fault): void {
  const body = `${JSON.stringify({ error: new SmcError(code, why) })}\n`;
  const lines = [
    `HTTP/1.1 ${status} Refused`,
    ...Object.entries(ANSWER_HEADERS).map(([name, value]) => `${name}: ${value}`),
    `content-type: ${JSON_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    ...(status === 429 ? [`retry-after: ${RETRY_AFTER_SECONDS}`] : []),
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
