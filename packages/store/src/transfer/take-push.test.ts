import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { parseRefName } from "../objects/names.ts";
import { encodeChunklist, encodeTree } from "../objects/objects.ts";
import { PRUNED_PREFIX } from "../refs/refs.ts";
import { commitOf, craft, lyingPack } from "../testing/crafted.ts";
import { flip } from "../testing/damage.ts";
import { codeOf, moving, packsOf, pushTo, readBlob } from "../testing/remote-scene.ts";
import { CLIENT, incoming, PUSHED, putAll, type Served, update, withServed } from "../testing/served.ts";
import { QUIET } from "../testing/testing.ts";
import { owned } from "../testing/two-stores.ts";
import { type Bench, openBench } from "../testing/worktree.ts";
import { listArchived } from "../registry/archive-refs.ts";
import { archive } from "../verbs/archive.ts";
import { fsck } from "../verbs/fsck.ts";
import { gc } from "../verbs/gc.ts";
import { push } from "../verbs/push.ts";
import { ref } from "../verbs/ref.ts";
import { unarchive } from "../verbs/unarchive.ts";
import type { PackFile } from "./remote.ts";
import { ServedRepository } from "./served.ts";

const MIB = 1024 * 1024;
const OTHER = "f".repeat(32);

async function errorOf(action: () => Promise<unknown>): Promise<{ code: string; message: string }> {
  return action().then(
    () => ({ code: "nothing thrown", message: "" }),
    (error: { code: string; message: string }) => error,
  );
}

async function expectSound({ server }: Pick<Served, "server">): Promise<void> {
  expect(await fsck(server, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
}

async function largestOf(bench: Bench): Promise<PackFile> {
  const [large] = (await packsOf(bench)).sort((x, y) => y.sizeBytes - x.sizeBytes);
  return large as PackFile;
}

test("what a push lacks is named, no ref moves, and no path of the server is told", async () => {
  await withServed(async ({ a, remote, folder, waiting }) => {
    const { digest } = await a.commit({ "m.bin": randomBytes(6 * MIB), "a.txt": "1" });
    const large = await largestOf(a);
    for (const pack of await packsOf(a)) if (pack.name !== large.name) await remote.putPack(pack, QUIET);
    const error = await errorOf(() =>
      update(remote, [moving(digest, "absent"), moving(digest, "any", "two")]),
    );
    expect(error.code).toBe("REMOTE_INCOMPLETE");
    const inside = large.rows.map((row) => row.digest);
    const named = /[0-9a-f]{64}/.exec(error.message)?.[0] as Digest;
    expect(inside.includes(named) || large.rows.some(({ blob }) => blob === named)).toBe(true);
    expect(error.message).toContain("no ref was moved");
    expect(JSON.stringify(error)).not.toContain(folder);
    expect(await remote.refs(QUIET)).toEqual([]);
    await remote.putPack(large, QUIET);
    await update(remote, [moving(digest, "absent")]);
    expect(waiting()).toEqual([]);
  });
});

/** Where the largest chunk of a pack has a byte of its own. */
function chunkIn({ rows }: PackFile): { digest: Digest; at: number } {
  const [chunk] = rows.filter(({ kind }) => kind === "chunk").sort((x, y) => y.storedBytes - x.storedBytes);
  return { digest: chunk?.digest as Digest, at: (chunk?.offset ?? 0) + 64 + 1000 };
}

const DAMAGED = [
  ["of a large file", { "m.bin": randomBytes(6 * MIB) }],
  ["that is a file", { "m.bin": randomBytes(MIB) }],
] as const;

test.for(DAMAGED)("a chunk %s that is damaged on its way is refused, with its pack", async ([, files]) => {
  await withServed(async (served) => {
    const { a, remote, folder, server, waiting } = served;
    const { digest } = await a.commit(files);
    const large = await largestOf(a);
    const chunk = chunkIn(large);
    const path = join(folder, "damaged.pack");
    await copyFile(large.path, path);
    flip(path, chunk.at);
    const error = await errorOf(async () => remote.receivePack(await incoming({ ...large, path }), QUIET));
    expect(error).toMatchObject({ code: "OBJECT_INVALID" });
    expect(error.message).toContain(chunk.digest);
    expect(JSON.stringify(error)).not.toContain(folder);
    expect(waiting()).toEqual([]);
    await pushTo(remote, a);
    expect(await remote.refs(QUIET)).toEqual([{ name: "refs/heads/main", digest }]);
    expect(await server.index.find(chunk.digest)).toBeDefined();
    await expectSound(served);
  });
});

test.for(DAMAGED)("a chunk %s that is damaged in quarantine is refused and sent again", async ([, files]) => {
  await withServed(async (served) => {
    const { a, folder } = served;
    const { digest } = await a.commit(files);
    const large = await largestOf(a);
    const chunk = chunkIn(large);
    await putAll(served.remote, a);
    flip(join(folder, "server", "quarantine", CLIENT, `${large.name}.pack`), chunk.at);
    // What was verified before a daemon ended is verified again.
    await served.restart();
    const { remote, server } = served;
    const error = await errorOf(() => update(remote, [moving(digest, "absent")]));
    expect(error).toMatchObject({ code: "OBJECT_CORRUPT" });
    expect(JSON.stringify(error)).not.toContain(folder);
    expect(await remote.refs(QUIET)).toEqual([]);
    expect(await server.index.find(chunk.digest)).toBeUndefined();
    expect(readdirSync(join(server.path, "incoming"))).toEqual([]);
    await expectSound(served);
    // The next push is told that it is missing, and goes through.
    await pushTo(remote, a);
    expect(await remote.refs(QUIET)).toEqual([{ name: "refs/heads/main", digest }]);
    await expectSound(served);
  });
});

/** A file of a server that was pushed by somebody else, and what a list that lies about it is made of. */
async function lyingList({ a, as }: Served): Promise<{ bytes: Buffer; list: Uint8Array; chunk: Buffer }> {
  const bytes = randomBytes(6 * MIB);
  await a.commit({ "m.bin": bytes });
  await pushTo(as(OTHER), a);
  const chunk = randomBytes(1000);
  const part = { digest: hashBytes(chunk), sizeBytes: chunk.length };
  const lie = { blob: hashBytes(bytes), sizeBytes: 2 * chunk.length, plan: 1, chunks: [part, part] };
  return { bytes, list: encodeChunklist(lie), chunk };
}

test("a list that lies about a file that is here does not take its place, however it comes", async () => {
  await withServed(async (served) => {
    const { remote, server, folder } = served;
    const { bytes, list, chunk } = await lyingList(served);
    const entry = { name: "m.bin", mode: "100644" as const, sizeBytes: 2 * chunk.length };
    const trees = [
      encodeTree([{ ...entry, digest: hashBytes(bytes) }]),
      encodeTree([{ ...entry, digest: hashBytes(list) }]),
      encodeTree([{ name: "m", mode: "040000", digest: hashBytes(list), sizeBytes: 0 }]),
    ];
    const before = await server.index.findChunklist(hashBytes(bytes));
    for (const tree of trees) {
      const commit = commitOf(tree);
      const pack = await craft(folder, [
        { kind: "chunk", raw: chunk },
        { kind: "chunklist", raw: list },
        { kind: "tree", raw: tree },
        { kind: "commit", raw: commit },
      ]);
      await remote.receivePack(await incoming(pack), QUIET);
      await errorOf(() =>
        update(remote, [moving(hashBytes(commit), "absent", randomBytes(4).toString("hex"))]),
      );
      expect(await server.index.findChunklist(hashBytes(bytes))).toEqual(before);
      expect(await server.index.find(hashBytes(list))).toBeUndefined();
    }
    const tag = { name: parseRefName("refs/tags/x"), from: "absent" as const, to: hashBytes(list) };
    expect((await errorOf(() => update(remote, [tag]))).code).not.toBe("nothing thrown");
    expect(await server.index.findChunklist(hashBytes(bytes))).toEqual(before);
    await served.restart();
    const theirs = await openBench(served.server, join(folder, "look"));
    expect(bytes.equals(await readBlob(theirs, hashBytes(bytes)))).toBe(true);
  });
});

test("a list that lies about a file that is not here is refused before anybody can find it", async () => {
  await withServed(async (served) => {
    const { remote, server, folder } = served;
    await lyingList(served);
    const blob = hashBytes(Buffer.from("a file that somebody will push"));
    const { pack, list, commit } = await lyingPack(folder, blob);
    await remote.receivePack(await incoming(pack), QUIET);
    expect(await errorOf(() => update(remote, [moving(commit, "absent", "x")]))).toMatchObject({
      code: "OBJECT_CORRUPT",
    });
    expect(await server.index.findChunklist(blob)).toBeUndefined();
    expect(await server.index.find(list)).toBeUndefined();
    expect((await remote.refs(QUIET)).map(({ name }) => name)).toEqual(["refs/heads/main"]);
  });
});

test("a chunk with another's digest proves no list, however long its pack lies there", async () => {
  await withServed(async (served) => {
    const { folder } = served;
    const raw = randomBytes(1000);
    const digest = hashBytes(Buffer.from("another chunk"));
    const blob = hashBytes(Buffer.concat([raw, raw]));
    const part = { digest, sizeBytes: raw.length };
    const list = encodeChunklist({ blob, sizeBytes: 2000, plan: 1, chunks: [part, part] });
    const tree = encodeTree([{ name: "m.bin", mode: "100644", digest: blob, sizeBytes: 2000 }]);
    const commit = commitOf(tree);
    const pack = await craft(folder, [
      { kind: "chunk", raw, digest },
      { kind: "chunklist", raw: list },
      { kind: "tree", raw: tree },
      { kind: "commit", raw: commit },
    ]);
    const put = async () => served.remote.receivePack(await incoming(pack), QUIET);
    expect(await errorOf(put)).toMatchObject({ code: "OBJECT_INVALID" });
    // As if an earlier daemon had taken it.
    await copyFile(pack.path, join(folder, "server", "quarantine", CLIENT, `${pack.name}.pack`));
    await served.restart();
    const moved = update(served.remote, [moving(hashBytes(commit), "absent")]);
    await expect(moved).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
    expect(await served.server.index.findChunklist(blob)).toBeUndefined();
    expect(await served.server.index.find(digest)).toBeUndefined();
  });
});

test("versions that gave up their files come without them, and nothing that is whole here gives up any", async () => {
  await withServed(async (served) => {
    const { a, remote, server } = served;
    const rules = { protectedBranches: [], isAdmin: false, quotaBytes: 0, freeBytesMin: 0 };
    const about = { client: OTHER, actor: "Ada <ada@example.org>", rules };
    const dogs = new ServedRepository({ store: server, repository: "dogs", ...about });
    const old = randomBytes(100_000);
    const first = await a.commit({ "m.bin": old });
    await pushTo(dogs, a, [`${first.digest}:refs/heads/kept`]);
    const second = await a.commit({ "m.bin": randomBytes(100_000) });
    const third = await a.commit({ "m.bin": randomBytes(100_000) });
    const seen = { name: parseRefName("refs/remotes/origin/kept"), from: "any", to: "absent" } as const;
    await a.store.refs.update(a.repository.name, [seen], PUSHED);
    await gc(a.store, { keepLast: 1, olderThan: "0 days", grace: "0 days" }, QUIET);
    expect((await a.store.refs.list(a.repository.name, PRUNED_PREFIX)).length).toBe(2);
    await push(owned(a), { remote, remoteName: "origin", refs: ["main"] }, QUIET);
    const refs = await remote.refs(QUIET);
    expect(refs).toEqual([
      { name: "refs/heads/main", digest: third.digest },
      { name: PRUNED_PREFIX + second.digest, digest: second.digest },
    ]);
    const theirs = await openBench(server, join(served.folder, "look"));
    expect(old.equals(await readBlob(theirs, hashBytes(old)))).toBe(true);
    await expectSound(served);
    expect(await codeOf(() => push(owned(a), { remote, remoteName: "origin", refs: ["main"] }, QUIET))).toBe(
      "nothing thrown",
    );
  });
});

test("a branch names a commit, also for admins", async () => {
  await withServed(async ({ a, as }) => {
    const { digest, tree } = await a.commit({ "a.txt": "1" });
    const remote = as(OTHER, { isAdmin: true });
    await putAll(remote, a);
    for (const to of [tree, hashBytes(Buffer.from("1"))]) {
      const error = await errorOf(() =>
        update(remote, [moving(digest, "absent"), moving(to, "absent", "x")]),
      );
      expect(error.code).toBe("OBJECT_INVALID");
    }
    expect(await remote.refs(QUIET)).toEqual([]);
  });
});

test("what is protected or archived on a server stays there, whoever pushes and however", async () => {
  await withServed(async ({ a, as, server }) => {
    const admin = as(OTHER, { isAdmin: true });
    const named = { remote: admin, remoteName: "origin" };
    const first = await a.commit({ "a.txt": "1" });
    await archive(a.repository, { revision: first.digest, reason: "too slow" }, QUIET);
    const second = await a.commit({ "a.txt": "2" });
    // What people protect in their own store is their own affair.
    await ref(a.repository, { action: "protect", pattern: "mine" }, QUIET);
    await push(owned(a), { ...named, mirror: true }, QUIET);
    const archived = (await listArchived(a.repository, QUIET)).map(({ ref: name, digest }) => ({
      name,
      digest,
    }));
    const there = [...archived, { name: "refs/heads/main", digest: second.digest }];
    expect(await admin.refs(QUIET)).toEqual(there);

    const cats = { ...a.repository, store: server, name: "cats" };
    await ref(cats, { action: "protect", pattern: "main" }, QUIET);
    expect(await admin.refs(QUIET)).toEqual(there);
    for (const word of [`${first.digest}:main`, ":main", `HEAD:${archived[0]?.name}`]) {
      const pushing = push(owned(a), { ...named, refs: [word], force: true }, QUIET);
      await expect(pushing).rejects.toMatchObject({ code: "REF_PROTECTED", exit: 5 });
      expect(await admin.refs(QUIET)).toEqual(there);
    }
    await unarchive(a.repository, { revision: first.digest }, QUIET);
    const mirroring = push(owned(a), { ...named, mirror: true }, QUIET);
    await expect(mirroring).rejects.toMatchObject({ code: "REF_PROTECTED" });
    expect(await admin.refs(QUIET)).toEqual(there);
  });
});

test("the reflog has who pushed, not who the client says", async () => {
  await withServed(async ({ a, remote, server }) => {
    const { digest } = await a.commit({ "a.txt": "1" });
    await putAll(remote, a);
    await update(remote, [moving(digest, "any")]);
    const [entry] = await server.refs.log("cats", parseRefName("refs/heads/main"));
    expect(entry).toMatchObject({
      op: "push",
      reason: "push: main",
      actor: "Ada <ada@example.org>",
      to: digest,
    });
  });
});

test("gc beside pushes takes nothing away that a ref names when they are through", async () => {
  await withServed(async (served) => {
    const { a, remote, server } = served;
    const over = new AbortController();
    const cleaning = (async (): Promise<number> => {
      let count = 0;
      while (!over.signal.aborted) {
        await gc(server, { olderThan: "0 days", grace: "0 days" }, QUIET);
        count += 1;
      }
      return count;
    })();
    try {
      for (let version = 0; version < 8; version += 1) {
        await a.commit({ "m.bin": randomBytes(200_000), [`${version}.bin`]: randomBytes(5 * MIB) });
        // What gc took between two calls is missing then, and said so: the next push sends it.
        for (let code = ""; code !== "nothing thrown";) {
          code = await codeOf(() => pushTo(remote, a));
          expect(["nothing thrown", "REMOTE_INCOMPLETE"]).toContain(code);
        }
      }
    } finally {
      over.abort();
    }
    expect(await cleaning).toBeGreaterThan(2);
    await expectSound(served);
  });
});
