import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Call } from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import { PartFile, QUIET, withFolder } from "@smc/store/testing";
import { createAuthority } from "../remotes/certificates.ts";
import { endless } from "../remotes/http-server.ts";
import { listening, QUICK, SHORT_IDLE_MS } from "../remotes/s3-server.ts";
import { download, type DownloadOptions } from "./download.ts";

const BYTES = randomBytes(1_000_000);
/** More than what is on its way at a time: a connection that breaks takes that along. */
const HALF = 600_000;
/** Where servers of tests are. */
const HERE = new Set(["127.0.0.1"]);
const ETAG = '"v1"';

interface Web {
  readonly origin: string;
  readonly target: string;
  /** Those that came: path, and what they asked for. */
  readonly requests: string[];
  /** Downloads into a part file and gives its bytes. */
  readonly read: (options?: Reading) => Promise<Buffer>;
}

interface Reading extends DownloadOptions {
  readonly url?: string;
  readonly isChecked?: boolean;
  readonly sha256?: string | null;
  readonly bytesMax?: number;
  readonly call?: Call;
}

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

async function withWeb(
  answer: Answer,
  run: (web: Web) => Promise<void>,
  tls?: { cert: string; key: string },
) {
  const requests: string[] = [];
  const onRequest: RequestListener = (request, response) => {
    const { range = "all", "if-range": tag = "any" } = request.headers;
    requests.push(`${request.url} ${range} ${String(tag)}`);
    response.on("error", () => undefined);
    answer(request, response, requests.length);
  };
  const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest);
  await withFolder(async (folder) => {
    const target = join(folder, "best.pt");
    try {
      await listening(server, async (port) => {
        const origin = `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
        await run({ origin, target, requests, read: (options) => read({ target, origin, ...options }) });
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
}

async function read(
  options: Reading & { readonly target: string; readonly origin: string },
): Promise<Buffer> {
  const { target, origin, isChecked = false, sha256 = null, bytesMax = 1e9, call = QUIET } = options;
  const url = options.url ?? `${origin}/best.pt`;
  await using part = await PartFile.open(target, url, call);
  const limits = { ...QUICK, ...options.limits };
  const caPem = options.caPem === undefined ? {} : { caPem: options.caPem };
  const { privateHosts = HERE } = options;
  try {
    await download({ url, part, bytesMax, sha256, isChecked }, call, { limits, privateHosts, ...caPem });
  } finally {
    await part.save();
  }
  return readFileSync(part.path).subarray(0, part.sizeBytes);
}

/** Answers ranges as a good server does. */
function serve(
  { headers }: IncomingMessage,
  response: ServerResponse,
  extra: Record<string, string> = {},
): void {
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
  const isSame = headers["if-range"] === undefined || headers["if-range"] === extra["etag"];
  if (headers.range === undefined || !isSame) {
    response.writeHead(200, { "content-length": String(BYTES.length), ...extra });
    response.end(BYTES);
    return;
  }
  const range = `bytes ${from}-${BYTES.length - 1}/${BYTES.length}`;
  response.writeHead(206, {
    "content-range": range,
    "content-length": String(BYTES.length - from),
    ...extra,
  });
  response.end(BYTES.subarray(from));
}

const good: Answer = (request, response) => serve(request, response);

/** Sends the first bytes and breaks off. */
function breakOff(response: ServerResponse, extra: Record<string, string> = {}, bytes = BYTES): void {
  response.writeHead(200, { "content-length": String(bytes.length), ...extra });
  response.write(bytes.subarray(0, HALF), () => setImmediate(() => response.destroy()));
}

async function failure(action: () => Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await action();
    return { code: "nothing thrown", message: "" };
  } catch (error) {
    if (!isSmcError(error)) throw error;
    return error;
  }
}

test("download() reads a file and tells how far it is", async () => {
  await withWeb(good, async ({ read, requests }) => {
    const seen: [number, number | undefined][] = [];
    const call: Call = { ...QUIET, onProgress: ({ done, total }) => seen.push([done, total]) };
    expect((await read({ call })).equals(BYTES)).toBe(true);
    expect(seen.at(-1)).toEqual([BYTES.length, BYTES.length]);
    expect(requests).toEqual(["/best.pt all any"]);
  });
});

test.each([
  ["with its tag", { etag: ETAG }, false, /^\/best\.pt bytes=\d+- "v1"$/],
  ["without a tag when a digest will tell", {}, true, /^\/best\.pt bytes=\d+- any$/],
  ["from the start when nothing would tell", { etag: 'W/"v1"' }, false, /^\/best\.pt all any$/],
] as const)("download() takes a broken answer up again %s", async (_, extra, isChecked, second) => {
  const answer: Answer = (request, response, count) =>
    count === 1 ? breakOff(response, extra) : serve(request, response, extra);
  await withWeb(answer, async ({ read, requests }) => {
    expect((await read({ isChecked })).equals(BYTES)).toBe(true);
    expect(requests).toHaveLength(2);
    expect(requests[1]).toMatch(second);
  });
});

test("download() begins anew when the file has another tag by now", async () => {
  const answer: Answer = (request, response, count) =>
    count === 1
      ? breakOff(response, { etag: ETAG }, randomBytes(BYTES.length))
      : serve(request, response, { etag: '"v2"' });
  await withWeb(answer, async ({ read, requests }) => {
    expect((await read()).equals(BYTES)).toBe(true);
    expect(requests[1]).toContain('"v1"');
  });
});

test("the next download goes on where one failed, but not from another address", async () => {
  let isBroken = true;
  const answer: Answer = (request, response) =>
    isBroken ? breakOff(response, { etag: ETAG }) : serve(request, response, { etag: ETAG });
  await withWeb(answer, async ({ read, requests, origin }) => {
    const limits = { retriesMax: 0 };
    expect(await failure(() => read({ limits }))).toMatchObject({ code: "REMOTE_UNREACHABLE" });
    isBroken = false;
    expect((await read({ url: `${origin}/other.pt` })).equals(BYTES)).toBe(true);
    expect(requests[1]).toBe("/other.pt all any");
    isBroken = true;
    await failure(() => read({ limits, url: `${origin}/third.pt` }));
    isBroken = false;
    expect((await read({ url: `${origin}/third.pt` })).equals(BYTES)).toBe(true);
    expect(requests[3]).toMatch(/^\/third\.pt bytes=[1-9]\d*- "v1"$/);
    // All of it is there: the server says so.
    const whole: Answer = (_, response) => {
      response.writeHead(416, { "content-range": `bytes */${BYTES.length}` }).end();
    };
    isBroken = false;
    await withWeb(whole, async (other) => {
      await using part = await PartFile.open(other.target, other.origin, QUIET);
      await part.begin(ETAG);
      await part.write(BYTES);
      const file = { url: other.origin, part, bytesMax: 1e9, sha256: null, isChecked: false };
      await download(file, QUIET, { limits: QUICK, privateHosts: HERE });
      expect(part.sizeBytes).toBe(BYTES.length);
    });
  });
});

test("download() waits out short trouble", async () => {
  const answer: Answer = (request, response, count) =>
    count < 3 ? void response.writeHead(503, { "retry-after": "0" }).end() : serve(request, response);
  await withWeb(answer, async ({ read, requests }) => {
    expect((await read()).equals(BYTES)).toBe(true);
    expect(requests).toHaveLength(3);
  });
});

test("download() follows redirects and takes nothing along", async () => {
  const answer: Answer = (request, response) => {
    expect(request.headers.authorization ?? request.headers.cookie).toBeUndefined();
    if (request.url !== "/best.pt") return serve(request, response);
    response.writeHead(302, { location: "/files/1?key=abc", "set-cookie": "a=b" }).end();
  };
  await withWeb(answer, async ({ read, requests }) => {
    expect((await read()).equals(BYTES)).toBe(true);
    expect(requests.map((line) => line.split(" ")[0])).toEqual(["/best.pt", "/files/1?key=abc"]);
  });
});

test.each([
  ["in a circle", "/best.pt", "REMOTE_FAILED"],
  ["with a password", "http://ada:geheim@127.0.0.1/best.pt", "URL_INVALID"],
  ["to a file", "file:///etc/passwd", "URL_INVALID"],
  ["to plain HTTP elsewhere", "http://models.example/best.pt", "URL_INVALID"],
  ["to what is no address", "http://[", "REMOTE_FAILED"],
  ["into a private network", "https://10.0.0.1/best.pt", "URL_INVALID"],
  ["to what tells machines their secrets", "https://169.254.169.254/latest", "URL_INVALID"],
])("download() refuses to be led %s", async (_, location, code) => {
  await withWeb(
    (_, response) => void response.writeHead(302, { location }).end(),
    async ({ read }) => {
      const error = await failure(() => read());
      expect(error.code).toBe(code);
      expect(error.message).not.toContain("geheim");
    },
  );
});

test.each(["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"])(
  "E3, C22: download() asks nothing of a host that is not public: %s",
  async (host) => {
    const answer: Answer = (request, response) => serve(request, response);
    await withWeb(answer, async ({ origin, read, requests }) => {
      const url = `http://${host}:${new URL(origin).port}/best.pt`;
      const sha256 = "0".repeat(64);
      const error = await failure(() => read({ url, sha256, privateHosts: new Set(["models.lan"]) }));
      expect(error.code).toBe("URL_INVALID");
      expect(error.message).toContain("it was not asked");
      expect(requests).toEqual([]);
    });
  },
);

const head =
  (status: number, headers: Record<string, string>): Answer =>
  (_, response) =>
    void response.writeHead(status, headers).end("x");

test.each<[string, Answer, Reading, string, string]>([
  ["a file that is not there", head(404, {}), {}, "REMOTE_FAILED", "it answered 404"],
  ["a compressed answer", head(200, { "content-encoding": "gzip" }), {}, "REMOTE_FAILED", "compressed"],
  [
    "a web page",
    head(200, { "content-type": "text/html; charset=utf-8" }),
    {},
    "REMOTE_FAILED",
    "a web page",
  ],
  [
    "more than is read",
    head(200, { "content-length": "1000" }),
    { bytesMax: 999 },
    "LIMIT_EXCEEDED",
    "more than 999",
  ],
  [
    "an endless answer",
    (_, response) => endless(response, {}),
    { bytesMax: 1e6 },
    "LIMIT_EXCEEDED",
    "more than",
  ],
  ["a part that nobody asked for", head(206, { "content-range": "bytes 5-5/6" }), {}, "REMOTE_FAILED", "206"],
  [
    "an answer that never ends",
    breakOffAlways,
    { limits: { retriesMax: 2 } },
    "REMOTE_UNREACHABLE",
    "cannot download it",
  ],
])("download() refuses %s", async (_, answer, reading, code, why) => {
  await withWeb(answer, async ({ read }) => {
    const error = await failure(() => read(reading));
    expect(error).toMatchObject({ code, message: expect.stringContaining(why) });
    expect(error.message).toContain("/best.pt");
  });
});

function breakOffAlways(_: IncomingMessage, response: ServerResponse): void {
  breakOff(response);
}

test("download() gives up where nothing moves, and at once when it is stopped", async () => {
  const silent: Answer = (_, response) => {
    response.writeHead(200, { "content-length": "1000" });
    response.write("x");
  };
  await withWeb(silent, async ({ read, requests }) => {
    const limits = { idleMs: SHORT_IDLE_MS };
    const error = await failure(() => read({ limits }));
    expect(error).toMatchObject({
      code: "REMOTE_UNREACHABLE",
      message: expect.stringContaining("nothing came"),
    });
    expect(requests).toHaveLength(1);
    const controller = new AbortController();
    const call: Call = { signal: controller.signal, onProgress: () => controller.abort() };
    expect(await failure(() => read({ call }))).toMatchObject({ code: "CANCELED" });
  });
});

test("download() takes plain HTTP from elsewhere only when a SHA-256 tells what must come, and shows no query", async () => {
  await withWeb(good, async ({ read }) => {
    const url = "http://127.0.0.1.nip.invalid/best.pt?key=geheim";
    expect(await failure(() => read({ url }))).toMatchObject({ code: "URL_INVALID" });
    const error = await failure(() => read({ url, sha256: "a".repeat(64) }));
    expect(error.code).toBe("REMOTE_UNREACHABLE");
    expect(error.message).toContain("/best.pt?…: cannot download it");
    expect(error.message).not.toContain("geheim");
  });
});

test("download() trusts nobody whom nobody vouches for, and never goes from https to http", async () => {
  const authority = createAuthority("of this test");
  const { certPem: cert, keyPem: key } = authority.issue();
  const answer: Answer = (request, response) =>
    request.url === "/away"
      ? void response.writeHead(307, { location: "http://127.0.0.1:1/best.pt" }).end()
      : serve(request, response);
  const run = async ({ read, origin }: Web): Promise<void> => {
    expect(await failure(() => read())).toMatchObject({ code: "REMOTE_UNREACHABLE" });
    const { caPem } = authority;
    expect((await read({ caPem })).equals(BYTES)).toBe(true);
    const error = await failure(() => read({ caPem, url: `${origin}/away`, sha256: "a".repeat(64) }));
    expect(error).toMatchObject({
      code: "REMOTE_FAILED",
      message: expect.stringContaining("from https to http"),
    });
  };
  await withWeb(answer, run, { cert, key });
});
