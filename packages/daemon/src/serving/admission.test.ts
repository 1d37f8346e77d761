import { expect, test } from "vitest";
import { type TestServer, withServer } from "./testing.ts";

async function expectHealthy({ ask, daemon }: TestServer): Promise<void> {
  expect((await ask({ path: "/healthz" })).json).toEqual({ status: "ok" });
  expect(daemon.status().activeRequests).toBe(0);
}

/** Status and code of an answer to bytes. */
function read(answer: string): [status: number, code: string] {
  return [Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0), /"code":"([A-Z_]+)"/.exec(answer)?.[1] ?? ""];
}

test("C2: only requests to one of its names are answered", async () => {
  await withServer(
    async (server) => {
      const { port, raw } = server;
      const bad = [
        "evil.com",
        `evil.com:${port}`,
        "127.0.0.1.nip.io",
        "localhost.",
        "localhost.evil.com",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "127.1",
        "",
        "localhost:99999",
        "localhost:7433:1",
        "localhost, evil.com",
        "user@localhost",
        "localhost/",
      ];
      for (const host of bad) {
        const answer = await raw(`GET /healthz HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
        expect([host, ...read(answer)]).toEqual([host, 403, "HOST_FORBIDDEN"]);
      }
      const two = await raw("GET /healthz HTTP/1.1\r\nhost: localhost\r\nHost: localhost\r\n\r\n");
      expect(read(two)).toEqual([403, "HOST_FORBIDDEN"]);
      const absolute = await raw("GET http://evil.com/healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
      expect(read(absolute)).toEqual([403, "HOST_FORBIDDEN"]);
      expect(read(await raw("GET /healthz HTTP/1.0\r\n\r\n"))).toEqual([403, "HOST_FORBIDDEN"]);
      expect(read(await raw("GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n"))).toEqual([
        400,
        "REQUEST_INVALID",
      ]);
      expect(read(await raw("GET /healthz HTTP/1.1\r\n\r\n"))[0]).toBe(400);
      for (const host of [
        "localhost",
        `LocalHost:${port}`,
        "127.0.0.1",
        "[::1]",
        "models.lan",
        "MODELS.lan:8443",
      ])
        expect([host, (await server.ask({ path: "/healthz", headers: { host } })).status]).toEqual([
          host,
          200,
        ]);
      await expectHealthy(server);
    },
    { hostNames: ["models.lan"] },
  );
});

test("C3: web pages are not answered, whatever they ask", async () => {
  await withServer(async (server) => {
    const origins = [
      "https://evil.com",
      "null",
      "http://localhost:1234",
      "file://",
      "http://127.0.0.1.evil.com",
      "HTTPS://EVIL.COM",
    ];
    const pages = [
      ...origins.map((origin) => ({ origin })),
      { Origin: `http://localhost:${server.port}` },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-origin" },
    ];
    for (const headers of pages) {
      for (const method of ["GET", "POST", "OPTIONS"]) {
        const answer = await server.ask({ method, path: "/healthz", headers });
        expect(answer).toMatchObject({ status: 403, json: { error: { code: "ORIGIN_FORBIDDEN" } } });
        expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
      }
    }
    expect((await server.ask({ path: "/healthz", headers: { "sec-fetch-site": "none" } })).status).toBe(200);
    await expectHealthy(server);
  });
});

test("C15: other methods and protocols end in an error or a closed connection", async () => {
  await withServer(async (server) => {
    const { ask, raw, tokens } = server;
    for (const method of ["TRACE", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]) {
      const answer = await ask({ method, path: "/v1/token" });
      expect([method, answer.status]).toEqual([method, 404]);
    }
    const headers = { "x-http-method-override": "PUT", "x-method-override": "PUT" };
    expect((await ask({ path: "/v1/token", headers })).status).toBe(200);
    const lines = [
      "CONNECT evil.com:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET / HTTP/3.0\r\nhost: localhost\r\n\r\n",
      Buffer.from("16030100c8010000c40303", "hex"),
      "\0\0\0\0\r\n\r\n",
    ];
    for (const line of lines) expect(["", "4"]).toContain((await raw(line)).slice(9, 10));
    const upgrade = `GET /v1/token HTTP/1.1\r\nhost: localhost\r\nsmc-remote: 1\r\nauthorization: Bearer ${tokens.read}\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n`;
    expect(await raw(upgrade)).not.toContain("101");
    await expectHealthy(server);
  });
});
