import { createHash, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { QUIET, withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { readWhole } from "./bucket-suite.ts";
import { PART_LIMITS, partBytesOf } from "./s3-multipart.ts";
import { bodyOf } from "./http-server.ts";
import {
  answer,
  BYTES,
  failureOf,
  type Handler,
  HEAD,
  sendRange,
  useCredentials,
  withServer,
  xml,
} from "./s3-server.ts";

useCredentials();

/** Of 300,000 bytes: three parts. */
const SMALL = { wholeBytesMax: 150_000, partBytes: 120_000 };
const SHA256 = sha256(BYTES);

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface Seen {
  readonly parts: Map<number, Buffer>;
  stored: Buffer | undefined;
  tookBack: number;
}

interface Odd {
  /** Status of the first tries to send part 2. */
  readonly second?: readonly number[];
  /** To the request that joins the parts. */
  readonly joined?: "error in 200" | "lost";
  readonly instead?: Buffer;
}

/** A server that keeps one object, in parts. */
function keepingParts(odd: Odd = {}): { handler: Handler; seen: Seen } {
  const seen: Seen = { parts: new Map(), stored: undefined, tookBack: 0 };
  const troubles = [...(odd.second ?? [])];
  const handler: Handler = (request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://models");
    const number = Number(searchParams.get("partNumber"));
    void bodyOf(request).then((body) => {
      if (searchParams.has("uploads"))
        return answer(
          response,
          200,
          "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        );
      if (request.method === "PUT" && number > 0) {
        expect(request.headers["x-amz-content-sha256"]).toBe(sha256(body));
        const trouble = number === 2 ? troubles.shift() : undefined;
        if (trouble !== undefined) return answer(response, trouble, xml("Trouble"));
        seen.parts.set(number, body);
        return answer(response, 200, "", { etag: `"part-${number}"` });
      }
      if (request.method === "DELETE") {
        seen.tookBack += 1;
        return answer(response, 204);
      }
      if (request.method === "POST") return join(String(body));
      if (seen.stored === undefined) return answer(response, 404, xml("NoSuchKey"));
      if (request.method === "GET") return sendRange(request, response);
      response.writeHead(200, { ...HEAD, "content-length": String(seen.stored.length) }).end();
    });
    const join = (body: string): void => {
      expect(request.headers["if-none-match"]).toBe("*");
      if (odd.joined === "error in 200") return answer(response, 200, xml("InternalError", "try again"));
      if (seen.stored !== undefined)
        return odd.joined === "lost"
          ? answer(response, 404, xml("NoSuchUpload"))
          : answer(response, 412, xml("PreconditionFailed"));
      const tags = [...body.matchAll(/<ETag>(?:&quot;|")part-(\d+)(?:&quot;|")<\/ETag>/g)];
      seen.stored =
        odd.instead ?? Buffer.concat(tags.map(([, tag]) => seen.parts.get(Number(tag)) ?? Buffer.alloc(0)));
      if (odd.joined === "lost") return void request.socket.resetAndDestroy();
      answer(
        response,
        200,
        '<CompleteMultipartUploadResult><ETag>"x-3"</ETag></CompleteMultipartUploadResult>',
      );
    };
  };
  return { handler, seen };
}

function withFile(
  run: (body: { path: string; sizeBytes: number; sha256: string }) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    const path = join(folder, "large");
    await writeFile(path, BYTES);
    await run({ path, sizeBytes: BYTES.length, sha256: SHA256 });
  });
}

test("what is larger than one request takes goes in parts, once, and comes back", async () => {
  const { handler, seen } = keepingParts();
  await withFile((body) =>
    withServer(
      handler,
      async (bucket) => {
        const heard: number[] = [];
        const onSent = (bytes: number): number => heard.push(bytes);
        expect(await bucket.create("a", { ...body, onSent }, QUIET)).toBe(true);
        expect(heard).toEqual([120_000, 240_000, 300_000]);
        expect([...seen.parts].map(([number, { length }]) => [number, length])).toEqual([
          [1, 120_000],
          [2, 120_000],
          [3, 60_000],
        ]);
        expect(seen.stored?.equals(BYTES)).toBe(true);
        expect(BYTES.equals(await readWhole(bucket.read("a", QUIET)))).toBe(true);
        expect(seen.tookBack).toBe(0);
        expect(await bucket.create("a", { bytes: BYTES }, QUIET)).toBe(false);
        expect(seen.tookBack).toBe(1);
      },
      {},
      SMALL,
    ),
  );
});

test("a part that meets trouble is sent again", async () => {
  const { handler, seen } = keepingParts({ second: [503, 500] });
  await withFile((body) =>
    withServer(
      handler,
      async (bucket) => expect(await bucket.create("a", body, QUIET)).toBe(true),
      {},
      SMALL,
    ),
  );
  expect(seen.stored?.equals(BYTES)).toBe(true);
});

test.for([
  ["a part that is refused", { second: [403] }, {}, "AUTH_FAILED"],
  ["an error in an answer that is called 200", { joined: "error in 200" }, {}, "REMOTE_FAILED"],
  ["a file with other bytes", {}, { sha256: "f".repeat(64) }, "REMOTE_FAILED"],
  ["a file that is shorter", {}, { sizeBytes: BYTES.length + 200_000 }, "REMOTE_FAILED"],
] as const)("after %s nothing is stored, and the parts are taken back", async ([, odd, other, code]) => {
  const { handler, seen } = keepingParts(odd);
  await withFile((body) =>
    withServer(
      handler,
      async (bucket) => {
        const error = await failureOf(() => bucket.create("a", { ...body, ...other }, QUIET));
        expect(error.code).toBe(code);
      },
      { retriesMax: 1 },
      SMALL,
    ),
  );
  expect(seen).toMatchObject({ stored: undefined, tookBack: 1 });
});

test("parts whose joining was not answered are ours when our bytes are there", async () => {
  for (const [instead, isOurs] of [
    [undefined, true],
    [randomBytes(10), false],
  ] as const) {
    const { handler } = keepingParts({ joined: "lost", ...(instead === undefined ? {} : { instead }) });
    await withFile((body) =>
      withServer(
        handler,
        async (bucket) => expect(await bucket.create("a", body, QUIET)).toBe(isOurs),
        {},
        SMALL,
      ),
    );
  }
});

test("parts are larger where there would be too many", () => {
  const { objectBytesMax, partBytes, partsMax } = PART_LIMITS;
  expect(partBytesOf(6 * 1024 ** 3, PART_LIMITS)).toBe(partBytes);
  const most = partBytesOf(objectBytesMax, PART_LIMITS);
  expect(Math.ceil(objectBytesMax / most)).toBeLessThanOrEqual(partsMax);
  expect(most % 1024 ** 2).toBe(0);
});
