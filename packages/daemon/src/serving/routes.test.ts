import { decodePackIndex } from "@smc/store";
import { expect, test } from "vitest";
import {
  codeOf,
  lastLine,
  makeSource,
  putOf,
  type SentPack,
  type Source,
  updateOf,
} from "./packs-for-tests.ts";
import { type TestServer, withServer } from "./testing.ts";

const source: Source = await makeSource();
const first = source.packs[0] as SentPack;
const MAIN = "refs/heads/main";
const BYTES = { "content-type": "application/octet-stream" };
const digests = (...names: string[]): Buffer => Buffer.from(names.join(""), "hex");

async function putAll({ ask }: TestServer): Promise<void> {
  for (const pack of source.packs) expect((await ask(putOf(pack))).status).toBe(201);
}

test("a push by hand: what is missing, packs, refs; then everything can be fetched", async () => {
  await withServer(async (server) => {
    const { ask, tokens } = server;
    const at = "/v1/repositories/demo";
    expect((await ask({ path: `${at}/refs` })).json).toEqual({ result: { refs: [] } });
    const names = digests(source.commit, "f".repeat(64));
    const missing = { method: "POST", path: `${at}/missing`, body: names };
    expect([...(await ask(missing)).bytes]).toEqual([0b11]);
    await putAll(server);
    expect([...(await ask(missing)).bytes]).toEqual([0b10]);
    // What one has put and no ref needs is nobody else's.
    expect([...(await ask({ ...missing, token: tokens.admin })).bytes]).toEqual([0b11]);
    const moved = await ask(updateOf([{ name: MAIN, from: "absent", to: source.commit }]));
    expect(lastLine(moved)).toEqual({ result: {} });
    expect((await ask({ path: `${at}/refs` })).json).toEqual({ result: { refs: [[MAIN, source.commit]] } });
    expect([...(await ask({ ...missing, token: tokens.read })).bytes]).toEqual([0b10]);
    const located = await ask({
      method: "POST",
      path: `${at}/locate`,
      body: digests(source.commit),
      token: tokens.read,
    });
    expect(located.bytes.readUInt32LE(0)).toBe(located.bytes.length - 4);
    const index = decodePackIndex(located.bytes.subarray(4));
    expect(index.rows.map(({ digest }) => digest)).toContain(source.commit);
    const whole = await ask({ path: `${at}/packs/${index.name}`, token: tokens.read });
    expect([whole.status, whole.bytes.length, whole.headers["content-type"]]).toEqual([
      200,
      index.sizeBytes,
      BYTES["content-type"],
    ]);
    const head = await ask({ method: "HEAD", path: `${at}/packs/${index.name}`, token: tokens.read });
    expect([head.status, head.headers["content-length"], head.text]).toEqual([
      200,
      String(index.sizeBytes),
      "",
    ]);
  });
});

test("C7: ranges of a pack are what was asked for, or 416, or refused", async () => {
  await withServer(async ({ ask }) => {
    expect((await ask(putOf(first))).status).toBe(201);
    const path = `/v1/repositories/demo/packs/${first.name}`;
    const size = first.bytes.length;
    const part = async (range: string): Promise<[number, string | undefined, Buffer]> => {
      const { status, headers, bytes } = await ask({ path, headers: { range } });
      return [status, headers["content-range"]?.toString(), bytes];
    };
    expect(await part("bytes=0-63")).toEqual([206, `bytes 0-63/${size}`, first.bytes.subarray(0, 64)]);
    expect(await part("bytes=100-100")).toEqual([
      206,
      `bytes 100-100/${size}`,
      first.bytes.subarray(100, 101),
    ]);
    const tail = [206, `bytes ${size - 9}-${size - 1}/${size}`, first.bytes.subarray(-9)];
    expect(await part(`bytes=${size - 9}-`)).toEqual(tail);
    expect(await part(`bytes=${size - 9}-999999999999`)).toEqual(tail);
    expect((await part(`bytes=${size}-`)).slice(0, 2)).toEqual([416, `bytes */${size}`]);
    for (const range of [
      "bytes=5-4",
      "bytes=-5",
      "bytes=0-1,3-4",
      "bytes=a-b",
      "items=0-1",
      "bytes=1e3-",
      "bytes=0x1-2",
      `bytes=${"9".repeat(40)}-`,
    ])
      expect([range, (await part(range))[0]]).toEqual([range, 400]);
    const gone = `/v1/repositories/demo/packs/${"0".repeat(64)}`;
    expect(codeOf(await ask({ path: gone }))).toEqual([404, "OBJECT_NOT_FOUND"]);
    expect((await ask({ method: "HEAD", path: gone })).status).toBe(404);
  });
});

test("C5: bodies of another type are refused", async () => {
  await withServer(async ({ ask }) => {
    const types = [
      "text/plain",
      "multipart/form-data; boundary=x",
      "application/x-www-form-urlencoded",
      undefined,
      "",
      "application/json;charset=utf-7",
      "application/octet-stream, text/plain",
      "x",
    ];
    for (const type of types) {
      const headers = { "content-type": type };
      for (const request of [
        { ...updateOf([]), headers },
        { ...putOf(first), headers },
        { method: "POST", path: "/v1/repositories/demo/missing", body: "x", headers },
      ])
        expect([type, ...codeOf(await ask(request))]).toEqual([type, 415, "REQUEST_TYPE_INVALID"]);
    }
    const packed = await ask({ ...putOf(first), headers: { "content-encoding": "gzip" } });
    expect(codeOf(packed)).toEqual([415, "REQUEST_TYPE_INVALID"]);
  });
});

test("C6: names in paths are decoded once and are names or nothing", async () => {
  await withServer(async ({ ask, raw, tokens, storePath }) => {
    const P = first.name;
    const refused: [string, number][] = [
      ["/v1/repositories/..%2f..%2fetc%2fpasswd/refs", 400],
      ["/v1/repositories/owner%252Fname/refs", 400],
      ["/v1/repositories/%252e%252e%252f/refs", 400],
      ["/v1/repositories/a%00b/refs", 400],
      ["/v1/repositories/%c0%ae%c0%ae/refs", 400],
      ["/v1/repositories/%/refs", 400],
      ["/v1/repositories/..;/refs", 400],
      ["/v1/repositories/..%5C..%5Cx/refs", 400],
      ["/v1/repositories/a%2Fb%2Fc/refs", 400],
      [`/v1/repositories/${"a".repeat(300)}/refs`, 400],
      [`/v1/repositories/${"a".repeat(3000)}/refs`, 400],
      ["/v1/repositories//refs", 400],
      ["/v1/repositories/a/b/refs", 404],
      ["/v1/./../admin", 404],
      ["//v1/token", 404],
      ["/V1/token", 404],
      ["/v1/token/", 404],
      ["/v1/token?raw??", 400],
      ["/v1/repositories/demo/refs?limit=999999999999", 400],
      [`/v1/repositories/demo/packs/sha256:${P}`, 400],
      [`/v1/repositories/demo/packs/${P.toUpperCase()}x`, 400],
      [`/v1/repositories/demo/packs/..%2f..%2ftokens.json`, 400],
      [`/v1/repositories/demo/packs/${P}%00`, 400],
      [`/v1/repositories/demo/packs/%2e%2e`, 400],
    ];
    for (const [path, status] of refused) {
      const answer = await raw(
        `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nsmc-remote: 1\r\nauthorization: Bearer ${tokens.push}\r\n\r\n`,
      );
      expect([path.slice(0, 80), answer.slice(9, 12)]).toEqual([path.slice(0, 80), String(status)]);
      expect(answer).not.toContain(storePath);
      expect(answer).not.toContain('sha256":');
    }
    expect((await ask({ path: "/v1/repositories/owner%2Fname/refs" })).status).toBe(200);
  });
});

test("C7: lengths are looked at before anything is read", async () => {
  await withServer(
    async ({ ask, raw, tokens }) => {
      const at = "/v1/repositories/demo";
      const post = (path: string, body: Buffer) => ask({ method: "POST", path: `${at}/${path}`, body });
      expect(codeOf(await post("missing", Buffer.alloc(33)))).toEqual([400, "REQUEST_INVALID"]);
      expect(codeOf(await post("locate", Buffer.alloc(31)))).toEqual([400, "REQUEST_INVALID"]);
      expect(codeOf(await post("missing", Buffer.alloc(65_537 * 32)))).toEqual([413, "REQUEST_TOO_LARGE"]);
      expect(codeOf(await post("locate", Buffer.alloc(4_097 * 32)))).toEqual([413, "REQUEST_TOO_LARGE"]);
      expect((await post("missing", Buffer.alloc(65_536 * 32))).bytes).toEqual(Buffer.alloc(8192, 0xff));
      expect((await post("missing", Buffer.alloc(0))).bytes).toHaveLength(0);
      expect((await post("locate", Buffer.alloc(32))).bytes).toHaveLength(0);
      const start = (method: string, path: string, more: string): string =>
        `${method} ${at}/${path} HTTP/1.1\r\nhost: localhost\r\nsmc-remote: 1\r\nauthorization: Bearer ${tokens.push}\r\ncontent-type: application/octet-stream\r\n${more}\r\n\r\n`;
      for (const length of ["268435457", "99999999999999", "18446744073709551616", "9".repeat(30)]) {
        const head = `content-length: ${length}`;
        const answer = await raw(start("PUT", `packs/${first.name}`, head));
        expect([length, /^HTTP\/1\.1 4(13|00) /.test(answer)]).toEqual([length, true]);
      }
      expect(await raw(start("POST", "missing", "content-length: 99999999"))).toMatch(/^HTTP\/1\.1 413 /);
      expect(await raw(start("PUT", `packs/${first.name}`, "connection: close"))).toMatch(/^HTTP\/1\.1 400 /);
      expect(await raw(start("PUT", `packs/${first.name}`, "transfer-encoding: chunked"))).toMatch(
        /^HTTP\/1\.1 400 /,
      );
    },
    { limits: { keepAliveMs: 200 } },
  );
});

test("C8: what is no JSON as smc takes it is refused, and nothing moves", async () => {
  await withServer(async ({ ask }) => {
    const change = { name: MAIN, from: "absent", to: "0".repeat(64) };
    const reason = { op: "push", reason: "x" };
    const bodies: (string | Buffer)[] = [
      "",
      "{",
      "[]",
      "NaN",
      '{"__proto__":{"admin":true}}',
      '{"constructor":{"prototype":{"admin":true}}}',
      '{"changes":[],"changes":[]}',
      `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
      '{"changes":[{"name":"\\ud800","from":"any","to":"absent"}],"reason":{"op":"push","reason":"x"}}',
      `\ufeff${JSON.stringify({ changes: [change], reason })}`,
      `${JSON.stringify({ changes: [change], reason })},`,
      JSON.stringify({ changes: [change], reason, more: 1 }),
      JSON.stringify({ changes: [{ ...change, force: true }], reason }),
      JSON.stringify({ changes: [{ ...change, to: "any" }], reason }),
      JSON.stringify({ changes: [{ ...change, to: "A".repeat(64) }], reason }),
      JSON.stringify({ changes: [{ ...change, from: null }], reason }),
      JSON.stringify({ changes: [], reason }),
      JSON.stringify({ changes: [change] }),
      JSON.stringify({ changes: [change], reason: { ...reason, op: "Push it" } }),
      Buffer.from([0xff, 0xfe, 0x7b]),
    ];
    for (const body of bodies) {
      const answer = await ask({ ...updateOf([]), body });
      expect([String(body).slice(0, 60), ...codeOf(answer)]).toEqual([
        String(body).slice(0, 60),
        400,
        "REQUEST_INVALID",
      ]);
    }
    const huge = await ask({ ...updateOf([]), body: `"${"x".repeat(1024 * 1024)}"` });
    expect(codeOf(huge)).toEqual([413, "REQUEST_TOO_LARGE"]);
    expect(({} as { admin?: boolean }).admin).toBe(undefined);
    const names = ["main", "refs/heads/../x", "refs/heads/a..b", "refs/heads/\n", ""];
    for (const name of names)
      expect([name, ...codeOf(await ask(updateOf([{ ...change, name }])))]).toEqual([
        name,
        400,
        "REF_NAME_INVALID",
      ]);
  });
});
