/** Requests to a server of smc: bounded in time and size, tried again while the trouble is short. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Readable } from "node:stream";
import * as tls from "node:tls";
import { got, type Request, type Response } from "got";
import type { Call } from "@smc/store";
import { type ErrorCode, isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { VERSION } from "../protocol.ts";
import { attempt, type Attempt } from "./attempt.ts";
import {
  AnswerError,
  type HttpTrouble,
  nonsense,
  troubleOfAnswer,
  troubleOfRequest,
} from "./http-trouble.ts";
import { headOf } from "./outside.ts";
import { assertOutsideHost, lookupOutside, NO_HOSTS, type PrivateHosts } from "./outside-addresses.ts";
import { backOff, type Limits, LIMITS } from "./retry.ts";

/** The version of the protocol of docs/design/protocol.md. */
const REMOTE_PROTOCOL = "1";
const REMOTE_HEADER = "smc-remote";
const ERROR_BYTES_MAX = 64 * 1024;

/** How a server is reached, and as whom. */
export interface Credential {
  readonly token: string;
  /** Authorities that vouch for the server, besides those that the system knows. */
  readonly caPem?: string;
  /** Hosts that may be asked although machines are told their keys there; none when left out. */
  readonly metadataHosts?: PrivateHosts;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  /** After the origin. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or what makes a stream of them for each try. */
  readonly body?: Uint8Array | ((now: Attempt) => Readable);
  /** Content type that an answer must have, but to HEAD. */
  readonly type?: string;
  /** The answers that are no errors. */
  readonly statuses: readonly number[];
  /** What is being done, for messages: "cannot <phase>". */
  readonly phase: string;
  /** Bytes of the answer are no sign of life by themselves: who reads it says what is. */
  readonly isQuiet?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Response["headers"];
  /** The body. What is not read to its end closes the connection. */
  readonly body: AsyncIterable<Buffer>;
}

export class HttpConnection implements AsyncDisposable {
  readonly origin: string;
  readonly limits: Limits;
  readonly #url: string;
  readonly #token: string;
  readonly #agent: { http: HttpAgent } | { https: HttpsAgent };

  /** `url` is what messages name. Goes nowhere yet. Throws URL_INVALID for a host that may not be asked. */
  constructor(
    { origin, url }: { origin: string; url: string },
    { token, caPem, metadataHosts = NO_HOSTS }: Credential,
    limits: Partial<Limits> = {},
  ) {
    this.origin = origin;
    this.limits = { ...LIMITS, ...limits };
    this.#url = url;
    this.#token = token;
    // No limit of connections: who waits in a queue of ours would look like a server that says nothing.
    const options = { keepAlive: true, lookup: lookupOutside(metadataHosts) };
    assertOutsideHost(new URL(origin), metadataHosts);
    const isPlain = origin.startsWith("http:");
    const ca = caPem === undefined ? {} : { ca: [...systemAuthorities(), caPem] };
    // Told to the agent itself: no variable of the environment switches the check off.
    this.#agent = isPlain
      ? { http: new HttpAgent(options) }
      : { https: new HttpsAgent({ ...options, ...ca, rejectUnauthorized: true }) };
  }

  /**
   * Sends a request and gives its answer to `read`; again, from the start, while the trouble is short. Throws
   * REMOTE_UNREACHABLE, REMOTE_FAILED, AUTH_FAILED, CANCELED, codes that the server may pass on, and what `read`
   * throws.
   */
  async ask<T>(
    request: HttpRequest,
    call: Call,
    read: (answer: HttpAnswer, now: Attempt) => Promise<T>,
  ): Promise<T> {
    for (let retry = 0; ; retry++) {
      try {
        return await this.once(request, call, read);
      } catch (error) {
        if (isSmcError(error)) throw error;
        const trouble = troubleOfRequest(error);
        if (!trouble.isShort || retry >= this.limits.retriesMax) throw this.tell(request.phase, trouble);
        await backOff({ call, limits: this.limits, retry }, trouble.retryAfterMs);
      }
    }
  }

  /** `ask` without trying again; what `troubleOfRequest` understands is thrown as it came. */
  once<T>(
    request: HttpRequest,
    call: Call,
    read: (answer: HttpAnswer, now: Attempt) => Promise<T>,
  ): Promise<T> {
    return attempt({ call, idleMs: this.limits.idleMs }, async (now) => {
      const { stream, response } = await this.#open(request, now);
      try {
        const body: AsyncIterable<Buffer> = request.isQuiet === true ? stream : touching(stream, now);
        return await read({ status: response.statusCode, headers: response.headers, body }, now);
      } finally {
        stream.destroy();
      }
    });
  }

  /** The answer with its body unread, to be read at the caller's pace and destroyed by it. Throws as `once`. */
  async open(request: HttpRequest, call: Call): Promise<{ stream: Readable; headers: Response["headers"] }> {
    // An attempt that ended takes its signal along: it must not end what is read after it.
    const opened = await attempt({ call, idleMs: this.limits.idleMs }, (now) => this.#open(request, now));
    return { stream: opened.stream, headers: opened.response.headers };
  }

  tell(phase: string, { code, text, hint, status }: HttpTrouble): SmcError {
    const advice = hint ?? this.#advice(code);
    return new SmcError(code, this.sentence(phase, text), {
      ...(advice === undefined ? {} : { hint: advice }),
      details: { phase, ...(status === undefined ? {} : { status }) },
    });
  }

  #advice(code: ErrorCode): string | undefined {
    if (code === "AUTH_FAILED") return `smc login ${this.origin}`;
    return code === "REF_CHANGED" ? 'take over what they did with "smc pull", then push again' : undefined;
  }

  sentence(phase: string, text: string): string {
    return `${show(this.#url, 500)}: cannot ${phase}: ${text}`;
  }

  /** Takes the token out of a text of the server. */
  clean(text: string): string {
    return text.replaceAll(this.#token, "***");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of Object.values(this.#agent)) agent.destroy();
  }

  /** Returns when the head of a good answer is there. */
  async #open(request: HttpRequest, now: Attempt): Promise<{ stream: Request; response: Response }> {
    const stream = this.#stream(request, now);
    try {
      const response = await headOf(stream);
      if (!request.statuses.includes(response.statusCode)) throw await this.#refusal(stream, response, now);
      assertPlain(request, response);
      return { stream, response };
    } catch (error) {
      stream.destroy();
      throw error;
    }
  }

  #stream({ method, path, headers, body }: HttpRequest, now: Attempt): Request {
    const { connectMs } = this.limits;
    const bytes = typeof body === "function" ? body(now) : body;
    return got.stream(`${this.origin}${path}`, {
      method,
      headers: {
        ...headers,
        authorization: `Bearer ${this.#token}`,
        [REMOTE_HEADER]: REMOTE_PROTOCOL,
        "user-agent": `smc/${VERSION}`,
      },
      ...(bytes === undefined ? {} : { body: bytes }),
      agent: this.#agent,
      followRedirect: false,
      throwHttpErrors: false,
      decompress: false,
      retry: { limit: 0 },
      timeout: { lookup: connectMs, connect: connectMs, secureConnect: connectMs },
      https: { rejectUnauthorized: true },
      signal: now.signal,
    });
  }

  async #refusal(stream: Request, response: Response, now: Attempt): Promise<AnswerError> {
    const { statusCode: status, headers } = response;
    const isJson = headers["content-type"]?.startsWith("application/json") === true;
    let body = "";
    if (isJson && headers["content-encoding"] === undefined) {
      for await (const piece of touching(stream, now)) {
        body += piece.toString("utf8");
        if (body.length > ERROR_BYTES_MAX) break;
      }
    }
    return new AnswerError(troubleOfAnswer({ status, headers, body, clean: (text) => this.clean(text) }));
  }
}

async function* touching(stream: Readable, now: Attempt): AsyncGenerator<Buffer> {
  for await (const piece of stream as AsyncIterable<Buffer>) {
    now.touch();
    yield piece;
  }
}

function assertPlain({ method, type }: HttpRequest, { headers, statusCode }: Response): void {
  if (method === "HEAD") return;
  const encoding = headers["content-encoding"];
  if (encoding !== undefined)
    throw nonsense(`the answer is compressed (${show(encoding, 40)}), which nobody asked for`, statusCode);
  const found = headers["content-type"] ?? "none";
  if (type !== undefined && found.split(";")[0]?.trim().toLowerCase() !== type)
    throw nonsense(`the answer is ${show(found, 60)} and not ${type}`, statusCode);
}

/** Those that a connection would trust without being told any. */
export function systemAuthorities(): readonly string[] {
  // Node.js 22.15 and newer tell also those of NODE_EXTRA_CA_CERTS and of the system's own store.
  const { getCACertificates } = tls as { getCACertificates?: (type: "default") => readonly string[] };
  return getCACertificates?.("default") ?? tls.rootCertificates;
}
