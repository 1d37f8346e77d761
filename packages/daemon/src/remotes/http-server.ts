/** For tests: a server of this process that answers an HttpRemote as a test wants. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Digest, hashBytes } from "@smc/store";
import { QUIET } from "@smc/store/testing";
import { readWhole } from "./bucket-suite.ts";
import { HttpRemote } from "./http-remote.ts";
import { parseHttpUrl } from "./http-url.ts";
import type { Limits } from "./retry.ts";
import { listening, QUICK } from "./s3-server.ts";

export const TOKEN = `smc_${"Ab3-_".repeat(8)}xyz`;

export type HttpHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
) => void | Promise<void>;

export interface Hostile {
  readonly remote: HttpRemote;
  readonly origin: string;
  /** Those that came: method and path. */
  readonly requests: string[];
}

/** Runs with a remote on a server of this process. */
export async function withHttpServer(
  handler: HttpHandler,
  run: (hostile: Hostile) => Promise<void>,
  limits: Partial<Limits> = {},
): Promise<void> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    void handler(request, response, requests.length);
  });
  try {
    await listening(server, async (port) => {
      const origin = `http://127.0.0.1:${port}`;
      const url = parseHttpUrl(`${origin}/team/model`);
      const all = { ...QUICK, ...limits };
      await using remote = new HttpRemote({ url, credential: { token: TOKEN }, limits: all });
      await run({ remote, origin, requests });
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

export function bytes(
  response: ServerResponse,
  body: Uint8Array,
  { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): void {
  response.writeHead(status, { "content-type": "application/octet-stream", ...headers });
  response.end(body);
}

export function lines(response: ServerResponse, ...messages: unknown[]): void {
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.end(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Writes for as long as somebody reads. */
export function endless(response: ServerResponse, headers: Record<string, string>): void {
  const piece = Buffer.alloc(256 * 1024, 0x20);
  response.writeHead(200, headers);
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once("drain", more);
  };
  more();
}

export function digestOf(text: string): Digest {
  return hashBytes(Buffer.from(text));
}

export const PACK = digestOf("pack");
export const OCTETS = { "content-type": "application/octet-stream" };

/** Every call that reads, with the word of its phase. */
export const READS: [string, (remote: HttpRemote) => Promise<unknown>][] = [
  ["read the refs", (remote) => remote.refs(QUIET)],
  ["ask what is missing", (remote) => remote.missing([digestOf("a")], QUIET)],
  ["ask where records are", (remote) => remote.locate([digestOf("a")], QUIET)],
  ["look at pack", (remote) => remote.statPack(PACK, QUIET)],
  ["read pack", (remote) => readWhole(remote.readPack(PACK, { from: 0, to: 100 }, QUIET))],
];
