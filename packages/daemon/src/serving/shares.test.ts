import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { until } from "../testing.ts";
import { codeOf, makeSource, putOf, type SentPack } from "./packs-for-tests.ts";
import { networkOf } from "./shares.ts";
import { withServer } from "./testing.ts";

const REFS = { path: "/v1/repositories/demo/refs" };
const WRONG = `smc_${"x".repeat(43)}`;

async function opened(port: number, from: string): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress: from });
  await once(socket, "connect");
  return socket;
}

async function textOf(socket: Socket): Promise<string> {
  let text = "";
  for await (const part of socket) text += String(part);
  return text;
}

test("C10, C12: one address has some connections, and the others are left to others", async () => {
  await withServer(
    async ({ ask, port }) => {
      const held = [await opened(port, "127.0.0.2"), await opened(port, "127.0.0.2")];
      const refused = await textOf(await opened(port, "127.0.0.2"));
      expect(refused).toMatch(/^HTTP\/1\.1 429 .*\r\nretry-after: 5\r\n/s);
      expect(refused).toContain('"RATE_LIMITED"');
      expect((await ask({ ...REFS, from: "127.0.0.3" })).status).toBe(200);
      for (const socket of held) socket.destroy();
      await until(async () => (await ask({ ...REFS, from: "127.0.0.2" })).status === 200);
    },
    { limits: { connectionsPerAddress: 2 } },
  );
});

test("C1: who guesses tokens is told to wait; who has one is let in from the same address", async () => {
  await withServer(
    async ({ ask }) => {
      const guess = { ...REFS, token: WRONG, from: "127.0.0.2" };
      for (let count = 0; count < 3; count += 1)
        expect(codeOf(await ask(guess))).toEqual([401, "AUTH_FAILED"]);
      const refused = await ask(guess);
      expect(codeOf(refused)).toEqual([429, "RATE_LIMITED"]);
      const seconds = Number(refused.headers["retry-after"]);
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(3600);
      expect(refused.headers["www-authenticate"]).toBeUndefined();
      expect((await ask({ ...REFS, from: "127.0.0.2" })).status).toBe(200);
      expect(codeOf(await ask({ ...guess, from: "127.0.0.3" }))).toEqual([401, "AUTH_FAILED"]);
    },
    { limits: { failedLogins: 3, failedLoginsMs: 3_600_000 } },
  );
});

test("C1: what was guessed is forgotten after a time", async () => {
  await withServer(
    async ({ ask }) => {
      const guess = { ...REFS, token: WRONG };
      expect((await ask(guess)).status).toBe(401);
      await until(async () => (await ask(guess)).status === 429);
      await until(async () => (await ask(guess)).status === 401);
    },
    { limits: { failedLogins: 1, failedLoginsMs: 500 } },
  );
});

test("C12: with one token so many packs come at a time, with another one more", async () => {
  const { packs } = await makeSource();
  const [first, ...others] = packs as [SentPack, ...SentPack[]];
  await withServer(
    async ({ ask, port, tokens, daemon }) => {
      const half = await opened(port, "127.0.0.1");
      half.write(
        `PUT /v1/repositories/demo/packs/${first.name} HTTP/1.1\r\nhost: localhost\r\nsmc-remote: 1\r\n` +
          `authorization: Bearer ${tokens.push}\r\ncontent-type: application/octet-stream\r\n` +
          `content-length: ${first.bytes.length}\r\n\r\n`,
      );
      await until(() => daemon.status().activeRequests === 1);
      const [other = first] = others;
      await until(async () => (await ask(putOf(other))).status === 429);
      const refused = await ask(putOf(other));
      expect(codeOf(refused)).toEqual([429, "RATE_LIMITED"]);
      expect(refused.headers["retry-after"]).toBe("1");
      expect((await ask({ ...putOf(other), token: tokens.admin })).status).toBe(201);
      half.destroy();
      await until(async () => (await ask(putOf(first))).status === 201);
    },
    { limits: { uploadsPerToken: 1 } },
  );
});

test.each([
  ["127.0.0.1", "127.0.0.1"],
  ["::ffff:10.0.0.1", "10.0.0.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::7", "2001:db8:0:0"],
  ["2001:db8:1:2::", "2001:db8:1:2"],
  ["fe80::1%eth0", "fe80:0:0:0"],
  ["::1", "0:0:0:0"],
])("an address counts as its network: %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
