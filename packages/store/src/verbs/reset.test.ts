import { lstat, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { refName } from "../objects/names.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { readHead, worktreeRef, writeHead } from "../worktree/head.ts";
import { add } from "./add.ts";
import { reset, type ResetOptions } from "./reset.ts";

function run(bench: Bench, options: ResetOptions) {
  return reset(bench.repository, options, QUIET);
}

async function twoCommits(bench: Bench) {
  const first = await bench.commit({ a: "1", b: "1" }, { tag: "v1" });
  const second = await bench.commit({ a: "2", c: "2" });
  return { first, second };
}

test("reset() --soft moves the branch and keeps the stage", async () => {
  await withWorktree(async (bench) => {
    const { first, second } = await twoCommits(bench);
    expect(await run(bench, { mode: "soft", revision: "HEAD~1" })).toEqual({
      head: first.digest,
      previous: second.digest,
      branch: "main",
      restored: [],
      skippedLinks: [],
    });
    expect(await bench.status()).toMatchObject({
      head: first.digest,
      staged: [
        { path: "a", change: "modified" },
        { path: "c", change: "added" },
      ],
      modified: [],
      untracked: [],
    });
    const { store, name, worktree } = bench.repository;
    expect(worktree && (await store.refs.read(name, worktreeRef(worktree)))).toBe(first.digest);
    expect((await bench.commit({}, { message: "again" })).tree).toBe(second.tree);
  });
});

test("reset() --mixed resets the stage, keeps the files, and takes staged files out", async () => {
  await withWorktree(async (bench) => {
    const { first } = await twoCommits(bench);
    await bench.write({ d: "new" });
    await add(bench.repository, { paths: ["d"] }, QUIET);
    await run(bench, { revision: "v1" });
    expect(await bench.status()).toMatchObject({
      head: first.digest,
      staged: [],
      modified: ["a"],
      untracked: ["c", "d"],
    });
    expect(await bench.files()).toEqual({ a: "2", b: "1", c: "2", d: "new" });
  });
});

test("reset() --hard gives up changes of tracked files and keeps untracked ones", async () => {
  await withWorktree(async (bench) => {
    const { second } = await twoCommits(bench);
    await bench.write({ a: "changed", untracked: "mine", staged: "new" });
    await rm(join(bench.root, "b"));
    await add(bench.repository, { paths: ["staged"] }, QUIET);
    const before = await lstat(join(bench.root, "c"), { bigint: true });
    expect(await run(bench, { mode: "hard" })).toMatchObject({ head: second.digest });
    expect(await bench.files()).toEqual({ a: "2", b: "1", c: "2", untracked: "mine" });
    expect((await lstat(join(bench.root, "c"), { bigint: true })).ino).toBe(before.ino);
    expect((await bench.status()).untracked).toEqual(["untracked"]);
    await run(bench, { mode: "hard", revision: "v1" });
    expect(await bench.files()).toEqual({ a: "1", b: "1", untracked: "mine" });
  });
});

test("reset() --hard never overwrites an untracked file", async () => {
  await withWorktree(async (bench) => {
    const { first } = await twoCommits(bench);
    await run(bench, { mode: "hard", revision: "v1" });
    await bench.write({ c: "mine" });
    await expect(run(bench, { mode: "hard", revision: "HEAD@{1}" })).rejects.toMatchObject({
      code: "WOULD_OVERWRITE",
      details: { paths: ["c"] },
    });
    expect(await bench.read("c")).toBe("mine");
    expect((await readHead(bench.repository)).digest).toBe(first.digest);
  });
});

test("reset() makes a damaged stage anew", async () => {
  await withWorktree(async (bench) => {
    await twoCommits(bench);
    for (const mode of ["mixed", "hard"] as const) {
      await writeFile(join(bench.root, ".smc", "stage"), "x".repeat(200));
      await expect(bench.status()).rejects.toMatchObject({ code: "STAGE_CORRUPT", exit: 4 });
      await run(bench, { mode });
      expect(await bench.isClean()).toBe(true);
    }
  });
});

test("reset() moves a detached HEAD, and nothing before the first commit", async () => {
  await withWorktree(async (bench) => {
    await bench.write({ x: "1" });
    await add(bench.repository, { paths: ["x"] }, QUIET);
    expect(await run(bench, {})).toMatchObject({ head: null });
    expect(await bench.status()).toMatchObject({ staged: [], untracked: ["x"] });
    const { first, second } = await twoCommits(bench);
    await writeHead(bench, { kind: "detached", digest: second.digest });
    await run(bench, { mode: "hard", revision: "v1" });
    expect(await readHead(bench.repository)).toMatchObject({ kind: "detached", digest: first.digest });
    const main = refName("refs/heads/", "main");
    expect(await bench.store.refs.read(bench.repository.name, main)).toBe(second.digest);
  });
});

test("reset() of paths changes their stage only", async () => {
  await withWorktree(async (bench) => {
    const { second } = await twoCommits(bench);
    await bench.write({ a: "changed", b: "changed" });
    await add(bench.repository, { paths: ["."] }, QUIET);
    expect(await run(bench, { paths: ["a"] })).toMatchObject({ head: second.digest, restored: ["a"] });
    expect(await bench.status()).toMatchObject({
      staged: [{ path: "b", change: "modified" }],
      modified: ["a"],
    });
    expect(await run(bench, { paths: ["."], revision: "v1" })).toMatchObject({ restored: ["a", "b", "c"] });
    expect((await bench.status()).staged).toEqual([
      { path: "a", change: "modified" },
      { path: "c", change: "deleted" },
    ]);
    await expect(run(bench, { paths: ["a"], mode: "hard" })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    await expect(run(bench, { paths: ["nothing"] })).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(run(bench, { revision: "nothing" })).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  });
});
