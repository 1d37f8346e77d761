import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { encodePackIndex, type RemoteRow } from "@smc/store";
import { QUIET, withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { readWhole } from "./bucket-suite.ts";
import {
  bodyOf,
  bytes,
  digestOf,
  type Hostile,
  json,
  OCTETS,
  PACK,
  TOKEN,
  withHttpServer,
} from "./http-server.ts";
import { failureOf } from "./s3-server.ts";

const BYTES = randomBytes(300_000);

function rowOf(name: string, more: Partial<RemoteRow> = {}): RemoteRow {
  const place = { offset: 64, storedBytes: 100, rawBytes: 100, codec: 0, flags: 0, headerCrc: 0 };
  return { digest: digestOf(name), kind: "chunk", pack: PACK, ...place, ...more };
}

/** An answer to `locate` with one pack. */
function framed(rows: readonly RemoteRow[], sizeBytes = 4096): Buffer {
  const index = encodePackIndex({ name: PACK, sizeBytes, rows });
  const length = Buffer.alloc(4);
  length.writeUInt32LE(index.length);
  return Buffer.concat([length, index]);
}

test("every request says who asks and in which version, and no compression is wanted", async () => {
  await withHttpServer(
    (request, response) => {
      expect(request.headers).toMatchObject({ authorization: `Bearer ${TOKEN}`, "smc-remote": "1" });
      expect(request.headers["accept-encoding"]).toBeUndefined();
      expect(request.headers.cookie).toBeUndefined();
      response.setHeader("set-cookie", "a=b");
      json(response, { result: { refs: [] } });
    },
    async ({ remote, requests }) => {
      for (let round = 0; round < 3; round++) expect(await remote.refs(QUIET)).toEqual([]);
      expect(requests).toEqual(Array.from({ length: 3 }, () => "GET /v1/repositories/team%2Fmodel/refs"));
    },
  );
});

test("a connection is used again", async () => {
  const ports = new Set<number | undefined>();
  await withHttpServer(
    (request, response) => {
      ports.add(request.socket.remotePort);
      json(response, { result: { refs: [] } });
    },
    async ({ remote }) => {
      for (let round = 0; round < 5; round++) await remote.refs(QUIET);
      expect(ports.size).toBe(1);
    },
  );
});

test("refs() gives the refs in the byte order of their names, also those that nobody would take over", async () => {
  const names = [
    "refs/heads/\u{10000}",
    "refs/heads/\uffff",
    "refs/heads/a\u001b[2J",
    "refs/heads/../x",
    "a",
  ];
  await withHttpServer(
    (_, response) => json(response, { result: { refs: names.map((name) => [name, digestOf("x")]) } }),
    async ({ remote }) => {
      const found = (await remote.refs(QUIET)).map(({ name }) => name);
      const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(found).toEqual(sorted);
    },
  );
});

test.for([
  ["no list", {}],
  ["a number", { refs: 7 }],
  ["a name that is none", { refs: [[7, digestOf("x")]] }],
  ["no digest", { refs: [["refs/heads/a", "x"]] }],
  ["a digest in capitals", { refs: [["refs/heads/a", digestOf("x").toUpperCase()]] }],
  [
    "a ref twice",
    {
      refs: [
        ["refs/heads/a\u001b", digestOf("x")],
        ["refs/heads/a\u001b", digestOf("x")],
      ],
    },
  ],
  ["null", null],
] as const)("refs() takes nothing of an answer with %s", async ([, result]) => {
  await withHttpServer(
    (_, response) => json(response, { result }),
    async ({ remote }) => {
      const error = await failureOf(() => remote.refs(QUIET));
      expect(error.code).toBe("REMOTE_FAILED");
      expect(error.message).not.toContain("\u001b");
    },
  );
});

test("missing() asks in batches and reads one bit a digest, lowest first", async () => {
  const digests = Array.from({ length: 65_536 + 9 }, (_, index) => digestOf(String(index)));
  const sizes: number[] = [];
  await withHttpServer(
    async (request, response) => {
      const asked = await bodyOf(request);
      sizes.push(asked.length / 32);
      const bits = Buffer.alloc(Math.ceil(asked.length / 32 / 8));
      for (let at = 0; at < asked.length / 32; at += 3)
        bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
      bytes(response, bits);
    },
    async ({ remote }) => {
      const lacks = await remote.missing(digests, QUIET);
      expect(sizes).toEqual([65_536, 9]);
      expect(lacks).toHaveLength(digests.length);
      expect([...lacks.subarray(0, 7)]).toEqual([1, 0, 0, 1, 0, 0, 1]);
      expect([...lacks.subarray(65_536)]).toEqual([1, 0, 0, 1, 0, 0, 1, 0, 0]);
      expect(await remote.missing([], QUIET)).toHaveLength(0);
    },
  );
});

test.for([0, 1, 3, 4])("missing() refuses %i bytes for 9 digests", async (count) => {
  const digests = Array.from({ length: 9 }, (_, index) => digestOf(String(index)));
  await withHttpServer(
    (_, response) => bytes(response, Buffer.alloc(count, 0xff)),
    async ({ remote }) => {
      expect((await failureOf(() => remote.missing(digests, QUIET))).code).toBe("REMOTE_FAILED");
    },
  );
});

test("locate() gives what was asked for and what is no chunk; packBytes() is told along", async () => {
  const rows = [
    rowOf("a"),
    rowOf("unasked"),
    rowOf("tree", { kind: "tree" }),
    rowOf("list", { kind: "chunklist", blob: digestOf("blob") }),
  ];
  await withHttpServer(
    (_, response) => {
      const all = framed(rows);
      response.writeHead(200, OCTETS);
      // In pieces that end anywhere.
      for (let at = 0; at < all.length; at += 37) response.write(all.subarray(at, at + 37));
      response.end(all);
    },
    async ({ remote, requests }) => {
      const found = await remote.locate([digestOf("a"), digestOf("blob")], QUIET);
      expect(found.map(({ digest }) => digest).sort()).toEqual(["a", "tree", "list"].map(digestOf).sort());
      expect(found.find(({ kind }) => kind === "chunklist")?.blob).toBe(digestOf("blob"));
      expect(await remote.packBytes(PACK, QUIET)).toBe(4096);
      expect(requests).toHaveLength(1);
    },
  );
});

test("locate() asks in batches", async () => {
  const digests = Array.from({ length: 4096 + 1 }, (_, index) => digestOf(String(index)));
  const sizes: number[] = [];
  await withHttpServer(
    async (request, response) => {
      sizes.push((await bodyOf(request)).length / 32);
      bytes(response, Buffer.alloc(0));
    },
    async ({ remote }) => {
      expect(await remote.locate(digests, QUIET)).toEqual([]);
      expect(sizes).toEqual([4096, 1]);
    },
  );
});

const HUGE = Buffer.alloc(4);
HUGE.writeUInt32LE(0xffff_ffff);

test.for([
  ["half a frame", framed([rowOf("a")]).subarray(0, 50)],
  ["half a length", Buffer.alloc(3)],
  ["a frame of 4 GiB", Buffer.concat([HUGE, Buffer.alloc(100)])],
  ["an empty frame", Buffer.alloc(4)],
  ["no pack index", Buffer.concat([Buffer.from([4, 0, 0, 0]), Buffer.from("abcd")])],
  ["a record in the header", framed([rowOf("a", { offset: 0 })])],
  ["a record behind the end", framed([rowOf("a", { offset: 4000 })])],
  ["a record that nobody asked for and that is too large", framed([rowOf("b", { rawBytes: 2 ** 31 })])],
  ["a record that grows in the pack", framed([rowOf("a", { rawBytes: 1, storedBytes: 1000 })])],
  ["a pack that changes its size", Buffer.concat([framed([rowOf("a")]), framed([rowOf("a")], 5000)])],
] as const)("locate() refuses %s", async ([, body]) => {
  await withHttpServer(
    (_, response) => bytes(response, body),
    async ({ remote }) => {
      expect((await failureOf(() => remote.locate([digestOf("a")], QUIET))).code).toBe("REMOTE_FAILED");
    },
  );
});

test("statPack() is undefined for a pack that is gone, and packBytes() says that it is", async () => {
  await withHttpServer(
    (_, response) => void response.writeHead(404).end(),
    async ({ remote }) => {
      expect(await remote.statPack(PACK, QUIET)).toBeUndefined();
      expect((await failureOf(() => remote.packBytes(PACK, QUIET))).code).toBe("REMOTE_INCOMPLETE");
      const reading = () => readWhole(remote.readPack(PACK, { from: 0, to: 10 }, QUIET));
      expect((await failureOf(reading)).code).toBe("REMOTE_INCOMPLETE");
    },
  );
});

function sendRange(response: ServerResponse, range: string, sendMax = BYTES.length): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  const [from, to] = [Number(first), Number(last) + 1];
  response.writeHead(206, {
    ...OCTETS,
    "content-length": String(to - from),
    "content-range": `bytes ${from}-${to - 1}/${BYTES.length}`,
  });
  const part = BYTES.subarray(from, Math.min(to, from + sendMax));
  if (part.length === to - from) response.end(part);
  else response.write(part, () => response.destroy());
}

test("readPack() goes on behind the bytes that came before the connection broke", async () => {
  const ranges: string[] = [];
  await withHttpServer(
    (request, response) => {
      ranges.push(request.headers.range ?? "");
      sendRange(response, request.headers.range ?? "", 100_000);
    },
    async ({ remote }) => {
      const read = await readWhole(remote.readPack(PACK, { from: 5, to: 250_000 }, QUIET));
      expect(BYTES.subarray(5, 250_000).equals(read)).toBe(true);
      expect(ranges[0]).toBe("bytes=5-249999");
      expect(ranges.length).toBeGreaterThan(2);
      expect(new Set(ranges).size).toBe(ranges.length);
      expect(await readWhole(remote.readPack(PACK, { from: 7, to: 7 }, QUIET))).toHaveLength(0);
    },
  );
});

test("readPack() that gets nothing ends after some tries", async () => {
  await withHttpServer(
    (request, response) => sendRange(response, request.headers.range ?? "", 0),
    async ({ remote, requests }) => {
      const error = await failureOf(() => readWhole(remote.readPack(PACK, { from: 0, to: 1000 }, QUIET)));
      expect(error.code).toBe("REMOTE_UNREACHABLE");
      expect(requests).toHaveLength(6);
    },
  );
});

test.for([
  ["the whole pack", 200, {}, 100],
  ["no range", 206, {}, 100],
  ["another range", 206, { "content-range": "bytes 1-100/4096" }, 100],
  ["a shorter range", 206, { "content-range": "bytes 0-98/4096" }, 99],
  ["another unit", 206, { "content-range": "items 0-99/4096" }, 100],
  ["a range with an escape", 206, { "content-range": "bytes 0-99/4096 \u009b2J" }, 100],
  ["more bytes", 206, { "content-range": "bytes 0-99/4096", "content-length": "200" }, 200],
  ["fewer bytes", 206, { "content-range": "bytes 0-99/4096", "content-length": "50" }, 50],
  [
    "fewer bytes without a length",
    206,
    { "content-range": "bytes 0-99/4096", "transfer-encoding": "chunked" },
    50,
  ],
  ["several ranges", 206, { "content-type": "multipart/byteranges; boundary=x" }, 100],
  ["that there is no such range", 416, { "content-range": "bytes */50" }, 0],
] as const)("readPack() refuses %s", async ([, status, headers, count]) => {
  await withHttpServer(
    (_, response) => bytes(response, Buffer.alloc(count), { status, headers }),
    async ({ remote, requests }) => {
      const error = await failureOf(() => readWhole(remote.readPack(PACK, { from: 0, to: 100 }, QUIET)));
      expect(error.code).toBe("REMOTE_FAILED");
      expect(error.message).not.toMatch(/[\u0080-\u009f]/);
      expect(requests).toHaveLength(1);
    },
  );
});

function withFolderToo(run: (hostile: Hostile & { folder: string }) => Promise<void>) {
  return (hostile: Hostile) => withFolder((folder) => run({ ...hostile, folder }));
}

test("putPack() sends the bytes and how many they are, and what is there already not at all", async () => {
  const content = randomBytes(2_000_000);
  const there = new Set<string>();
  await withHttpServer(
    async (request, response, count) => {
      if (request.method === "HEAD") {
        const isThere = there.has(request.url ?? "");
        return void response
          .writeHead(isThere ? 200 : 404, isThere ? { "content-length": "2000000" } : {})
          .end();
      }
      if (count === 2) return void request.socket.resetAndDestroy();
      expect(request.headers["content-length"]).toBe("2000000");
      const body = await bodyOf(request).catch(() => undefined);
      if (body === undefined) return;
      expect(content.equals(body)).toBe(true);
      there.add(request.url ?? "");
      json(response, { result: {} }, 201);
    },
    withFolderToo(async ({ remote, requests, folder }) => {
      const path = join(folder, "one.pack");
      await writeFile(path, content);
      const pack = { path, name: PACK, sizeBytes: content.length, rows: [] };
      await remote.putPack(pack, QUIET);
      await remote.putPack(pack, QUIET);
      const at = `/v1/repositories/team%2Fmodel/packs/${PACK}`;
      expect(requests).toEqual([`HEAD ${at}`, `PUT ${at}`, `PUT ${at}`, `HEAD ${at}`]);
      await writeFile(path, "changed");
      const changed = { ...pack, name: digestOf("other") };
      expect((await failureOf(() => remote.putPack(changed, QUIET))).code).toBe("PACK_CORRUPT");
    }),
  );
});

test("putPack() tells why the server did not want the bytes", async () => {
  await withHttpServer(
    (request, response) => {
      if (request.method === "HEAD") return void response.writeHead(404).end();
      request.resume();
      json(response, { error: { code: "QUOTA_EXCEEDED", message: "full" } }, 507);
    },
    withFolderToo(async ({ remote, folder }) => {
      const path = join(folder, "one.pack");
      await writeFile(path, randomBytes(2_000_000));
      const error = await failureOf(() =>
        remote.putPack({ path, name: PACK, sizeBytes: 2_000_000, rows: [] }, QUIET),
      );
      expect(error.code).toBe("QUOTA_EXCEEDED");
      expect(error.message).toContain("full");
    }),
  );
});
