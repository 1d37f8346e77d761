import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { QUIET } from "@smc/store/testing";
import { expect, test } from "vitest";
import { codeOf, keysOf, readWhole } from "./bucket-suite.ts";
import {
  answer,
  BYTES,
  failureOf,
  type Handler,
  HEAD,
  sendRange,
  SHORT_IDLE_MS,
  useCredentials,
  withServer,
  xml,
} from "./s3-server.ts";

useCredentials();

test("a body that breaks off is read on from where it broke", async () => {
  await withServer(
    (request, response, count) => sendRange(request, response, count < 4 ? 50_000 : undefined),
    async (bucket, requests) => {
      expect(BYTES.equals(await readWhole(bucket.read("a", QUIET)))).toBe(true);
      expect(requests).toHaveLength(4);
    },
  );
});

test("a body that always breaks off is fewer bytes than there are", async () => {
  await withServer(
    (request, response) => sendRange(request, response, 1000),
    async (bucket, requests) => {
      const error = await failureOf(() => readWhole(bucket.read("a", QUIET, { from: 10, to: 200_000 })));
      expect(error.code).toBe("REMOTE_FAILED");
      expect(error.message).toContain("of 199990 bytes came");
      expect(requests).toHaveLength(6);
    },
  );
});

test("a body that stops in the middle ends in time", async () => {
  await withServer(
    (_, response) => {
      response.writeHead(200, { ...HEAD, "content-length": String(BYTES.length) });
      response.write(BYTES.subarray(0, 1000));
    },
    async (bucket) => {
      const error = await failureOf(() => readWhole(bucket.read("a", QUIET)));
      expect(error.code).toBe("REMOTE_UNREACHABLE");
      expect(error.message).toContain("no byte came");
    },
    { idleMs: SHORT_IDLE_MS },
  );
});

/** Longer than the bucket waits for a server, which waits long enough for a busy machine. */
const PAUSE_MS = 4000;

test("a reader that takes its time is no server that says nothing", async () => {
  await withServer(
    (request, response) => sendRange(request, response),
    async (bucket, requests) => {
      const parts: Uint8Array[] = [];
      for await (const piece of bucket.read("a", QUIET)) {
        if (parts.length === 0) await sleep(PAUSE_MS);
        parts.push(piece);
      }
      expect(BYTES.equals(Buffer.concat(parts))).toBe(true);
      expect(requests).toHaveLength(1);
    },
    { idleMs: PAUSE_MS - 1000 },
  );
});

test.for([
  ["the whole instead of a range", 200, { "content-length": String(BYTES.length) }],
  ["a shorter range", 206, { "content-length": "10", "content-range": "bytes 5-14/300000" }],
  ["another range", 206, { "content-length": "100", "content-range": "bytes 0-99/300000" }],
  ["a length that is not the range", 206, { "content-length": "10", "content-range": "bytes 5-104/300000" }],
] as const)("%s is refused", async ([, status, headers]) => {
  await withServer(
    (_, response) =>
      answer(response, status, "x".repeat(Number(headers["content-length"])), { ...HEAD, ...headers }),
    async (bucket) => {
      expect(await codeOf(() => readWhole(bucket.read("a", QUIET, { from: 5, to: 105 })))).toBe(
        "REMOTE_FAILED",
      );
    },
  );
});

/** A server that keeps one object; `lose` of its first answers to a PUT never arrive. */
function keeping(options: { lose?: number; says?: number; instead?: Buffer; first?: number }): Handler {
  let stored: Buffer | undefined;
  let puts = 0;
  return (request, response) => {
    if (request.url === "/models/") return answer(response, 200);
    if (request.method !== "PUT") {
      if (stored === undefined) return answer(response, 404, xml("NoSuchKey"));
      response.writeHead(200, { ...HEAD, "content-length": String(stored.length) });
      return void response.end(request.method === "HEAD" ? undefined : stored);
    }
    puts++;
    const count = puts;
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (options.first !== undefined && count === 1) return answer(response, options.first, xml("Conflict"));
      if (options.says === 200) return answer(response, 200, "", { etag: '"e"' });
      if (stored !== undefined) return answer(response, 412, xml("PreconditionFailed"));
      stored = options.instead ?? Buffer.concat(parts);
      if (count <= (options.lose ?? 0)) return void request.socket.resetAndDestroy();
      answer(response, 200, "", { etag: '"e"' });
    });
  };
}

test("an object whose answer was lost is ours when it has our bytes", async () => {
  const body = { bytes: BYTES };
  await withServer(keeping({ lose: 1 }), async (bucket, requests) => {
    expect(await bucket.create("a", body, QUIET)).toBe(true);
    expect(requests.map((line) => line.split(" ")[0])).toEqual(["PUT", "PUT", "HEAD", "GET"]);
    expect(await bucket.create("a", body, QUIET)).toBe(false);
  });
  await withServer(keeping({ lose: 1, instead: randomBytes(BYTES.length) }), async (bucket) => {
    expect(await bucket.create("a", body, QUIET)).toBe(false);
  });
  await withServer(keeping({ lose: 1, instead: randomBytes(10) }), async (bucket) => {
    expect(await bucket.create("a", body, QUIET)).toBe(false);
  });
});

test("a large object that is there is not sent", async () => {
  const bytes = randomBytes(2 * 1024 * 1024);
  await withServer(keeping({}), async (bucket, requests) => {
    expect(await bucket.create("a", { bytes }, QUIET)).toBe(true);
    expect(await bucket.create("a", { bytes }, QUIET)).toBe(false);
    expect(requests.filter((line) => line.startsWith("PUT"))).toHaveLength(1);
  });
});

test("a conflict of two writers is tried again", async () => {
  await withServer(keeping({ first: 409 }), async (bucket, requests) => {
    expect(await bucket.create("a", { bytes: BYTES }, QUIET)).toBe(true);
    expect(requests.filter((line) => line.startsWith("PUT"))).toHaveLength(2);
  });
});

test("a server that says that it stored what is not there is not believed", async () => {
  await withServer(keeping({ says: 200 }), async (bucket) => {
    const error = await failureOf(() => bucket.create("a", { bytes: BYTES }, QUIET));
    expect(error.code).toBe("REMOTE_FAILED");
    expect(error.message).toContain("it is not there");
  });
  await withServer(keeping({ instead: randomBytes(10) }), async (bucket) => {
    const error = await failureOf(() => bucket.create("a", { bytes: BYTES }, QUIET));
    expect(error.code).toBe("REMOTE_FAILED");
    expect(error.message).toContain("it has 10 bytes");
  });
});

test("a request says what its bytes are, twice, and that nothing may be replaced", async () => {
  const keep = keeping({});
  await withServer(
    (request, response, count) => {
      if (request.method === "PUT") {
        const sha256 = createHash("sha256").update(BYTES).digest();
        expect(request.headers).toMatchObject({
          "if-none-match": "*",
          "content-length": String(BYTES.length),
          "x-amz-checksum-sha256": sha256.toString("base64"),
          "x-amz-content-sha256": sha256.toString("hex"),
        });
        expect(request.headers["transfer-encoding"]).toBeUndefined();
        expect(request.headers["content-encoding"]).toBeUndefined();
        expect(request.headers.authorization).toContain("x-amz-content-sha256");
      }
      keep(request, response, count);
    },
    async (bucket) => {
      expect(await bucket.create("a", { bytes: BYTES }, QUIET)).toBe(true);
    },
  );
});

function page(keys: readonly string[], rest: string): string {
  const contents = keys
    .map(
      (key) =>
        `<Contents><Key>${key}</Key><Size>1</Size><LastModified>2025-11-01T00:00:00.000Z</LastModified></Contents>`,
    )
    .join("");
  return `<?xml version="1.0"?><ListBucketResult><Name>models</Name>${contents}${rest}</ListBucketResult>`;
}

const MORE = "<IsTruncated>true</IsTruncated>";
const TOKEN = `${MORE}<NextContinuationToken>t</NextContinuationToken>`;
const LAST = "<IsTruncated>false</IsTruncated>";

test.for([
  ["repeats its token", (count: number) => page([`p/k${count}`], TOKEN), "does not go on"],
  ["has no token", () => page(["p/a"], MORE), "does not go on"],
  ["begins again", (count: number) => page(["p/a", "p/b"], TOKEN.replace(">t<", `>${count}<`)), "order"],
  ["is not in order", () => page(["p/b", "p/a"], LAST), "order"],
] as const)("a list that %s fails", async ([, pageOf, text]) => {
  await withServer(
    (_, response, count) => answer(response, 200, pageOf(count)),
    async (bucket, requests) => {
      const error = await failureOf(() => keysOf(bucket, ""));
      expect(error.code).toBe("REMOTE_FAILED");
      expect(error.message).toContain(text);
      expect(requests.length).toBeLessThan(4);
    },
  );
});

test("what others put into a bucket is not listed", async () => {
  const others = ["q/a", "p/.x", "p/a%20b", "p/%2e%2e/x", "p/a//b", "p/%00", "p/", "p/x/", "p/%C3%A4"];
  await withServer(
    (_, response) => answer(response, 200, page([...others, "p/a", "p%2Fb%2Fc"], LAST)),
    async (bucket) => {
      expect(await keysOf(bucket, "")).toEqual(["a", "b/c"]);
    },
  );
});
