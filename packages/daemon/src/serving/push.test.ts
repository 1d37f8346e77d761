import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { config, token } from "@smc/store";
import { QUIET } from "@smc/store/testing";
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
import { until } from "../testing.ts";
import { type TestServer, withServer } from "./testing.ts";

const source: Source = await makeSource();
const first = source.packs[0] as SentPack;
const MAIN = "refs/heads/main";

async function putAll({ ask }: TestServer): Promise<void> {
  for (const pack of source.packs) expect((await ask(putOf(pack))).status).toBe(201);
}

async function pushMain(server: TestServer): Promise<void> {
  await putAll(server);
  const answer = await server.ask(updateOf([{ name: MAIN, from: "absent", to: source.commit }]));
  expect(lastLine(answer)).toEqual({ result: {} });
}

/** Files in quarantine. */
function waiting({ storePath }: TestServer): string[] {
  const folder = join(storePath, "quarantine");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(pack|tmp)$/.test(name),
  );
}

test("C11: a pack that is not what was announced is refused, and nothing of it is kept", async () => {
  await withServer(async (server) => {
    const { ask, raw, tokens } = server;
    // In its head, in a record, in what follows the records.
    for (const at of [100, Math.floor(first.bytes.length / 2), first.bytes.length - 10]) {
      const other = Buffer.from(first.bytes);
      other[at] = (other[at] ?? 0) ^ 1;
      expect(codeOf(await ask(putOf({ ...first, bytes: other })))).toEqual([422, "OBJECT_INVALID"]);
    }
    expect(codeOf(await ask(putOf({ name: "1".repeat(64), bytes: first.bytes })))).toEqual([
      422,
      "OBJECT_INVALID",
    ]);
    expect(codeOf(await ask(putOf({ ...first, bytes: Buffer.from("not a pack") })))).toEqual([
      422,
      "OBJECT_INVALID",
    ]);
    const head = (length: number): string =>
      `PUT /v1/repositories/demo/packs/${first.name} HTTP/1.1\r\nhost: localhost\r\nsmc-remote: 1\r\nauthorization: Bearer ${tokens.push}\r\n` +
      `content-type: application/octet-stream\r\ncontent-length: ${length}\r\n\r\n`;
    // Longer than it says: the rest is taken for another request, which is none.
    const long = await raw(Buffer.concat([Buffer.from(head(first.bytes.length - 5)), first.bytes]));
    expect(long).toMatch(/^HTTP\/1\.1 4(00|22) /);
    await until(() => server.daemon.status().activeRequests === 0);
    expect(waiting(server)).toEqual([]);
    expect(codeOf(await ask(putOf(first)))).toEqual([201, undefined]);
    expect(codeOf(await ask(putOf(first)))).toEqual([200, undefined]);
    expect(waiting(server)).toHaveLength(1);
  });
});

test("a pack that is there already, or may not come, is not asked for", async () => {
  await withServer(async (server) => {
    const { raw, tokens, ask } = server;
    const expecting = (secret: string): string =>
      `PUT /v1/repositories/demo/packs/${first.name} HTTP/1.1\r\nhost: localhost\r\nsmc-remote: 1\r\nauthorization: Bearer ${secret}\r\nexpect: 100-continue\r\n` +
      `content-type: application/octet-stream\r\ncontent-length: ${first.bytes.length}\r\n\r\n`;
    expect(await raw(expecting(tokens.read))).toMatch(/^HTTP\/1\.1 403 /);
    expect(await raw(expecting("x"))).toMatch(/^HTTP\/1\.1 401 /);
    expect((await ask(putOf(first))).status).toBe(201);
    expect(await raw(expecting(tokens.push))).toMatch(/^HTTP\/1\.1 200 /);
    const asked = await ask({ ...putOf(source.packs.at(-1) as SentPack), token: tokens.admin });
    expect(asked.status).toBe(201);
  });
});

test("C13: refs move when nobody else moved them and everything is there", async () => {
  await withServer(async (server) => {
    const { ask, tokens, daemon } = server;
    const toNowhere = await ask(updateOf([{ name: MAIN, from: "absent", to: "0".repeat(64) }]));
    expect(lastLine(toNowhere).error?.code).toBe("REMOTE_INCOMPLETE");
    await putAll(server);
    const change = { name: MAIN, from: "absent", to: source.commit };
    const stranger = await ask({ ...updateOf([change]), token: tokens.admin });
    expect(lastLine(stranger).error?.code).toBe("REMOTE_INCOMPLETE");
    const stale = await ask(updateOf([{ ...change, from: "1".repeat(64) }]));
    expect(codeOf(stale)).toEqual([409, "REF_CHANGED"]);
    const blob = await ask(updateOf([{ ...change, to: source.blob }]));
    expect(lastLine(blob).error?.code).toMatch(/^(OBJECT_INVALID|REMOTE_INCOMPLETE|OBJECT_CORRUPT)$/);
    expect((await ask({ path: "/v1/repositories/demo/refs" })).json).toEqual({ result: { refs: [] } });
    const actor = { op: "push", reason: "push: x", actor: "Mallory <mallory@example.org>" };
    expect(lastLine(await ask(updateOf([change], actor)))).toEqual({ result: {} });
    expect(codeOf(await ask(updateOf([change])))).toEqual([409, "REF_CHANGED"]);
    expect(daemon.status().activeRequests).toBe(0);
  });
});

test("C14: the rules of the server hold on every way, and admins may do all the same", async () => {
  await withServer(async (server) => {
    const { ask, tokens } = server;
    await pushMain(server);
    const remove = { name: MAIN, from: source.commit, to: "absent" };
    for (const changes of [
      [remove],
      [{ ...remove, from: "any" }],
      [{ name: "refs/heads/x", from: "absent", to: source.commit }, remove],
    ])
      expect(codeOf(await ask(updateOf(changes)))).toEqual([403, "PUSH_FORBIDDEN"]);
    const tag = { name: "refs/tags/v1.0.0", from: "absent", to: source.commit };
    expect(lastLine(await ask(updateOf([tag])))).toEqual({ result: {} });
    expect(codeOf(await ask(updateOf([{ ...tag, from: source.commit, to: "absent" }])))).toEqual([
      403,
      "PUSH_FORBIDDEN",
    ]);
    expect((await ask({ path: "/v1/repositories/demo/refs" })).json.result).toMatchObject({
      refs: [
        [MAIN, source.commit],
        [tag.name, source.commit],
      ],
    });
    expect(lastLine(await ask({ ...updateOf([remove]), token: tokens.admin }))).toEqual({ result: {} });
  });
});

test("settings of the server are read for each push", async () => {
  await withServer(async (server) => {
    const { ask, storePath } = server;
    const set = (key: string, value: string) =>
      config({ path: storePath } as never, { action: "set", key, value, folder: storePath }, QUIET);
    await set("serve.freeGiB", "1000000");
    expect(codeOf(await ask(putOf(first)))).toEqual([507, "QUOTA_EXCEEDED"]);
    await set("serve.freeGiB", "0");
    await pushMain(server);
    await set("serve.protectedBranches", "release/*, x");
    expect(lastLine(await ask(updateOf([{ name: MAIN, from: source.commit, to: "absent" }])))).toEqual({
      result: {},
    });
    await expect(set("serve.protectedBranches", "a..b")).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    expect(waiting(server)).toEqual([]);
  });
});

test("what was put survives a new secret of the same token, and is nobody else's", async () => {
  await withServer(async (server) => {
    const { ask, storePath } = server;
    await putAll(server);
    const { secret } = await token({ path: storePath }, { action: "rotate", name: "push" }, QUIET);
    const request = updateOf([{ name: MAIN, from: "absent", to: source.commit }]);
    expect(lastLine(await ask({ ...request, token: secret ?? "" }))).toEqual({ result: {} });
  });
});
