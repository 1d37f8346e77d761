import type { ServerResponse } from "node:http";
import { QUIET } from "@smc/store/testing";
import { expect, test } from "vitest";
import type { HttpRemote } from "./http-remote.ts";
import { endless, json, OCTETS, READS, TOKEN, withHttpServer } from "./http-server.ts";
import { failureOf, SHORT_IDLE_MS } from "./s3-server.ts";

const BODIES = READS.filter(([phase]) => phase !== "look at pack");

test.for(READS)("a redirect is not followed: to %s fails", async ([phase, run]) => {
  const places = ["http://169.254.169.254/latest", "//evil.example", "/v1/other", "http://a\u009b2J", ""];
  for (const [index, place] of places.entries()) {
    await withHttpServer(
      (_, response) => {
        const status = [301, 302, 303, 307, 308][index] ?? 302;
        response.writeHead(status, place === "" ? {} : { location: place });
        response.end("x".repeat(1000));
      },
      async ({ remote, requests }) => {
        const error = await failureOf(() => run(remote));
        expect(error.code).toBe("REMOTE_FAILED");
        expect(error.message).toContain(`cannot ${phase}`);
        expect(error.message).toContain(place === "" ? "nowhere" : place.slice(0, 8));
        expect(error.message).not.toMatch(/[\u0080-\u009f]/);
        expect(requests).toHaveLength(1);
      },
    );
  }
});

test.for(READS)("no token, or one that is not taken: to %s says where to log in", async ([, run]) => {
  await withHttpServer(
    (_, response) => {
      response.writeHead(401, {
        "content-type": "application/json",
        "www-authenticate": Array.from({ length: 50 }, () => 'Bearer realm="https://evil.example/token"'),
      });
      response.end(JSON.stringify({ error: { code: "AUTH_FAILED", message: `no ${TOKEN} \u001b[2J` } }));
    },
    async ({ remote, origin, requests }) => {
      const error = await failureOf(() => run(remote));
      expect(error.code).toBe("AUTH_FAILED");
      expect(error.hint).toBe(`smc login ${origin}`);
      expect(JSON.stringify(error)).not.toMatch(/smc_|\\u001b|evil/);
      expect(requests).toHaveLength(1);
    },
  );
});

test.for([
  [403, "PUSH_FORBIDDEN", "PUSH_FORBIDDEN"],
  [403, "SCOPE_MISSING", "SCOPE_MISSING"],
  [507, "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"],
  [507, "DISK_FULL", "DISK_FULL"],
  [500, "OBJECT_CORRUPT", "OBJECT_CORRUPT"],
  [502, "REMOTE_INCOMPLETE", "REMOTE_INCOMPLETE"],
  [500, "READ_ONLY", "READ_ONLY"],
  [400, "REPOSITORY_NAME_INVALID", "REPOSITORY_NAME_INVALID"],
  [409, "LIMIT_EXCEEDED", "LIMIT_EXCEEDED"],
  [403, "HOST_FORBIDDEN", "REMOTE_FAILED"],
  [500, "INTERNAL", "REMOTE_FAILED"],
  [400, "UNSAFE_OWNER", "REMOTE_FAILED"],
  [400, "constructor", "REMOTE_FAILED"],
  [503, "DAEMON_INCOMPATIBLE", "REMOTE_FAILED"],
  [418, "\u001b]52;c;eA==\u0007", "REMOTE_FAILED"],
] as const)("an answer %i %s is told as %s, once", async ([status, code, told]) => {
  const message = `why\u001b[2J\u202e ${TOKEN} ${"x".repeat(5000)}`;
  await withHttpServer(
    (_, response) => json(response, { error: { code, message, hint: "rm -rf /" } }, status),
    async ({ remote, requests, origin }) => {
      const error = await failureOf(() => remote.refs(QUIET));
      expect(error.code).toBe(told);
      expect(error.message.startsWith(`${origin}/team/model: cannot read the refs: `)).toBe(true);
      expect(error.message).toContain("why\\x1b[2J\\u{202e} ***");
      expect(error.message.length).toBeLessThan(600);
      expect(JSON.stringify(error)).not.toMatch(/rm -rf|smc_/);
      expect(requests).toHaveLength(1);
    },
  );
});

const WRONG_ANSWERS: [string, (response: ServerResponse) => unknown, RegExp][] = [
  [
    "a page of HTML",
    (response) => void response.writeHead(200, { "content-type": "text/html" }).end("<p>"),
    /text\/html|makes no sense|instead/,
  ],
  [
    "a page of HTML that says no",
    (response) => void response.writeHead(403, { "content-type": "text/html" }).end("<p>"),
    /403/,
  ],
  [
    "compression",
    (response) => void response.writeHead(200, { ...OCTETS, "content-encoding": "gzip" }).end("x"),
    /compressed|makes no sense/,
  ],
  ["no content", (response) => void response.writeHead(204).end(), /204/],
  ["no such thing as HTTP", (response) => void response.socket?.end("SSH-2.0-OpenSSH_9.6\r\n"), /no HTTP/],
  [
    "endless headers",
    (response) => void response.socket?.write(`HTTP/1.1 200 OK\r\na: ${"x".repeat(1e6)}`),
    /no HTTP|broke/,
  ],
];

test.for(WRONG_ANSWERS)("%s is no answer to anything", async ([, send, says]) => {
  for (const [phase, run] of BODIES) {
    await withHttpServer(
      (_, response) => void send(response),
      async ({ remote }) => {
        const error = await failureOf(() => run(remote));
        expect(error.code, phase).toMatch(/^REMOTE_(?:FAILED|UNREACHABLE|INCOMPLETE)$/);
        expect(error.message, phase).toMatch(says);
      },
    );
  }
});

test.for(BODIES)("a body without end: to %s stops at its limit", async ([phase, run]) => {
  const type = phase === "read the refs" ? "application/json" : "application/octet-stream";
  await withHttpServer(
    (_, response) => {
      if (phase !== "read pack") return endless(response, { "content-type": type });
      response.writeHead(206, { ...OCTETS, "content-range": "bytes 0-99/4096" });
      response.write(Buffer.alloc(100_000));
    },
    async ({ remote }) => {
      const error = await failureOf(() => run(remote));
      expect(error.code).toBe("REMOTE_FAILED");
      expect(error.message).toMatch(/more than|at most/);
    },
  );
});

test("an answer that is announced too long is not read", async () => {
  await withHttpServer(
    (_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": String(1e12) });
      response.write("{");
    },
    async ({ remote }) => {
      expect((await failureOf(() => remote.refs(QUIET))).message).toContain("1000000000000 bytes");
    },
  );
});

test.for(BODIES)("a server that stops in the middle: to %s ends in time", async ([phase, run]) => {
  await withHttpServer(
    (_, response) => {
      const type = phase === "read the refs" ? "application/json" : "application/octet-stream";
      const range = phase === "read pack" ? { "content-range": "bytes 0-99/4096" } : {};
      response.writeHead(phase === "read pack" ? 206 : 200, { "content-type": type, ...range });
      response.flushHeaders();
    },
    async ({ remote }) => {
      const error = await failureOf(() => run(remote));
      expect(error.code).toBe("REMOTE_UNREACHABLE");
      expect(error.message).toContain("nothing came or went for 0.3 s");
    },
    { idleMs: SHORT_IDLE_MS },
  );
});

test.for(READS)(
  "a server that resets every connection: to %s is tried again, not forever",
  async ([, run]) => {
    await withHttpServer(
      (request) => void request.socket.resetAndDestroy(),
      async ({ remote, requests }) => {
        expect((await failureOf(() => run(remote))).code).toBe("REMOTE_UNREACHABLE");
        expect(requests).toHaveLength(6);
      },
    );
  },
);

test.for(READS)("a server that is always busy: to %s is tried again, not forever", async ([, run]) => {
  for (const status of [429, 503]) {
    await withHttpServer(
      (_, response) => void response.writeHead(status, { "retry-after": "0" }).end(),
      async ({ remote, requests }) => {
        const error = await failureOf(() => run(remote));
        expect(error.code).toBe("REMOTE_FAILED");
        expect(error.message).toContain(String(status));
        expect(requests).toHaveLength(6);
      },
    );
  }
});

test("a server that is busy for a while is waited for", async () => {
  await withHttpServer(
    (_, response, count) => {
      if (count > 3) return json(response, { result: { refs: [] } });
      const error = { code: "STORE_BUSY", message: "later" };
      response.writeHead(count === 1 ? 429 : 503, { "content-type": "application/json", "retry-after": "0" });
      response.end(JSON.stringify({ error }));
    },
    async ({ remote, requests }) => {
      expect(await remote.refs(QUIET)).toEqual([]);
      expect(requests).toHaveLength(4);
    },
  );
});

test("nobody listens: that is said at once", async () => {
  let closed: HttpRemote | undefined;
  await withHttpServer(
    (_, response) => void response.end(),
    async ({ remote }) => {
      closed = remote;
    },
  );
  const error = await failureOf(async () => closed?.refs(QUIET));
  expect(error.code).toBe("REMOTE_UNREACHABLE");
  expect(error.message).toContain("ECONNREFUSED");
});

test("a call that is canceled ends, whatever the server does", async () => {
  const controller = new AbortController();
  await withHttpServer(
    () => controller.abort(),
    async ({ remote }) => {
      const call = { ...QUIET, signal: controller.signal };
      expect((await failureOf(() => remote.refs(call))).code).toBe("CANCELED");
    },
  );
});
