import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { readStage } from "../worktree/stage.ts";
import { add } from "./add.ts";
import { reset } from "./reset.ts";
import { restore, type RestoreOptions } from "./restore.ts";

function bring(bench: Bench, options: RestoreOptions) {
  return restore(bench.repository, options, QUIET);
}

async function twoCommits(bench: Bench): Promise<void> {
  await bench.commit({ a: "1", b: "1" }, { tag: "v1" });
  await bench.commit({ a: "2", c: "2" });
}

test("restore() brings files back as they are staged", async () => {
  await withWorktree(async (bench) => {
    await twoCommits(bench);
    await bench.write({ a: "staged" });
    await add(bench.repository, { paths: ["a"] }, QUIET);
    await bench.write({ a: "changed", c: "changed", untracked: "mine" });
    await rm(join(bench.root, "b"));
    expect(await bring(bench, { paths: ["."] })).toEqual({ restored: ["a", "b", "c"], skippedLinks: [] });
    expect(await bench.files()).toEqual({ a: "staged", b: "1", c: "2", untracked: "mine" });
    expect(await bench.status()).toMatchObject({ staged: [{ path: "a" }], modified: [], deleted: [] });
    expect(await bring(bench, { paths: ["."] })).toMatchObject({ restored: [] });
  });
});

test("restore() --staged resets the stage from HEAD and leaves the files", async () => {
  await withWorktree(async (bench) => {
    await twoCommits(bench);
    await bench.write({ a: "changed", new: "new" });
    await add(bench.repository, { paths: ["."] }, QUIET);
    expect(await bring(bench, { paths: ["a", "new"], staged: true })).toMatchObject({
      restored: ["a", "new"],
    });
    expect(await bench.status()).toMatchObject({ staged: [], modified: ["a"], untracked: ["new"] });
    expect((await readStage(bench.root))?.isExact).toBe(true);
  });
});

test("restore() of a revision writes its files, and removes tracked ones that it does not have", async () => {
  await withWorktree(async (bench) => {
    await twoCommits(bench);
    expect(await bring(bench, { paths: ["."], source: "v1" })).toMatchObject({ restored: ["a", "c"] });
    expect(await bench.files()).toEqual({ a: "1", b: "1" });
    expect(await bench.status()).toMatchObject({ staged: [], modified: ["a"], deleted: ["c"] });
    await bring(bench, { paths: ["."], source: "v1", staged: true, worktree: true });
    expect(await bench.status()).toMatchObject({
      modified: [],
      deleted: [],
      staged: [{ path: "a" }, { path: "c" }],
    });
  });
});

test("restore() refuses no paths, unknown paths and untracked files in the way", async () => {
  await withWorktree(async (bench) => {
    await twoCommits(bench);
    await expect(bring(bench, { paths: [] })).rejects.toMatchObject({ code: "USAGE" });
    await expect(bring(bench, { paths: ["nothing"] })).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await reset(bench.repository, { mode: "hard", revision: "v1" }, QUIET);
    await bench.write({ c: "mine" });
    await expect(bring(bench, { paths: ["c"], source: "HEAD@{1}" })).rejects.toMatchObject({
      code: "WOULD_OVERWRITE",
    });
    expect(await bench.read("c")).toBe("mine");
  });
});
