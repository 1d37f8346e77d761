import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import { digestOf, type History, withHistory } from "../testing/history.ts";
import { commitSeries, type Version } from "../testing/series.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { add } from "./add.ts";
import { commit } from "./commit.ts";
import { fsck } from "./fsck.ts";
import { gc, type GcOptions } from "./gc.ts";
import { repack } from "./repack.ts";
import { undelete } from "./undelete.ts";

/** Reflogs protect nothing. */
const ALL: GcOptions = { olderThan: "0" };

function owned({ store }: Pick<History, "store">): OwnedStore {
  return store as OwnedStore;
}

async function assertWhole(store: OwnedStore): Promise<void> {
  expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
  await store.rebuild();
  expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
}

function packBytes(store: OwnedStore): number {
  return store.index.packs().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function has(store: OwnedStore, digest: Digest): Promise<boolean> {
  return store.objects.stat(digest).then((found) => found !== undefined);
}

test("gc() takes away what a deleted branch alone needed, and nothing else", async () => {
  await withHistory(async (history) => {
    const store = owned(history);
    const kept = await history.commit({ files: { a: "kept", b: "shared" } });
    const lost = await history.commit({ files: { a: "lost", b: "shared" }, parents: [kept] });
    await history.point("refs/heads/main", kept);
    await history.point("refs/heads/other", lost);
    expect(await gc(store, ALL, QUIET)).toMatchObject({
      dead: { commits: 0, chunks: 0 },
      freedBytes: 0,
      trash: null,
    });
    await history.point("refs/heads/other", "absent");
    const plan = await gc(store, { ...ALL, dryRun: true }, QUIET);
    expect(plan).toMatchObject({ dryRun: true, dead: { commits: 1, trees: 1, tags: 0, chunks: 1 } });
    expect(await has(store, lost)).toBe(true);
    const done = await gc(store, ALL, QUIET);
    expect(done).toMatchObject({
      dryRun: false,
      dead: plan.dead,
      packs: plan.packs,
      freedBytes: plan.freedBytes,
    });
    expect(await has(store, lost)).toBe(false);
    expect(await has(store, digestOf("lost"))).toBe(false);
    expect(await has(store, digestOf("shared"))).toBe(true);
    expect(await has(store, kept)).toBe(true);
    await assertWhole(store);
  });
});

test("gc() keeps what refs named within the span, and what tags, notes and other refs name", async () => {
  await withHistory(async (history) => {
    const store = owned(history);
    const [one, two, three] = await history.chain(3);
    await history.point("refs/heads/main", two as Digest);
    await history.point("refs/heads/main", one as Digest);
    await history.point("refs/archive/v1", three as Digest);
    expect(await gc(store, {}, QUIET)).toMatchObject({ dead: { commits: 0 } });
    await history.point("refs/archive/v1", "absent");
    expect(await gc(store, {}, QUIET)).toMatchObject({ dead: { commits: 0 } });
    expect(await gc(store, ALL, QUIET)).toMatchObject({ dead: { commits: 2 } });
    expect(await has(store, one as Digest)).toBe(true);
    await assertWhole(store);
  });
});

test("gc() keeps what is staged and what a worktree has checked out", async () => {
  await withWorktree(async (bench) => {
    const store = owned(bench.repository);
    const first = await bench.commit({ a: "1" });
    await bench.write({ staged: "only staged" });
    await add(bench.repository, { paths: ["staged"] }, QUIET);
    await gc(store, ALL, QUIET);
    expect(await has(store, digestOf("only staged"))).toBe(true);
    const second = await commit(bench.repository, { message: "second" }, QUIET);
    expect(second.parents).toEqual([first.digest]);
    await assertWhole(store);
  });
});

test("gc() keeps what differences are stored against, and a difference whose version goes takes nothing with it", async () => {
  await withStore(async (store, folder) => {
    const { history, versions } = await commitSeries(store, folder, 4);
    await repack(store, {}, QUIET);
    const before = packBytes(store);
    const last = versions.at(-1)?.blob as Digest;
    // Only the newest version stays: it is a difference to all the others.
    const alone = await history.commit({ files: {} });
    await history.point("refs/heads/main", alone);
    await using session = store.write("test");
    const path = join(folder, "last");
    writeFileSync(path, versions.at(-1)?.bytes ?? "");
    await session.addFiles([{ path }], QUIET);
    await session.finish();
    const { encodeTree } = await import("../objects/objects.ts");
    await using other = store.write("test");
    const entry = { name: "m", mode: "100644", digest: last, sizeBytes: 1 } as const;
    const tree = await other.putObject("tree", encodeTree([entry]));
    await other.finish();
    await history.point("refs/tree/last", tree);
    await gc(store, ALL, QUIET);
    expect(await has(store, versions[0]?.blob as Digest)).toBe(false);
    expect(packBytes(store)).toBeLessThanOrEqual(before + 4096);
    await assertWhole(store);
    const parts: Uint8Array[] = [];
    for await (const part of store.objects.readBlob(last, QUIET)) parts.push(Buffer.from(part));
    expect(Buffer.compare(Buffer.concat(parts), versions.at(-1)?.bytes ?? Buffer.alloc(0))).toBe(0);
    await history.point("refs/tree/last", "absent");
    await gc(store, { ...ALL, grace: "0" }, QUIET);
    expect(packBytes(store)).toBeLessThan(64 * 1024);
    await assertWhole(store);
  });
});

test("gc() takes nothing away when something that is needed is missing", async () => {
  await withHistory(async (history) => {
    const store = owned(history);
    const lost = await history.commit({ files: { a: "lost" } });
    const [pack] = store.index.packs();
    const kept = await history.commit({ files: { b: "kept" } });
    await history.point("refs/heads/main", kept);
    const needed = store.index.packs().find(({ no }) => no !== pack?.no);
    rmSync(packPath(store.path, needed?.name as Digest));
    await expect(gc(store, ALL, QUIET)).rejects.toMatchObject({
      exit: 4,
      message: expect.stringMatching(/refs\/heads\/main.*Nothing was removed/),
    });
    expect(await has(store, lost)).toBe(true);
  });
});

test("gc() keeps what a command stores, finds or resolves while it runs", async () => {
  await withHistory(async (history) => {
    const store = owned(history);
    await history.point("refs/heads/main", await history.commit({ files: { a: "kept" } }));
    const found = await history.commit({ files: { a: "dead until found again", b: "x" } });
    let command: Promise<unknown> | undefined;
    const call = {
      ...QUIET,
      // Between marking and taking away.
      onProgress: ({ phase }: { phase: string }) => {
        if (phase !== "copy" || command !== undefined) return;
        command = (async () => {
          const again = await history.commit({ files: { a: "dead until found again", c: "new" } });
          await history.point("refs/heads/again", again);
          await history.point("refs/heads/found", found);
        })();
      },
    };
    await gc(store, ALL, call);
    expect(command).toBeDefined();
    await command;
    await assertWhole(store);
    expect(await has(store, digestOf("dead until found again"))).toBe(true);
  });
});

test("gc() waits for commands that began before it", async () => {
  await withHistory(async (history) => {
    const store = owned(history);
    await history.point("refs/heads/main", await history.commit({ files: { a: "kept" } }));
    const early = store.calls.enter();
    const made = await history.commit({ files: { a: "made by a command that has not told anybody yet" } });
    const done = gc(store, ALL, QUIET);
    await history.point("refs/heads/late", made);
    early[Symbol.dispose]();
    expect(await done).toMatchObject({ dead: { commits: 0 } });
    await assertWhole(store);
  });
});

test("a gc that is stopped anywhere leaves a whole store", async () => {
  await withStore(async (store, folder) => {
    const { history } = await commitSeries(store, folder, 2);
    for (const [index, phase] of ["mark", "copy"].entries()) {
      const lost = await history.commit({ files: { a: `lost ${index}` } });
      const stop = new AbortController();
      const call = {
        signal: stop.signal,
        onProgress: (at: { phase: string }) => at.phase === phase && stop.abort(),
      };
      await expect(gc(store, ALL, call)).rejects.toMatchObject({ code: "CANCELED" });
      expect(await has(store, lost)).toBe(true);
      await assertWhole(store);
    }
    await gc(store, ALL, QUIET);
    await assertWhole(store);
  });
});

test("a reflog that one gc was told to leave out is no reason for the next to stop", async () => {
  await withHistory(async (history) => {
    const store = owned(history);
    await history.point("refs/heads/main", await history.commit({ files: { a: "kept" } }));
    await history.point("refs/heads/other", await history.commit({ files: { a: "lost" } }));
    await history.point("refs/heads/other", "absent");
    expect(await gc(store, ALL, QUIET)).toMatchObject({ dead: { commits: 1 } });
    expect(await gc(store, {}, QUIET)).toMatchObject({ dead: { commits: 0 } });
    await assertWhole(store);
  });
});

test("gc() with keepLast gives up the files of old versions and keeps their commits; undelete() brings them back", async () => {
  await withHistory(async (history) => {
    const store = owned(history);
    const line: Digest[] = [];
    for (const text of ["one", "two", "three", "four", "five"]) {
      const files = { model: text, "sub/shared": "shared", [`own/${text}`]: `own ${text}` };
      line.push(await history.commit({ files, parents: line.slice(-1) }));
    }
    const [one, two, three, , five] = line as [Digest, Digest, Digest, Digest, Digest];
    await history.point("refs/heads/main", five);
    await history.point("refs/tags/v2", two);
    await history.point("refs/archive/first", one);
    const options = { ...ALL, keepLast: 2, keepTags: true };
    const plan = await gc(store, { ...options, dryRun: true }, QUIET);
    expect(plan).toMatchObject({
      pruned: { commits: [three], count: 1, before: 0 },
      dead: { commits: 0, trees: 0, chunks: 2 },
    });
    expect(await gc(store, options, QUIET)).toMatchObject({
      pruned: plan.pruned,
      dead: plan.dead,
      freedBytes: plan.freedBytes,
    });
    const has = async (text: string): Promise<boolean> =>
      (await store.objects.stat(digestOf(text))) !== undefined;
    expect(
      await Promise.all(["one", "two", "three", "own three", "four", "five", "shared"].map(has)),
    ).toEqual([true, true, false, false, true, true, true]);
    await assertWhole(store);
    expect(await repack(store, { again: true }, QUIET)).toMatchObject({ problems: [] });
    expect(await gc(store, ALL, QUIET)).toMatchObject({
      pruned: { count: 0, before: 1 },
      dead: { commits: 0, chunks: 0 },
    });
    expect(await gc(store, { ...ALL, keepLast: 2 }, QUIET)).toMatchObject({
      pruned: { commits: [two], before: 1 },
    });
    expect(await undelete(store, {}, QUIET)).toMatchObject({ unpruned: 2 });
    expect(await has("three")).toBe(true);
    await assertWhole(store);
    // A version that is gone is not remembered as one without files.
    await gc(store, options, QUIET);
    await history.point("refs/heads/main", one);
    await gc(store, ALL, QUIET);
    expect(await store.refs.list("demo", "refs/pruned/")).toEqual([]);
    await assertWhole(store);
  });
});

test("gc() waits for who reads what it takes away", async () => {
  await withStore(async (store, folder) => {
    const { history, versions } = await commitSeries(store, folder, 1);
    const lost = versions[0];
    await history.point("refs/heads/main", await history.commit({ files: {} }));
    const reading = store.objects.readBlob(lost?.blob as Digest, QUIET)[Symbol.asyncIterator]();
    const parts = [Buffer.from((await reading.next()).value as Uint8Array)];
    let isDone = false;
    const done = gc(store, { ...ALL, grace: "0" }, QUIET).then((result) => {
      isDone = true;
      return result;
    });
    // Nobody finds it any more, and it is still there for the one who did.
    while (await has(store, lost?.blob as Digest)) await new Promise(setImmediate);
    for (let next = await reading.next(); next.done !== true; next = await reading.next()) {
      expect(isDone).toBe(false);
      parts.push(Buffer.from(next.value));
    }
    expect(Buffer.compare(Buffer.concat(parts), lost?.bytes ?? Buffer.alloc(0))).toBe(0);
    expect(await done).toMatchObject({ packs: { postponed: 0 } });
    await assertWhole(store);
  });
});

test("a pack that stays because a command found something in it keeps what all of it is stored against", async () => {
  await withStore(async (store, folder) => {
    const { history, versions } = await commitSeries(store, folder, 2);
    const [first, second] = versions as [Version, Version];
    // The second version once more, as differences to the first, in one pack with a small file.
    await history.point("refs/heads/main", "absent");
    await gc(store, { ...ALL, grace: "0" }, QUIET);
    const path = join(folder, "model.safetensors");
    const put = async ({ bytes }: Version, parents: Version[], text?: string): Promise<void> => {
      writeFileSync(path, bytes);
      await using session = store.write("test");
      const from = parents.map(({ blob }) => ({ digest: blob, fileName: "m.safetensors" }));
      await session.addFiles([{ path, sizeBytes: bytes.length, parents: from }], QUIET);
      if (text !== undefined) await session.putBlob(Buffer.from(text));
      await session.finish();
    };
    await put(first, []);
    await put(second, [first], "found again");
    let command: Promise<unknown> | undefined;
    const call = {
      ...QUIET,
      onProgress: ({ phase, done }: { phase: string; done: number }) => {
        if (phase !== "copy" || done !== store.index.packs().length) return;
        command = history
          .commit({ files: { a: "found again" } })
          .then((commit) => history.point("refs/heads/main", commit));
        store.pins.add([digestOf("found again")]);
      },
    };
    expect(await gc(store, ALL, call)).toMatchObject({ packs: { postponed: 2 } });
    expect(command).toBeDefined();
    await command;
    await put(second, []);
    const parts: Uint8Array[] = [];
    for await (const part of store.objects.readBlob(second.blob, QUIET)) parts.push(Buffer.from(part));
    expect(Buffer.compare(Buffer.concat(parts), second.bytes)).toBe(0);
    await assertWhole(store);
  });
});
