/** For tests: a daemon in this process or one of its own, and requests as no client of ours would send them. */
import { type ChildProcess, spawn } from "node:child_process";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { withFolder } from "@smc/store/testing";
import { createLogger } from "./logger.ts";
import { PROTOCOL } from "./protocol.ts";
import { type Daemon, startDaemon } from "./run.ts";

export const BIN = fileURLToPath(new URL("../dist/bin.js", import.meta.url));

export interface TestDaemon {
  readonly daemon: Daemon;
  readonly folder: string;
  readonly storePath: string;
  readonly socket: string;
}

/** Runs with a daemon in this process, on a real socket and a real store; its log is dropped. */
export async function withDaemonHere<T>(run: (test: TestDaemon) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const storePath = join(folder, "store");
    const logger = createLogger("silent");
    const daemon = await startDaemon({ storePath, logger, idleMs: 0 });
    try {
      return await run({ daemon, folder, storePath, socket: daemon.status().socket });
    } finally {
      await daemon.stop("test done", true);
    }
  });
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: {
    readonly result?: unknown;
    readonly error?: { code: string; message: string; hint?: string };
  };
}

export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** One request with exactly these headers, beside protocol and content type unless they are overridden. */
export function rawRequest(
  socket: string,
  { method = "POST", path, headers, body }: RawRequest,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const own = {
      "smc-protocol": PROTOCOL,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    const all = Object.entries({ ...own, ...headers }).filter(([, value]) => value !== "");
    const request = httpRequest({
      socketPath: socket,
      method,
      path,
      headers: Object.fromEntries(all),
      agent: false,
    });
    request.once("error", reject);
    request.once("response", (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.once("error", reject);
      answer.once("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        const isJson = answer.headers["content-type"]?.startsWith("application/json") === true;
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          text,
          json: isJson ? JSON.parse(text) : {},
        });
      });
    });
    request.end(body);
  });
}

/** Writes bytes to the socket and gives back what comes until the other end closes. */
export function rawBytes(socket: string, bytes: string, options: { end?: boolean } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const connection = connect(socket, () => {
      if (options.end === true) connection.end(bytes);
      else connection.write(bytes);
    });
    connection.setEncoding("utf8");
    connection.on("data", (part: string) => {
      text += part;
    });
    connection.once("error", reject);
    connection.once("close", () => resolve(text));
  });
}

export interface DaemonProcess {
  readonly child: ChildProcess;
  /** What it said on its readiness pipe. */
  readonly ready: {
    readonly ready?: true;
    readonly error?: { code: string; message: string; details?: { pid?: number } };
  };
  readonly log: () => string;
}

/**
 * Starts the built daemon as a program and waits until it is ready or says why not. Ends it with the test's process.
 */
export async function spawnDaemon(
  storePath: string,
  environment: Record<string, string> = {},
): Promise<DaemonProcess> {
  const child = spawn(process.execPath, [BIN, storePath, "--ready-fd", "3"], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let log = "";
  child.stderr?.setEncoding("utf8").on("data", (part: string) => {
    log += part;
  });
  const pipe = child.stdio[3] as Readable;
  let text = "";
  for await (const part of pipe.setEncoding("utf8")) text += String(part);
  if (text === "") throw new Error(`the daemon ended before it was ready: ${log}`);
  return { child, ready: JSON.parse(text), log: () => log };
}

/** Resolves with exit code or signal. */
export function ended(child: ChildProcess): Promise<number | string> {
  if (child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve(child.exitCode ?? child.signalCode ?? "");
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal ?? ""));
  });
}

/** Polls until the condition holds; throws after `timeoutMs`. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not so after ${timeoutMs} ms: ${String(condition)}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}
