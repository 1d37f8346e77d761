/** For tests: a daemon that serves other machines, its tokens, and requests as no client of ours would send them. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { token } from "@smc/store";
import { createFile } from "@smc/store/fs";
import { QUIET, withFolder } from "@smc/store/testing";
import { createLogger } from "../logger.ts";
import { createAuthority } from "../remotes/certificates.ts";
import { type Daemon, startDaemon } from "../run.ts";
import type { RawAnswer } from "../testing.ts";
import type { ServingLimits } from "./limits.ts";

export interface Ask {
  readonly method?: string;
  readonly path: string;
  /** Undefined takes one of those that every request has away. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly token?: string;
  readonly body?: string | Uint8Array;
  /** The address of this machine to ask from, of 127.0.0.0/8. */
  readonly from?: string;
}

export interface BytesAnswer extends RawAnswer {
  readonly bytes: Buffer;
}

export interface TestServer {
  readonly daemon: Daemon;
  readonly folder: string;
  readonly storePath: string;
  readonly url: string;
  readonly port: number;
  /** By what they may do. */
  readonly tokens: Readonly<Record<"read" | "push" | "admin", string>>;
  /** A request with exactly these headers beside host, protocol and the token for pushing. */
  readonly ask: (request: Ask) => Promise<BytesAnswer>;
  /** Bytes on a connection of its own, and what comes until the other end closes it. */
  readonly raw: (bytes: string | Uint8Array) => Promise<string>;
}

export interface TestServing {
  readonly limits?: Partial<ServingLimits>;
  readonly tls?: boolean;
  readonly hostNames?: readonly string[];
}

/** Runs with a daemon in this process that listens on any free port of 127.0.0.1. */
export async function withServer<T>(
  run: (server: TestServer) => Promise<T>,
  options: TestServing = {},
): Promise<T> {
  return withFolder(async (folder) => {
    const storePath = join(folder, "store");
    const { limits = {}, tls = false, hostNames = [] } = options;
    const files = tls ? await writeCertificate(folder) : undefined;
    const daemon = await startDaemon({
      storePath,
      logger: createLogger("silent"),
      quietMs: 0,
      serving: {
        listen: "127.0.0.1:0",
        limits,
        hostNames,
        ...(files === undefined ? {} : { certificate: files }),
      },
    });
    try {
      return await run(await describeServer({ daemon, folder, storePath, ca: files?.ca }));
    } finally {
      await daemon.stop("test done", true);
    }
  });
}

/** Writes a new certificate for this machine, and its key, into a folder. */
export async function writeCertificate(
  folder: string,
): Promise<{ certFile: string; keyFile: string; ca: string }> {
  const authority = createAuthority("smc test");
  const { certPem, keyPem } = authority.issue({ hosts: ["127.0.0.1", "localhost"] });
  const certFile = join(folder, "cert.pem");
  const keyFile = join(folder, "key.pem");
  await createFile(certFile, certPem);
  await createFile(keyFile, keyPem);
  return { certFile, keyFile, ca: authority.caPem };
}

async function describeServer({
  daemon,
  folder,
  storePath,
  ca,
}: Pick<TestServer, "daemon" | "folder" | "storePath"> & { ca: string | undefined }): Promise<TestServer> {
  const url = daemon.status().url ?? "";
  const port = Number(new URL(url).port);
  const make = async (scope: string): Promise<string> => {
    const made = await token({ path: storePath }, { action: "create", name: scope, scopes: [scope] }, QUIET);
    return made.secret ?? "";
  };
  const tokens = { read: await make("read"), push: await make("push"), admin: await make("admin") };
  const where = { port, ca, tokens };
  return {
    daemon,
    folder,
    storePath,
    url,
    port,
    tokens,
    ask: (request) => ask(where, request),
    raw: (bytes) => sendRaw(port, bytes),
  };
}

interface Where extends Pick<TestServer, "port" | "tokens"> {
  readonly ca: string | undefined;
}

function ask(
  { port, ca, tokens }: Where,
  { method = "GET", path, headers, token: secret = tokens.push, body, from }: Ask,
): Promise<BytesAnswer> {
  return new Promise((resolve, reject) => {
    const own = {
      "smc-remote": "1",
      authorization: `Bearer ${secret}`,
      ...(body === undefined
        ? {}
        : { "content-type": "application/octet-stream", "content-length": String(Buffer.byteLength(body)) }),
    };
    const all = Object.entries({ ...own, ...headers }).filter(([, value]) => value !== undefined);
    const options = {
      host: "127.0.0.1",
      port,
      method,
      path,
      headers: Object.fromEntries(all),
      agent: false,
      ...(from === undefined ? {} : { localAddress: from }),
    };
    const request = ca === undefined ? httpRequest(options) : httpsRequest({ ...options, ca });
    request.once("error", reject);
    request.once("response", (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.once("error", reject);
      answer.once("end", () => {
        const bytes = Buffer.concat(parts);
        const text = bytes.toString("utf8");
        const isJson = text !== "" && answer.headers["content-type"] === "application/json";
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          bytes,
          text,
          json: isJson ? JSON.parse(text) : {},
        });
      });
    });
    request.end(body);
  });
}

function sendRaw(port: number, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const connection = connect(port, "127.0.0.1", () => connection.write(bytes));
    connection.setEncoding("latin1");
    connection.on("data", (part: string) => {
      text += part;
    });
    // A server that does not want to hear more may reset the connection behind its answer.
    connection.on("error", () => connection.destroy());
    connection.once("close", () => resolve(text));
  });
}
