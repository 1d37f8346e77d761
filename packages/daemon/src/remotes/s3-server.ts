/** For tests: a server of this process that answers an S3 bucket as a test wants. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { isSmcError, type SmcError } from "@smc/store/errors";
import { QUIET } from "@smc/store/testing";
import { afterAll, beforeAll } from "vitest";
import { keysOf, readWhole } from "./bucket-suite.ts";
import { parseBucketUrl } from "./bucket-url.ts";
import type { Limits } from "./retry.ts";
import { S3Bucket } from "./s3-bucket.ts";
import type { PartLimits } from "./s3-multipart.ts";

/** Waits as long as the product where a busy machine may be slow, and not at all before it tries again. */
export const QUICK: Limits = { connectMs: 10_000, idleMs: 30_000, retriesMax: 5, backoffMs: 2 };
/** Of servers that say nothing. */
export const SHORT_IDLE_MS = 300;
export const SECRET = "wJalrXUtnFEMI-not-a-real-secret";
export const ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: "AKIAFORTESTSONLY",
  AWS_SECRET_ACCESS_KEY: SECRET,
  AWS_SESSION_TOKEN: "session-token-of-these-tests",
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  AWS_CONFIG_FILE: "/dev/null",
};
/** Registers the credentials of these tests for as long as they run. */
export function useCredentials(): void {
  const before = { ...process.env };
  beforeAll(() => void Object.assign(process.env, ENVIRONMENT));
  afterAll(() => {
    for (const name of Object.keys(ENVIRONMENT)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });
}

export type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export async function listening<T>(server: Server, run: (port: number) => Promise<T>): Promise<T> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return run((server.address() as AddressInfo).port);
}

export async function openAt(
  port: number,
  limits: Partial<Limits> = {},
  parts: Partial<PartLimits> = {},
): Promise<S3Bucket> {
  const url = parseBucketUrl(`s3://models/p?endpoint=http://127.0.0.1:${port}`);
  if (url.kind !== "s3") throw new Error("not S3");
  return S3Bucket.open(url, { limits: { ...QUICK, ...limits }, parts });
}

/** Runs with a bucket on a server of this process; `requests` are those that came. */
export async function withServer(
  handler: Handler,
  run: (bucket: S3Bucket, requests: string[]) => Promise<void>,
  limits: Partial<Limits> = {},
  parts: Partial<PartLimits> = {},
): Promise<void> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.on("error", () => undefined);
    handler(request, response, requests.length);
  });
  try {
    await listening(server, async (port) => {
      await using bucket = await openAt(port, limits, parts);
      await run(bucket, requests);
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

export async function failureOf(action: () => Promise<unknown>): Promise<SmcError> {
  try {
    await action();
  } catch (error) {
    if (isSmcError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** Every call of a bucket, with the word of its phase. */
export const CALLS: [string, (bucket: S3Bucket) => Promise<unknown>][] = [
  ["store", (bucket) => bucket.create("a/b", { bytes: randomBytes(10) }, QUIET)],
  ["look at", (bucket) => bucket.stat("a/b", QUIET)],
  ["read", (bucket) => readWhole(bucket.read("a/b", QUIET))],
  ["list", (bucket) => keysOf(bucket, "a/b")],
  ["remove", (bucket) => bucket.remove("a/b", QUIET)],
];

export function xml(code: string, message = "no"): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
}

export function answer(
  response: ServerResponse,
  status: number,
  body = "",
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { "content-type": "application/xml", ...headers });
  response.end(body);
}

export const HEAD = { etag: '"e"', "last-modified": "Sat, 01 Nov 2025 00:00:00 GMT" };

export const BYTES = randomBytes(300_000);

/** Answers a GET with the range that was asked for, or part of it. */
export function sendRange(request: IncomingMessage, response: ServerResponse, sendMax = BYTES.length): void {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const from = Number(range?.[1] ?? 0);
  const to = Number(range?.[2] ?? BYTES.length - 1) + 1;
  response.writeHead(range === null ? 200 : 206, {
    ...HEAD,
    "content-length": String(to - from),
    ...(range === null ? {} : { "content-range": `bytes ${from}-${to - 1}/${BYTES.length}` }),
  });
  const part = BYTES.subarray(from, Math.min(to, from + sendMax));
  if (part.length === to - from) response.end(part);
  else response.write(part, () => response.destroy());
}
