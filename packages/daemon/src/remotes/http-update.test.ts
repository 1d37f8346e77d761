import { type Digest, hashBytes, parseRefName, type Progress, type RefChange } from "@smc/store";
import { QUIET } from "@smc/store/testing";
import { expect, test } from "vitest";
import { bodyOf, type HttpHandler, json, lines, TOKEN, withHttpServer } from "./http-server.ts";
import { failureOf, SHORT_IDLE_MS } from "./s3-server.ts";

const digestOf = (text: string): Digest => hashBytes(Buffer.from(text));
const [OLD, NEW, OTHER] = ["old", "new", "other"].map(digestOf) as [Digest, Digest, Digest];
const MAIN = parseRefName("refs/heads/main");
const GONE = parseRefName("refs/heads/gone");
const CHANGES: RefChange[] = [
  { name: MAIN, from: OLD, to: NEW },
  { name: GONE, from: OLD, to: "absent" },
];
const REASON = { op: "push", reason: "push", actor: "Ada <ada@example.org>" };

/** A server with these two refs; `onUpdate` may move them. */
function serverOf(
  refs: Map<string, Digest>,
  onUpdate: (response: Parameters<HttpHandler>[1], count: number) => void,
): HttpHandler {
  let updates = 0;
  return async (request, response) => {
    const body = await bodyOf(request);
    if (request.method === "GET") return json(response, { result: { refs: [...refs] } });
    expect(JSON.parse(body.toString("utf8"))).toEqual({ changes: CHANGES, reason: REASON });
    updates += 1;
    onUpdate(response, updates);
  };
}

const before = (): Map<string, Digest> =>
  new Map([
    [MAIN, OLD],
    [GONE, OLD],
  ]);

function move(refs: Map<string, Digest>): void {
  refs.set(MAIN, NEW);
  refs.delete(GONE);
}

const updates = (requests: readonly string[]): number =>
  requests.filter((request) => request.startsWith("POST")).length;

test("update() tells progress as it comes, in words that are safe to show", async () => {
  const told: Progress[] = [];
  const progress = { phase: "verify\u001b[2J", done: 1, total: 2, unit: "objects" };
  const wrong = [{ ...progress, done: -1 }, { ...progress, unit: "x" }, { ...progress, phase: 1 }, null, 7];
  await withHttpServer(
    serverOf(before(), (response) =>
      lines(response, { progress }, ...wrong.map((progress) => ({ progress })), { result: {} }),
    ),
    async ({ remote }) => {
      await remote.update(CHANGES, REASON, { ...QUIET, onProgress: (one) => told.push(one) });
      expect(told).toEqual([{ phase: "verify\\x1b[2J", done: 1, total: 2, unit: "objects" }]);
    },
  );
});

test.for([
  ["REF_CHANGED", "REF_CHANGED"],
  ["PUSH_FORBIDDEN", "PUSH_FORBIDDEN"],
  ["OBJECT_CORRUPT", "OBJECT_CORRUPT"],
  ["INTERNAL", "REMOTE_FAILED"],
] as const)("update() throws an error that comes after progress: %s", async ([code, told]) => {
  const progress = { phase: "verify", done: 1, unit: "objects" };
  await withHttpServer(
    serverOf(before(), (response) =>
      lines(response, { progress }, { error: { code, message: `no\u001b ${TOKEN}` } }),
    ),
    async ({ remote, requests }) => {
      const error = await failureOf(() => remote.update(CHANGES, REASON, QUIET));
      expect(error.code).toBe(told);
      expect(error.message).toContain("no\\x1b ***");
      expect(requests).toHaveLength(1);
    },
  );
});

test("update() throws an error that comes at once", async () => {
  await withHttpServer(
    serverOf(before(), (response) => json(response, { error: { code: "REF_CHANGED", message: "no" } }, 409)),
    async ({ remote, requests }) => {
      expect((await failureOf(() => remote.update(CHANGES, REASON, QUIET))).code).toBe("REF_CHANGED");
      expect(requests).toHaveLength(1);
    },
  );
});

test("update() whose answer was lost after it was done is done", async () => {
  for (const isHalf of [false, true]) {
    const refs = before();
    await withHttpServer(
      serverOf(refs, (response) => {
        move(refs);
        if (isHalf) response.write('{"progr');
        response.socket?.resetAndDestroy();
      }),
      async ({ remote, requests }) => {
        await remote.update(CHANGES, REASON, QUIET);
        expect(updates(requests)).toBe(1);
      },
    );
  }
});

test("update() that was cut off before anything moved is made once more", async () => {
  const refs = before();
  await withHttpServer(
    serverOf(refs, (response, count) => {
      if (count === 1) return void response.socket?.resetAndDestroy();
      move(refs);
      lines(response, { result: {} });
    }),
    async ({ remote, requests }) => {
      await remote.update(CHANGES, REASON, QUIET);
      expect(updates(requests)).toBe(2);
    },
  );
});

test("update() that is cut off again and again says that its outcome is not known", async () => {
  await withHttpServer(
    serverOf(before(), (response) => void response.socket?.resetAndDestroy()),
    async ({ remote, requests }) => {
      const error = await failureOf(() => remote.update(CHANGES, REASON, QUIET));
      expect(error.code).toBe("REMOTE_UNREACHABLE");
      expect(error.message).toContain("not known whether the refs were moved");
      expect(updates(requests)).toBe(2);
    },
  );
});

test("update() that the first try did after all is done, though the second is refused", async () => {
  const refs = before();
  await withHttpServer(
    serverOf(refs, (response, count) => {
      if (count === 1) return void response.socket?.resetAndDestroy();
      // The first one was still at work when the refs were looked at.
      move(refs);
      json(response, { error: { code: "REF_CHANGED", message: "no" } }, 409);
    }),
    async ({ remote, requests }) => {
      await remote.update(CHANGES, REASON, QUIET);
      expect(updates(requests)).toBe(2);
    },
  );
});

test("update() that was cut off, and refs that somebody else moved: nothing is overwritten", async () => {
  const refs = before();
  await withHttpServer(
    serverOf(refs, (response) => {
      refs.set(MAIN, OTHER);
      response.socket?.resetAndDestroy();
    }),
    async ({ remote, requests }) => {
      expect((await failureOf(() => remote.update(CHANGES, REASON, QUIET))).code).toBe("REF_CHANGED");
      expect(updates(requests)).toBe(1);
    },
  );
});

test("update() of a server that is busy is made again, and a gateway's error is no outcome", async () => {
  const refs = before();
  await withHttpServer(
    serverOf(refs, (response, count) => {
      if (count <= 2) return void response.writeHead(503, { "retry-after": "0" }).end();
      move(refs);
      response.writeHead(502).end();
    }),
    async ({ remote, requests }) => {
      await remote.update(CHANGES, REASON, QUIET);
      expect(updates(requests)).toBe(3);
    },
  );
});

test("update() gives up a server that says nothing any more", async () => {
  await withHttpServer(
    serverOf(before(), (response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      // Bytes are no sign of life, lines are.
      const drip = setInterval(() => response.write(" "), 50);
      response.once("close", () => clearInterval(drip));
    }),
    async ({ remote, requests }) => {
      const error = await failureOf(() => remote.update(CHANGES, REASON, QUIET));
      expect(error.code).toBe("REMOTE_UNREACHABLE");
      expect(error.message).toContain("nothing came or went");
      expect(updates(requests)).toBe(1);
    },
    { idleMs: SHORT_IDLE_MS },
  );
});

test.for([
  ["a line without end", "x".repeat(1_000_000), "application/x-ndjson"],
  ["no JSON", "no\n", "application/x-ndjson"],
  ["HTML", "<p>", "text/html"],
  ["neither result nor error", "{}\n", "application/json"],
] as const)("update() refuses %s", async ([, body, type]) => {
  await withHttpServer(
    serverOf(before(), (response) => void response.writeHead(200, { "content-type": type }).end(body)),
    async ({ remote }) => {
      const error = await failureOf(() => remote.update(CHANGES, REASON, QUIET));
      expect(error.code).toMatch(/^REMOTE_/);
      expect(error.message).toContain("not known whether");
    },
  );
});

test("update() sends no more than a server takes", async () => {
  const many = Array.from({ length: 10_000 }, (_, index): RefChange => {
    return { name: parseRefName(`refs/heads/b${index}`), from: "any", to: NEW };
  });
  await withHttpServer(
    () => undefined,
    async ({ remote, requests }) => {
      expect((await failureOf(() => remote.update(many, REASON, QUIET))).code).toBe("LIMIT_EXCEEDED");
      expect(requests).toEqual([]);
    },
  );
});
