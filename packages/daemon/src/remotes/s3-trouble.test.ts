import { EventEmitter, once } from "node:events";
import { randomBytes } from "node:crypto";
import { connect, createServer as createTcpServer } from "node:net";
import { Worker } from "node:worker_threads";
import { QUIET } from "@smc/store/testing";
import { expect, test } from "vitest";
import { codeOf, readWhole } from "./bucket-suite.ts";
import { parseBucketUrl } from "./bucket-url.ts";
import { parseRetryAfter } from "./retry.ts";
import { S3Bucket } from "./s3-bucket.ts";
import {
  answer,
  BYTES,
  CALLS,
  failureOf,
  listening,
  openAt,
  QUICK,
  SECRET,
  SHORT_IDLE_MS,
  sendRange,
  useCredentials,
  withServer,
  xml,
} from "./s3-server.ts";

useCredentials();

test.for(CALLS)("nobody listens: to %s fails at once", async ([phase, run]) => {
  const closed = createTcpServer();
  const port = await listening(closed, (port) => Promise.resolve(port));
  await new Promise((resolve) => {
    closed.close(resolve);
  });
  await using bucket = await openAt(port);
  const error = await failureOf(() => run(bucket));
  expect(error.code).toBe("REMOTE_UNREACHABLE");
  expect(error.message).toContain(`cannot ${phase} 'a/b' in s3://models/p?endpoint=http://127.0.0.1`);
  expect(error.message).toContain("ECONNREFUSED");
});

test.for(CALLS)(
  "a server that takes connections and says nothing: to %s ends in time",
  async ([phase, run]) => {
    const sockets = new Set<{ destroy: () => void }>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
    });
    try {
      await listening(server, async (port) => {
        await using bucket = await openAt(port, { idleMs: SHORT_IDLE_MS });
        const started = performance.now();
        const error = await failureOf(() => run(bucket));
        expect(error.code).toBe("REMOTE_UNREACHABLE");
        expect(error.message).toContain(`cannot ${phase} 'a/b'`);
        expect(error.message).toContain("no byte came or went for 0.3 s");
        expect(performance.now() - started).toBeLessThan(10_000);
      });
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  },
);

test("a server that takes no connections any more is given up after the time for connections", async () => {
  // Its loop stands still, and what the system queues for it is full.
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
    const server = require("node:net").createServer();
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
    });`,
    { eval: true },
  );
  const [port] = (await once(worker, "message")) as [number];
  const sockets = Array.from({ length: 8 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
  try {
    await Promise.race(sockets.map((socket) => once(socket, "connect")));
    await using bucket = await openAt(port, { connectMs: 500, idleMs: 60_000 });
    const error = await failureOf(() => bucket.stat("a/b", QUIET));
    expect(error.code).toBe("REMOTE_UNREACHABLE");
    expect(error.message).toContain("no connection came about");
  } finally {
    for (const socket of sockets) socket.destroy();
    await worker.terminate();
  }
});

test("a host that nobody knows cannot be reached", async () => {
  const url = parseBucketUrl("s3://models/p?endpoint=https://nobody.invalid");
  if (url.kind !== "s3") throw new Error("not S3");
  await using bucket = await S3Bucket.open(url, { limits: QUICK });
  const error = await failureOf(() => bucket.stat("a/b", QUIET));
  expect(error.code).toBe("REMOTE_UNREACHABLE");
  expect(error.message).toContain("cannot look at 'a/b'");
});

test.for(CALLS)(
  "a server that resets every connection: to %s is tried again, not forever",
  async ([, run]) => {
    await withServer(
      (request) => request.socket.resetAndDestroy(),
      async (bucket, requests) => {
        expect((await failureOf(() => run(bucket))).code).toBe("REMOTE_UNREACHABLE");
        expect(requests).toHaveLength(6);
      },
    );
  },
);

test.for(CALLS)("a server that is always busy: to %s is tried again, not forever", async ([, run]) => {
  await withServer(
    (_, response) => answer(response, 503, "busy"),
    async (bucket, requests) => {
      const error = await failureOf(() => run(bucket));
      expect(error.code).toBe("REMOTE_FAILED");
      expect(error.message).toContain("503");
      expect(requests).toHaveLength(6);
    },
  );
});

test.for(CALLS)("no access: to %s says so once", async ([phase, run]) => {
  const text = `no\u001b[31m ${"x".repeat(500)}`.replace("\u001b", "&#x1b;");
  await withServer(
    (_, response) => answer(response, 403, xml("AccessDenied", text)),
    async (bucket, requests) => {
      const error = await failureOf(() => run(bucket));
      expect(error.code).toBe("AUTH_FAILED");
      expect(error.message).toContain(`cannot ${phase} 'a/b'`);
      expect(error.message).not.toContain("\u001b");
      expect(error.message.length).toBeLessThan(500);
      expect(requests).toHaveLength(1);
    },
  );
});

test.for(CALLS.filter(([phase]) => phase !== "remove"))(
  "a page that some network shows in the server's place: to %s fails",
  async ([, run]) => {
    for (const page of ["<html><body><p>Log in<br></body></html>", "<html><body>Log in</body></html>", ""]) {
      await withServer(
        (_, response) => answer(response, 200, page, { "content-type": "text/html" }),
        async (bucket) => {
          expect((await failureOf(() => run(bucket))).code).toBe("REMOTE_FAILED");
        },
      );
    }
  },
);

test("credentials that a server repeats are not shown", async () => {
  await withServer(
    (request, response) => {
      const { authorization = "", "x-amz-security-token": token } = request.headers;
      const text = `${token?.toString()} ${authorization.replace(/, SignedHeaders=[^,]*/, "")}`;
      answer(response, 403, xml("SignatureDoesNotMatch", text));
    },
    async (bucket) => {
      const error = await failureOf(() => bucket.create("a", { bytes: randomBytes(1) }, QUIET));
      expect(error.code).toBe("AUTH_FAILED");
      expect(JSON.stringify(error)).toContain("***");
      expect(JSON.stringify(error)).not.toMatch(/AKIA|session-token|Signature=[0-9a-f]|wJalr/);
    },
  );
});

test("missing credentials are told before anything is sent", async () => {
  await withServer(
    (_, response) => answer(response, 200),
    async (bucket, requests) => {
      delete process.env.AWS_SECRET_ACCESS_KEY;
      try {
        const error = await failureOf(() => readWhole(bucket.read("a", QUIET)));
        expect(error.code).toBe("AUTH_FAILED");
        expect(error.hint).toContain("AWS_ACCESS_KEY_ID");
        expect(requests).toEqual([]);
      } finally {
        process.env.AWS_SECRET_ACCESS_KEY = SECRET;
      }
    },
  );
});

test.for([
  ["NoSuchBucket", 404, "REMOTE_NOT_FOUND", undefined],
  ["InvalidAccessKeyId", 403, "AUTH_FAILED", "credentials"],
  ["ExpiredToken", 400, "AUTH_FAILED", "credentials"],
  ["RequestTimeTooSkewed", 403, "AUTH_FAILED", "clock"],
  ["InvalidObjectState", 403, "REMOTE_FAILED", undefined],
  ["PermanentRedirect", 301, "REMOTE_FAILED", "region"],
  ["AuthorizationHeaderMalformed", 400, "REMOTE_FAILED", "region"],
  ["InvalidRange", 416, "REMOTE_FAILED", undefined],
] as const)("%s is told by its code", async ([name, status, code, hint]) => {
  await withServer(
    (_, response) => answer(response, status, xml(name)),
    async (bucket, requests) => {
      const error = await failureOf(() => readWhole(bucket.read("a", QUIET)));
      expect(error.code).toBe(code);
      expect(error.message).toContain(name);
      if (hint !== undefined) expect(error.hint).toContain(hint);
      expect(requests).toHaveLength(1);
    },
  );
});

test("a bucket that is not there is not taken for one without the object", async () => {
  await withServer(
    (_, response) => answer(response, 404),
    async (bucket, requests) => {
      expect(await codeOf(() => bucket.stat("a", QUIET))).toBe("REMOTE_NOT_FOUND");
      expect(requests).toEqual(["HEAD /models/p/a", "HEAD /models/"]);
    },
  );
});

test("a server that is busy for a while is waited for", async () => {
  await withServer(
    (request, response, count) => {
      if (count < 4)
        return answer(response, [429, 503, 500][count - 1] ?? 502, xml("SlowDown"), { "retry-after": "0" });
      sendRange(request, response);
    },
    async (bucket, requests) => {
      expect(BYTES.equals(await readWhole(bucket.read("a", QUIET)))).toBe(true);
      expect(requests).toHaveLength(4);
    },
  );
});

test("a server that says when to come back is heard, and a call that is canceled meanwhile ends", async () => {
  const server = new EventEmitter();
  await withServer(
    (_, response) => {
      response.on("finish", () => server.emit("answered"));
      answer(response, 503, xml("SlowDown"), { "retry-after": "99999999" });
    },
    async (bucket, requests) => {
      const controller = new AbortController();
      const call = { signal: controller.signal, onProgress: () => undefined };
      const isAnswered = once(server, "answered");
      const reading = codeOf(() => readWhole(bucket.read("a", call)));
      await isAnswered;
      const started = performance.now();
      controller.abort();
      expect(await reading).toBe("CANCELED");
      expect(performance.now() - started).toBeLessThan(5000);
      expect(requests).toHaveLength(1);
    },
  );
});

test("parseRetryAfter() reads seconds and dates", () => {
  expect(parseRetryAfter("7")).toBe(7000);
  expect(parseRetryAfter(new Date(Date.now() + 10_000).toUTCString())).toBeGreaterThan(8000);
  const none = ["", "soon", "-1", undefined, "Sat, 01 Nov 2025 00:00:00 GMT"];
  expect(none.map(parseRetryAfter)).toEqual([0, 0, 0, 0, 0]);
});
