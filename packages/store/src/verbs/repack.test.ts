import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { ADA, createHistory } from "../testing/history.ts";
import { commitSeries, type Version } from "../testing/series.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { fsck } from "./fsck.ts";
import { repack } from "./repack.ts";
import { encodeCommit } from "../objects/objects.ts";

async function assertAllThere(
  store: OwnedStore,
  folder: string,
  versions: readonly Version[],
): Promise<void> {
  for (const { blob, bytes } of versions) {
    const path = join(folder, "out");
    rmSync(path, { force: true });
    await store.objects.exportFiles([{ digest: blob, path, executable: false }], QUIET);
    expect(Buffer.compare(await readFile(path), bytes)).toBe(0);
  }
  expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
}

test("repack stores later versions as differences, keeps every byte, and finds nothing to do the second time", async () => {
  await withStore(async (store, folder) => {
    const { versions } = await commitSeries(store, folder, 5);
    const result = await repack(store, {}, QUIET);
    expect(result.problems).toEqual([]);
    expect(result.files).toBe(4);
    expect(result.chunks.shorter).toBeGreaterThan(4);
    expect(result.bytes.after).toBeLessThan(result.bytes.before * 0.6);
    const onDisk = readdirSync(join(store.path, "packs"), { recursive: true, encoding: "utf8" });
    expect(onDisk.filter((name) => name.endsWith(".pack"))).toHaveLength(result.packs.after);
    await assertAllThere(store, folder, versions);
    const again = await repack(store, {}, QUIET);
    expect(again).toMatchObject({ files: 0, chunks: { tried: 0 }, bytes: { after: result.bytes.after } });
    await store.rebuild();
    await assertAllThere(store, folder, versions);
  });
});

test("a version that comes back does not make two chunks need each other", async () => {
  await withStore(async (store, folder) => {
    const { history, versions } = await commitSeries(store, folder, 3);
    const [first, , last] = versions;
    if (first === undefined || last === undefined) throw new Error("no version");
    // Back to the first, then to the last again, each as a new commit.
    let parent = last.commit;
    for (const { commit } of [first, last, first]) {
      const { tree } = await import("../history/graph.ts").then(({ readCommit }) =>
        readCommit(store, commit),
      );
      await using session = store.write("test");
      const moment = { ms: 1_000_000, offsetMinutes: 0 };
      parent = await session.putObject(
        "commit",
        encodeCommit({
          tree,
          parents: [parent],
          author: ADA,
          authored: moment,
          committer: ADA,
          committed: moment,
          message: parent,
          meta: {},
        }),
      );
      await session.finish();
    }
    await history.point("refs/heads/main", parent);
    for (let round = 0; round < 3; round += 1) {
      await repack(store, { again: true }, QUIET);
      await assertAllThere(store, folder, versions);
    }
  });
});

test("a stopped repack leaves a whole store, and the next one goes on", async () => {
  await withStore(async (store, folder) => {
    const { versions } = await commitSeries(store, folder, 5);
    const stop = new AbortController();
    const call = {
      signal: stop.signal,
      onProgress: ({ done }: { done: number }) => done === 2 && stop.abort(),
    };
    await expect(repack(store, {}, call)).rejects.toMatchObject({ code: "CANCELED" });
    await assertAllThere(store, folder, versions);
    expect((await repack(store, {}, QUIET)).files).toBe(2);
    await assertAllThere(store, folder, versions);
  });
});

test("small packs are put together", async () => {
  await withStore(async (store, folder) => {
    const repository = { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
    await store.refs.createRepository("demo", { op: "init", reason: "init", actor: "Ada <ada@example.org>" });
    const history = createHistory(repository);
    let parents: Digest[] = [];
    for (let index = 0; index < 20; index += 1) {
      parents = [await history.commit({ files: { "notes.txt": `line ${index}` }, parents })];
    }
    await history.point("refs/heads/main", parents[0] as Digest);
    const { packs } = await repack(store, {}, QUIET);
    expect(packs).toEqual({ before: 20, after: 1, removed: 20 });
    expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, checked: { commits: 20 } });
    void folder;
  });
});

test("a pack with a damaged record is left alone and named", async () => {
  await withStore(async (store) => {
    const repository = { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
    await store.refs.createRepository("demo", { op: "init", reason: "init", actor: "Ada <ada@example.org>" });
    const history = createHistory(repository);
    let parents: Digest[] = [];
    for (let index = 0; index < 10; index += 1) {
      parents = [await history.commit({ files: { "notes.txt": `line ${index}` }, parents })];
    }
    await history.point("refs/heads/main", parents[0] as Digest);
    const [damaged] = store.index.packs();
    const path = join(store.path, "packs", damaged?.name.slice(0, 2) ?? "", `${damaged?.name}.pack`);
    const bytes = await readFile(path);
    bytes[129] = (bytes[129] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const { problems, packs } = await repack(store, {}, QUIET);
    expect(problems).toEqual([expect.stringContaining(damaged?.name ?? "none")]);
    expect(packs).toMatchObject({ removed: 9, after: 2 });
    expect(await readFile(path)).toEqual(bytes);
  });
});
