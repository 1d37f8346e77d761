import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { createLogger } from "../logger.ts";
import { createAuthority } from "../remotes/certificates.ts";
import { type Daemon, startDaemon } from "../run.ts";
import { until, withDaemonHere } from "../testing.ts";
import type { ServingOptions } from "./listener.ts";
import { makeSource, putOf, type SentPack } from "./packs-for-tests.ts";
import { type TestServer, withServer, writeCertificate } from "./testing.ts";

const source = await makeSource();
const first = source.packs[0] as SentPack;

async function expectHealthy({ ask, daemon }: TestServer): Promise<void> {
  expect((await ask({ path: "/healthz" })).json).toEqual({ status: "ok" });
  await until(() => daemon.status().activeRequests === 0);
}

function headOf({ tokens }: TestServer, method: string, path: string, more: string): string {
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nsmc-remote: 1\r\nauthorization: Bearer ${tokens.push}\r\n${more}\r\n`;
}

function putHead(server: TestServer, length: number): string {
  const more = `content-type: application/octet-stream\r\ncontent-length: ${length}\r\n`;
  return headOf(server, "PUT", `/v1/repositories/demo/packs/${first.name}`, more);
}

test("C9: what is not exactly HTTP is refused and the connection closed", async () => {
  await withServer(
    async (server) => {
      const { raw } = server;
      const get = (more: string): string => headOf(server, "GET", "/v1/token", more);
      const bad = [
        get("content-length: 5\r\ntransfer-encoding: chunked\r\n"),
        get("content-length: 5\r\ncontent-length: 6\r\n"),
        get("content-length: -1\r\n"),
        get(`x: ${"a".repeat(17 * 1024)}\r\n`),
        get("x: a\r\n folded: yes\r\n").replace("x: a\r\n folded", "x: a\r\n\x00folded"),
        get("transfer-encoding: gzip\r\n"),
        `${headOf(server, "POST", "/v1/repositories/demo/missing", "content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n")}-1\r\n`,
        `${headOf(server, "POST", "/v1/repositories/demo/missing", "content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n")}FFFFFFFFFFFFFFFFF\r\n`,
        "GET /v1/token HTTP/1.1\nhost: localhost\n\n",
        get("").replace("smc-remote: 1", "smc-remote : 1"),
      ];
      for (const bytes of bad)
        expect([bytes.slice(0, 400), await raw(bytes)]).toEqual([
          bytes.slice(0, 400),
          expect.stringMatching(/^HTTP\/1\.1 4(00|08|31) /),
        ]);
      const many = Array.from({ length: 3000 }, (_, index) => `x${index}: ${index}\r\n`).join("");
      expect(await raw(get(many))).toMatch(/^HTTP\/1\.1 431 /);
      await expectHealthy(server);
    },
    { limits: { headersMs: 500, checkMs: 100, keepAliveMs: 200, bodyIdleMs: 500 } },
  );
});

/** A connection that was opened and written to; what came so far, and whether the other end closed it. */
function open(
  port: number,
  bytes: string | Uint8Array,
): { socket: Socket; text: () => string; isClosed: () => boolean } {
  let text = "";
  const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
  socket.setEncoding("latin1").on("data", (part: string) => {
    text += part;
  });
  socket.on("error", () => socket.destroy());
  return { socket, text: () => text, isClosed: () => socket.destroyed };
}

test("C9, C11: a body that ends too early leaves nothing behind, and can be sent again", async () => {
  await withServer(async (server) => {
    const { socket } = open(
      server.port,
      Buffer.concat([Buffer.from(putHead(server, first.bytes.length)), first.bytes.subarray(0, 5000)]),
    );
    await until(() => server.daemon.status().activeRequests === 1);
    socket.end();
    await until(() => server.daemon.status().activeRequests === 0);
    const folder = join(server.storePath, "quarantine");
    const left = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
    expect(left.filter((name) => /\.(pack|tmp)$/.test(name))).toEqual([]);
    expect((await server.ask(putOf(first))).status).toBe(201);
  });
});

test("C10: who sends nothing, or a byte at a time, is cut off while others are answered", async () => {
  const limits = { headersMs: 400, bodyIdleMs: 400, requestMs: 1_500, keepAliveMs: 300, checkMs: 50 };
  await withServer(
    async (server) => {
      const silent = open(server.port, "");
      const half = open(server.port, "GET /healthz HT");
      const kept = open(server.port, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
      const body = open(server.port, putHead(server, first.bytes.length));
      const dripping = open(server.port, "GET /healthz HTTP/1.1\r\n");
      const dripped = open(server.port, putHead(server, first.bytes.length));
      const drips = setInterval(() => {
        dripping.socket.write("x");
        dripped.socket.write("x");
      }, 100);
      const all = { silent, half, kept, body, dripping, dripped };
      try {
        await until(() => {
          void server.ask({ path: "/healthz" });
          return Object.values(all).every(({ isClosed }) => isClosed());
        });
      } finally {
        clearInterval(drips);
      }
      expect(kept.text()).toMatch(/^HTTP\/1\.1 200 /);
      await expectHealthy(server);
    },
    { limits },
  );
});

test("C10: who reads nothing of an answer is cut off", async () => {
  await withServer(
    async (server) => {
      expect((await server.ask(putOf(first))).status).toBe(201);
      const times = 20;
      const head = headOf(server, "GET", `/v1/repositories/demo/packs/${first.name}`, "");
      const slow = open(server.port, head.repeat(times));
      slow.socket.pause();
      await until(() => server.daemon.status().activeRequests > 0);
      await until(() => server.daemon.status().activeRequests === 0);
      slow.socket.resume();
      await until(slow.isClosed);
      expect(slow.text().length).toBeLessThan(first.bytes.length * times);
    },
    { limits: { stalledMs: 300 } },
  );
});

test("more connections than are borne are closed, and the others go on", async () => {
  await withServer(
    async (server) => {
      const crowd = Array.from({ length: 40 }, () =>
        open(server.port, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"),
      );
      await until(() => crowd.every(({ isClosed, text }) => isClosed() || text() !== ""));
      expect(crowd.filter(({ text }) => text() !== "").length).toBeLessThanOrEqual(8);
      for (const { socket } of crowd) socket.destroy();
      await until(async () => {
        try {
          return (await server.ask({ path: "/healthz" })).status === 200;
        } catch {
          return false;
        }
      });
    },
    { limits: { connections: 8 } },
  );
});

test("a request keeps a leaving daemon until it is answered", async () => {
  await withServer(async (server) => {
    const head = putHead(server, first.bytes.length);
    const put = open(server.port, Buffer.concat([Buffer.from(head), first.bytes.subarray(0, 1000)]));
    await until(() => server.daemon.status().activeRequests === 1);
    const left = server.daemon.stop("test");
    await until(async () => {
      const { socket, isClosed } = open(server.port, "");
      await until(() => isClosed() || !socket.connecting);
      const isRefused = isClosed();
      socket.destroy();
      return isRefused;
    });
    put.socket.write(first.bytes.subarray(1000));
    await until(() => put.text() !== "");
    expect(put.text()).toMatch(/^HTTP\/1\.1 201 /);
    await left;
    await until(put.isClosed);
  });
});

test("TLS: the same answers behind a certificate, and noise on either port harms nothing", async () => {
  await withServer(
    async (server) => {
      expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
      await expectHealthy(server);
      expect((await server.ask({ path: "/v1/token" })).status).toBe(200);
      expect((await server.ask(putOf(first))).status).toBe(201);
      expect(await server.raw("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")).not.toContain("200");
      expect(await server.raw("\x16\x03\x01\xff\xff")).not.toContain("HTTP");
      const old = connectTls({
        port: server.port,
        host: "127.0.0.1",
        minVersion: "TLSv1",
        maxVersion: "TLSv1.1",
        ciphers: "DEFAULT@SECLEVEL=0",
        rejectUnauthorized: false,
      });
      await expect(once(old, "secureConnect")).rejects.toThrow();
      await expectHealthy(server);
    },
    { tls: true, limits: { headersMs: 500, checkMs: 100 } },
  );
  await withServer(async (server) => {
    const client = connectTls({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    await expect(once(client, "secureConnect")).rejects.toThrow();
    await expectHealthy(server);
  });
});

async function certificateOf(port: number): Promise<string> {
  const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

test("a new certificate is taken while the server runs; what is none leaves the old one", async () => {
  await withServer(
    async ({ port, folder }) => {
      const first = await certificateOf(port);
      const held = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
      await once(held, "secureConnect");
      const place = join(folder, "new");
      await mkdir(place);
      const { certFile, keyFile } = await writeCertificate(place);
      // The files change one after the other: for a moment they are no pair.
      await copyFile(certFile, join(folder, "cert.pem"));
      expect(await certificateOf(port)).toBe(first);
      await copyFile(keyFile, join(folder, "key.pem"));
      await until(async () => (await certificateOf(port)) !== first);
      const second = await certificateOf(port);
      await writeFile(join(folder, "key.pem"), "no key");
      expect(await certificateOf(port)).toBe(second);
      // A connection that was there goes on.
      held.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
      const [answer] = (await once(held, "data")) as [Buffer];
      expect(answer.toString("latin1")).toMatch(/^HTTP\/1\.1 200 /);
      held.destroy();
    },
    { tls: true, limits: { certificateMs: 30 } },
  );
});

test("C10: a body that hardly moves is cut off, however often a byte of it comes", async () => {
  await withServer(
    async (server) => {
      const slow = open(server.port, putHead(server, first.bytes.length));
      const drips = setInterval(() => slow.socket.write("x"), 20);
      try {
        await until(slow.isClosed);
      } finally {
        clearInterval(drips);
      }
      await until(() => server.daemon.status().activeRequests === 0);
      expect((await server.ask(putOf(first))).status).toBe(201);
    },
    { limits: { bodyGraceMs: 200, bodyBytesPerSecondMin: 10_000 } },
  );
});

async function start(folder: string, serving: ServingOptions): Promise<Daemon> {
  const daemon = await startDaemon({
    storePath: join(folder, "store"),
    logger: createLogger("silent"),
    serving,
  });
  await daemon.stop("test", true);
  return daemon;
}

test.each([
  ["0.0.0.0:0", "USAGE"],
  ["192.0.2.1:7433", "USAGE"],
  ["models.lan:7433", "USAGE"],
  ["[::]:7433", "USAGE"],
  ["127.0.0.1", "USAGE"],
  ["127.0.0.1:70000", "USAGE"],
  [":7433", "USAGE"],
  ["7433", "USAGE"],
  ["http://127.0.0.1:7433", "USAGE"],
  ["[::1:7433", "USAGE"],
  ["127.0.0.1:7433/x", "USAGE"],
])("a daemon does not listen on %s without TLS, and makes no store", async (listen, code) => {
  await withFolder(async (folder) => {
    await expect(start(folder, { listen })).rejects.toMatchObject({ code });
    expect(existsSync(join(folder, "store"))).toBe(false);
  });
});

test("a daemon that cannot have its port says so and lets go of the store", async () => {
  await withFolder(async (folder) => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const listen = `127.0.0.1:${port}`;
    await expect(start(folder, { listen })).rejects.toMatchObject({
      code: "IO_FAILED",
      message: expect.stringContaining(listen),
    });
    other.close();
    await once(other, "close");
    await start(folder, { listen });
  });
});

test("a certificate that cannot be read, or is not that of the key, is refused before the store is taken", async () => {
  await withFolder(async (folder) => {
    const { certFile, keyFile } = await writeCertificate(folder);
    const strange = join(folder, "strange.pem");
    writeFileSync(strange, createAuthority("other").issue().keyPem);
    const junk = join(folder, "junk.pem");
    writeFileSync(junk, "junk");
    const bad = [
      [{ certFile: join(folder, "none"), keyFile }, "PATH_NOT_FOUND"],
      [{ certFile, keyFile: join(folder, "none") }, "PATH_NOT_FOUND"],
      [{ certFile: junk, keyFile }, "ARGUMENT_INVALID"],
      [{ certFile, keyFile: junk }, "ARGUMENT_INVALID"],
      [{ certFile, keyFile: strange }, "ARGUMENT_INVALID"],
      [{ certFile: keyFile, keyFile }, "ARGUMENT_INVALID"],
    ] as const;
    for (const [certificate, code] of bad)
      await expect(start(folder, { listen: "127.0.0.1:0", certificate })).rejects.toMatchObject({ code });
    expect(existsSync(join(folder, "store"))).toBe(false);
    const names = { listen: "0.0.0.0:0", certificate: { certFile, keyFile } };
    await expect(start(folder, names)).rejects.toMatchObject({ code: "USAGE" });
    await expect(start(folder, { ...names, hostNames: ["a b"] })).rejects.toMatchObject({ code: "USAGE" });
    const served = await start(folder, { ...names, hostNames: ["models.lan"] });
    expect(served.status().url).toMatch(/^https:\/\/models\.lan:\d+$/);
  });
});

test("a daemon that serves nobody else has no URL, one that does never leaves by itself", async () => {
  await withDaemonHere(async ({ daemon }) => {
    expect(daemon.status().url).toBe(null);
  });
  await withFolder(async (folder) => {
    const daemon = await startDaemon({
      storePath: join(folder, "store"),
      logger: createLogger("silent"),
      idleMs: 50,
      serving: { listen: "localhost:0" },
    });
    expect(daemon.status()).toMatchObject({
      idleMs: 0,
      url: expect.stringMatching(/^http:\/\/localhost:\d+$/),
    });
    await daemon.stop("test", true);
  });
});
