import { chmod, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Repository } from "../repository.ts";
import type { ObjectStore, Store } from "../store.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { readStage, type Stage, writeStage } from "../worktree/stage.ts";
import { add } from "./add.ts";
import { status } from "./status.ts";

test("status() before the first commit, after it, and detached", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1" });
    expect(await bench.status()).toEqual({
      branch: "main",
      head: null,
      upstream: null,
      damage: null,
      staged: [],
      modified: [],
      deleted: [],
      untracked: ["a"],
      unsupported: [],
    });
    await add(bench.repository, { paths: ["a"] }, QUIET);
    expect(await bench.status()).toMatchObject({
      head: null,
      staged: [{ path: "a", change: "added" }],
      untracked: [],
    });
    const { digest } = await bench.commit({});
    expect(await bench.status()).toMatchObject({ branch: "main", head: digest, staged: [] });
    await writeFile(join(bench.root, ".smc", "HEAD"), `${digest}\n`);
    expect(await bench.status()).toMatchObject({ branch: null, head: digest });
  });
});

test("status() tells staged, modified, deleted and untracked apart", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ both: "1", gone: "1", mode: "1", type: "1", same: "1", unstaged: "1" });
    await bench.write({ both: "2", "new/x": "1", "new/y": "1", "new/in": "1" });
    await add(bench.repository, { paths: ["both", "new/in"] }, QUIET);
    await rm(join(bench.root, "unstaged"));
    await add(bench.repository, { paths: ["unstaged"] }, QUIET);
    await bench.write({ both: "3" });
    await rm(join(bench.root, "gone"));
    await chmod(join(bench.root, "mode"), 0o755);
    await rm(join(bench.root, "type"));
    await symlink("same", join(bench.root, "type"));
    expect(await bench.status()).toMatchObject({
      staged: [
        { path: "both", change: "modified" },
        { path: "new/in", change: "added" },
        { path: "unstaged", change: "deleted" },
      ],
      modified: ["both", "mode", "type"],
      deleted: ["gone"],
      untracked: ["new/x", "new/y"],
    });
  });
});

test("status() names a folder without tracked files once", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "half/tracked": "1" });
    await bench.write({ "new/a": "1", "new/deep/b": "1", "half/x": "1", "half/sub/y": "1", top: "1" });
    const { untracked } = await status(bench.repository, {}, QUIET);
    expect(untracked).toEqual(["half/sub/", "half/x", "new/", "top"]);
  });
});

test("status() of paths tells only about them", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "a/x": "1", "b/x": "1" });
    await bench.write({ "a/x": "2", "b/x": "2", "a/new": "1", "b/new": "1" });
    const only = await status(await bench.at("b"), { paths: ["."], untracked: "all" }, QUIET);
    expect(only).toMatchObject({ modified: ["b/x"], untracked: ["b/new"] });
  });
});

test("status() reports what cannot be stored and goes on", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1" });
    execFileSync("mkfifo", [join(bench.root, "pipe")]);
    await writeFile(Buffer.concat([Buffer.from(`${bench.root}/`), Buffer.from([0xff])]), "x");
    const { unsupported, untracked } = await bench.status();
    expect(untracked).toEqual(["a"]);
    expect(unsupported.map(({ reason }) => reason).sort()).toEqual([
      expect.stringContaining("is a fifo"),
      expect.stringContaining("not valid UTF-8 (bytes ff)"),
    ]);
  });
});

/** The same repository, telling which files are read. */
function watched(bench: Bench): { repository: Repository; read: string[] } {
  const read: string[] = [];
  const { store } = bench.repository;
  const objects = new Proxy<ObjectStore>(store.objects, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      return (...words: unknown[]): unknown => {
        if (key === "hashFiles") read.push(...(words[0] as string[]));
        return Reflect.apply(value, target, words);
      };
    },
  });
  const seen: Store = new Proxy<Store>(store, {
    get(target, key) {
      if (key === "objects") return objects;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { repository: { ...bench.repository, store: seen }, read };
}

/** Moves the time at which contents were read, as if it were long ago or just now. */
async function setCachedAt(bench: Bench, change: (cachedAtNs: bigint) => bigint): Promise<void> {
  const stage: Stage | undefined = await readStage(bench.root);
  if (stage === undefined) throw new Error("there is no stage");
  for (const [path, entry] of stage.entries) {
    if (entry.cache === undefined) continue;
    stage.entries.set(path, {
      ...entry,
      cache: { ...entry.cache, cachedAtNs: change(entry.cache.cachedAtNs) },
    });
  }
  await writeStage(bench.root, stage, { durable: false });
}

const HOUR = 3_600_000_000_000n;

test("status() of an unchanged tree reads no file, and no more than it must otherwise", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", "b/c": "1", d: "1" });
    await setCachedAt(bench, (at) => at + HOUR);
    const { repository, read } = watched(bench);
    await status(repository, {}, QUIET);
    expect(read).toEqual([]);
    await bench.write({ a: "2", d: "longer" });
    expect((await status(repository, {}, QUIET)).modified).toEqual(["a", "d"]);
    expect(read).toEqual([join(bench.root, "a")]);
  });
});

test("status() reads files that were young when they were staged, and remembers what it found", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1" });
    await setCachedAt(bench, (at) => at - HOUR);
    const { repository, read } = watched(bench);
    await status(repository, {}, QUIET);
    expect(read).toHaveLength(1);
    const cache = (await readStage(bench.root))?.entries.get("a")?.cache;
    expect(cache && cache.cachedAtNs > cache.mtimeNs - HOUR / 2n).toBe(true);
  });
});

test("status() sees a change of the same size whose times were put back", async () => {
  await withWorktree(async (bench) => {
    const then = new Date("2020-01-01");
    await bench.write({ a: "1" });
    await utimes(join(bench.root, "a"), then, then);
    await bench.commit({});
    await setCachedAt(bench, (at) => at + HOUR);
    await writeFile(join(bench.root, "a"), "2");
    await utimes(join(bench.root, "a"), then, then);
    expect((await bench.status()).modified).toEqual(["a"]);
  });
});

test("status() works where the stage cannot be refreshed", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1" });
    const before = await readFile(join(bench.root, ".smc", "stage"));
    const stage = await readStage(bench.root);
    expect(stage?.isExact).toBe(true);
    await setCachedAt(bench, () => 1n);
    expect(await bench.isClean()).toBe(true);
    expect((await readFile(join(bench.root, ".smc", "stage"))).length).toBe(before.length);
  });
});
