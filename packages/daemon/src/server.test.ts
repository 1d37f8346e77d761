import { createHash } from "node:crypto";
import { truncate, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createClient } from "./client.ts";
import { BODY_BYTES_MAX, HEADER_BYTES_MAX } from "./server.ts";
import { rawBytes, rawRequest, type TestDaemon, until, withDaemonHere } from "./testing.ts";

const PATH = "/v1/verbs/refs";
const body = (input: unknown, at: unknown = { folder: "/" }): string => JSON.stringify({ at, input });

async function expectHealthy({ socket, daemon }: TestDaemon): Promise<void> {
  expect((await rawRequest(socket, { method: "GET", path: "/healthz" })).json).toEqual({ status: "ok" });
  expect(daemon.status().activeRequests).toBe(0);
}

test("the daemon answers /healthz to anybody who may open the socket, and nothing else without a protocol", async () => {
  await withDaemonHere(async ({ socket }) => {
    const health = await rawRequest(socket, {
      method: "GET",
      path: "/healthz",
      headers: { "smc-protocol": "" },
    });
    expect(health).toMatchObject({ status: 200, json: { status: "ok" } });
    const missing = await rawRequest(socket, {
      method: "GET",
      path: "/v1/daemon",
      headers: { "smc-protocol": "" },
    });
    expect(missing).toMatchObject({ status: 400, json: { error: { code: "REQUEST_INVALID" } } });
    const other = await rawRequest(socket, { path: PATH, body: body({}), headers: { "smc-protocol": "2" } });
    expect(other).toMatchObject({ status: 503, json: { error: { code: "DAEMON_INCOMPATIBLE" } } });
    expect(other.headers["smc-protocol"]).toBe("1");
  });
});

test("GET /v1/daemon tells who owns the store and how it is", async () => {
  await withDaemonHere(async ({ socket, storePath }) => {
    const { json } = await rawRequest(socket, { method: "GET", path: "/v1/daemon" });
    expect(json.result).toMatchObject({
      pid: process.pid,
      storePath,
      socket,
      protocol: "1",
      idleMs: 0,
      readOnlyReason: null,
    });
    expect((await rawRequest(socket, { path: "/v1/daemon/measure", body: "{}" })).json).toEqual({
      result: {},
    });
  });
});

test.each([
  ["a foreign page", { origin: "https://evil.example" }],
  ["a page without origin", { origin: "null" }],
  ["a page of this machine", { origin: "http://localhost:1234" }],
  ["a request that a browser marks", { "sec-fetch-site": "cross-site" }],
])(
  "the daemon refuses %s with ORIGIN_FORBIDDEN, whatever the method",
  async (_, headers: Record<string, string>) => {
    await withDaemonHere(async ({ socket }) => {
      for (const method of ["GET", "POST", "OPTIONS"]) {
        const answer = await rawRequest(socket, { method, path: "/healthz", headers });
        expect(answer).toMatchObject({ status: 403, json: { error: { code: "ORIGIN_FORBIDDEN" } } });
        expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
      }
    });
  },
);

test("the daemon refuses bodies that are not JSON by their type", async () => {
  await withDaemonHere(async (here) => {
    const types = [
      "text/plain",
      "multipart/form-data",
      "application/x-www-form-urlencoded",
      "application/json;charset=utf-7",
    ];
    for (const type of [...types, "application/json, text/plain", "application/jsonx"]) {
      const answer = await rawRequest(here.socket, {
        path: PATH,
        body: body({}),
        headers: { "content-type": type },
      });
      expect([type, answer.status, answer.json.error?.code]).toEqual([type, 415, "REQUEST_TYPE_INVALID"]);
    }
    const none = await rawRequest(here.socket, {
      path: PATH,
      body: body({}),
      headers: { "content-type": "" },
    });
    expect(none.status).toBe(415);
    const packed = await rawRequest(here.socket, {
      path: PATH,
      body: body({}),
      headers: { "content-encoding": "gzip" },
    });
    expect(packed.status).toBe(415);
    const utf8 = { "content-type": 'application/json; charset="UTF-8"' };
    const fine = await rawRequest(here.socket, { path: PATH, body: body({}), headers: utf8 });
    expect(fine.json.error?.code).toBe("WORKTREE_NOT_FOUND");
    await expectHealthy(here);
  });
});

test.each([
  ["no body", ""],
  ["half a body", '{"at":'],
  ["a list", "[]"],
  ["text", '"x"'],
  ["a poisoned key", '{"__proto__":{"admin":true},"at":{"folder":"/"},"input":{}}'],
  ["a constructor", '{"at":{"folder":"/"},"input":{"constructor":{"prototype":{"admin":true}}}}'],
  ["a key twice", '{"at":{"folder":"/"},"input":{},"input":{}}'],
  ["an unknown field", '{"at":{"folder":"/"},"input":{},"more":1}'],
  ["an unknown field of the input", body({ prefix: "x", nope: 1 })],
  ["an unknown field of at", body({}, { folder: "/", token: "x" })],
  ["no place", '{"input":{}}'],
  ["a number for text", body({ prefix: 5 })],
  ["null for text", body({ prefix: null })],
  ["text for a folder that is none", body({}, { folder: 1 })],
  [
    "a list that is too deep",
    `{"at":{"folder":"/"},"input":{"prefix":${"[".repeat(100)}${"]".repeat(100)}}}`,
  ],
])("the daemon answers %s with REQUEST_INVALID", async (_, text) => {
  await withDaemonHere(async (here) => {
    const answer = await rawRequest(here.socket, { path: PATH, body: text });
    expect(answer).toMatchObject({ status: 400, json: { error: { code: "REQUEST_INVALID" } } });
    expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d/);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
    await expectHealthy(here);
  });
});

test("the daemon takes a list of 100,000 paths and refuses a body over its limit", async () => {
  await withDaemonHere(async (here) => {
    const files = Array.from({ length: 100_000 }, (_, index) => `relative/path/of/a/file/in/a/list/${index}`);
    const many = await rawRequest(here.socket, { path: "/v1/verbs/hash-object", body: body({ files }) });
    expect(many.json.error?.code).toBe("ARGUMENT_INVALID");
    const large = await rawRequest(here.socket, {
      path: "/v1/verbs/hash-object",
      body: body({ files: ["x".repeat(BODY_BYTES_MAX)] }),
    });
    expect(large).toMatchObject({ status: 413, json: { error: { code: "REQUEST_TOO_LARGE" } } });
    await expectHealthy(here);
  });
});

test("the daemon answers unknown verbs, paths and methods with ROUTE_NOT_FOUND", async () => {
  await withDaemonHere(async (here) => {
    const paths = [
      "/",
      "/v1/verbs/nope",
      "/v1/verbs/toString",
      "/v1/verbs/__proto__",
      "/V1/verbs/refs",
      "/v1/verbs/refs/",
    ];
    for (const path of [...paths, "/v1/./../admin", "//etc/passwd", "/v1/verbs/REFS"]) {
      const answer = await rawRequest(here.socket, { path, body: body({}) });
      expect([path, answer.status, answer.json.error?.code]).toEqual([path, 404, "ROUTE_NOT_FOUND"]);
    }
    for (const method of ["PUT", "PATCH"]) {
      const answer = await rawRequest(here.socket, { method, path: PATH, body: "{}" });
      expect([method, answer.status]).toEqual([method, 404]);
    }
    const headers = { "x-http-method-override": "POST" };
    expect((await rawRequest(here.socket, { method: "GET", path: PATH, headers })).status).toBe(404);
    expect((await rawRequest(here.socket, { method: "TRACE", path: PATH })).status).toBe(415);
    await expectHealthy(here);
  });
});

test("the daemon answers names that are no digests with DIGEST_INVALID, however they are escaped", async () => {
  await withDaemonHere(async (here) => {
    const names = [
      "..%2f..%2fetc%2fpasswd",
      "sha256:..%2f..%2fetc",
      "%252e%252e%252f",
      "%00",
      "a".repeat(63),
      "A".repeat(64),
    ];
    for (const name of names) {
      const answer = await rawRequest(here.socket, { method: "GET", path: `/v1/blobs/${name}` });
      expect([name, answer.status, answer.json.error?.code]).toEqual([name, 400, "DIGEST_INVALID"]);
    }
    const broken = await rawRequest(here.socket, { method: "GET", path: "/v1/blobs/%c0%ae%zz" });
    expect(broken).toMatchObject({ status: 400, json: { error: { code: "REQUEST_INVALID" } } });
    const absent = await rawRequest(here.socket, { method: "GET", path: `/v1/blobs/${"a".repeat(64)}` });
    expect(absent).toMatchObject({ status: 404, json: { error: { code: "OBJECT_NOT_FOUND" } } });
    await expectHealthy(here);
  });
});

test.each([
  ["another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 400"],
  ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "HTTP/1.1 400"],
  ["no host", "GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 400"],
  [
    "two lengths",
    "POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    "HTTP/1.1 400",
  ],
  [
    "a bad chunk",
    `POST ${PATH} HTTP/1.1\r\nhost: x\r\nsmc-protocol: 1\r\ncontent-type: application/json\r\n` +
      "transfer-encoding: chunked\r\n\r\n-1\r\n",
    "HTTP/1.1 400",
  ],
  [
    "a head that is too long",
    `GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(HEADER_BYTES_MAX)}\r\n\r\n`,
    "HTTP/1.1 431",
  ],
])("the daemon turns away %s and closes", async (_, bytes, start) => {
  await withDaemonHere(async (here) => {
    expect((await rawBytes(here.socket, bytes)).slice(0, start.length)).toBe(start);
    await expectHealthy(here);
  });
});

test("the daemon is not troubled by a body that ends too early", async () => {
  await withDaemonHere(async (here) => {
    const head = `POST ${PATH} HTTP/1.1\r\nhost: x\r\nsmc-protocol: 1\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n`;
    await rawBytes(here.socket, `${head}{"at"`, { end: true });
    await expectHealthy(here);
  });
});

test("a client that goes away aborts its verb", async () => {
  await withDaemonHere(async ({ daemon, folder, storePath }) => {
    const file = join(folder, "sparse");
    await writeFile(file, "");
    await truncate(file, 64 * 1024 * 1024 * 1024);
    const controller = new AbortController();
    const { signal } = controller;
    const call = createClient({ storePath }).call(
      "hash-object",
      { at: { folder }, input: { files: [file] } },
      { signal },
    );
    void until(() => daemon.status().activeRequests === 1).then(() => controller.abort());
    await expect(call).rejects.toMatchObject({ code: "CANCELED" });
    await until(() => daemon.status().activeRequests === 0);
  });
});

test("many clients at once are all answered", async () => {
  await withDaemonHere(async ({ folder, storePath }) => {
    const file = join(folder, "file");
    await writeFile(file, "hello\n");
    const digest = createHash("sha256").update("hello\n").digest("hex");
    const client = createClient({ storePath, autostart: false });
    const calls = Array.from({ length: 200 }, () =>
      client.call("hash-object", { at: { folder }, input: { files: [file] } }),
    );
    for (const rows of await Promise.all(calls)) expect(rows).toEqual([{ path: file, digest, sizeBytes: 6 }]);
  });
});

test("the daemon finishes what is active when it is asked to stop, and refuses what comes later", async () => {
  await withDaemonHere(async ({ daemon, folder, storePath, socket }) => {
    const file = join(folder, "sparse");
    await writeFile(file, "");
    await truncate(file, 512 * 1024 * 1024);
    const client = createClient({ storePath, autostart: false });
    const active = client.call("hash-object", { at: { folder }, input: { files: [file] } });
    await until(() => daemon.status().activeRequests === 1);
    // An idle connection that was opened before is still there when the daemon begins to leave.
    const late = openConnection(socket);
    await late.connected;
    const stopped = daemon.stop("test");
    await expect(client.call("refs", { at: { folder }, input: {} })).rejects.toMatchObject({
      code: "DAEMON_UNREACHABLE",
    });
    late.close();
    expect(await active).toMatchObject([{ sizeBytes: 512 * 1024 * 1024 }]);
    await stopped;
  });
});

function openConnection(socketPath: string): { connected: Promise<void>; close: () => void } {
  const request = httpRequest({
    socketPath,
    method: "GET",
    path: "/healthz",
    headers: { "smc-protocol": "1" },
  });
  request.on("error", () => undefined);
  const connected = new Promise<void>((resolve) => {
    request.once("socket", (socket) => {
      socket.once("connect", () => resolve());
    });
  });
  request.flushHeaders();
  return { connected, close: () => request.destroy() };
}
