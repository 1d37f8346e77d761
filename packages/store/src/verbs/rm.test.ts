import { mkdir, readdir, rm as remove, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { readStage } from "../worktree/stage.ts";
import { add } from "./add.ts";
import { rm, type RmOptions } from "./rm.ts";

function run(bench: Bench, paths: readonly string[], options: Partial<RmOptions> = {}) {
  return rm(bench.repository, { paths, ...options }, QUIET);
}

async function stagedPaths(bench: Bench): Promise<string[]> {
  return [...((await readStage(bench.root))?.entries.keys() ?? [])];
}

test("rm() removes files and emptied folders, and stages that", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", "d/x": "1", "d/e/y": "1", keep: "1" });
    expect(await run(bench, ["a", "d"], { recursive: true })).toEqual({
      removed: ["a", "d/e/y", "d/x"],
      dryRun: false,
    });
    expect(await readdir(bench.root)).toEqual([".smc", "keep"]);
    expect((await bench.status()).staged.map(({ change }) => change)).toEqual([
      "deleted",
      "deleted",
      "deleted",
    ]);
  });
});

test("rm() --cached keeps the files", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1" });
    await run(bench, ["a"], { cached: true });
    expect(await bench.files()).toEqual({ a: "1" });
    expect(await bench.status()).toMatchObject({
      staged: [{ path: "a", change: "deleted" }],
      untracked: ["a"],
    });
  });
});

test("rm() refuses content that no commit has, removes nothing, and takes it with force", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ changed: "1", fine: "1" });
    await bench.write({ changed: "2", staged: "new" });
    await add(bench.repository, { paths: ["staged"] }, QUIET);
    await expect(run(bench, ["changed", "staged", "fine"])).rejects.toMatchObject({
      code: "WORKTREE_DIRTY",
      exit: 5,
      details: { paths: ["changed", "staged"], count: 2 },
    });
    expect(await stagedPaths(bench)).toEqual(["changed", "fine", "staged"]);
    await run(bench, ["staged"], { cached: true });
    expect(await bench.read("staged")).toBe("new");
    await run(bench, ["changed", "fine"], { force: true });
    expect(await bench.files()).toEqual({ staged: "new" });
  });
});

test("rm() --cached refuses only what neither the file nor HEAD has", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1" });
    await bench.write({ a: "staged" });
    await add(bench.repository, { paths: ["a"] }, QUIET);
    await bench.write({ a: "changed again" });
    await expect(run(bench, ["a"], { cached: true })).rejects.toMatchObject({ code: "WORKTREE_DIRTY" });
  });
});

test("rm() takes a file that is gone already, and refuses folders without -r and unknown paths", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", "d/x": "1" });
    await expect(run(bench, [])).rejects.toMatchObject({ code: "USAGE" });
    await expect(run(bench, ["d"])).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
      hint: expect.stringContaining("-r"),
    });
    await expect(run(bench, ["."])).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(run(bench, ["a", "nothing"])).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await remove(join(bench.root, "a"));
    expect(await run(bench, ["a"])).toMatchObject({ removed: ["a"] });
    expect(await run(bench, ["d/*"], { dryRun: true })).toEqual({ removed: ["d/x"], dryRun: true });
    expect(await bench.files()).toEqual({ "d/x": "1" });
  });
});

test("rm() removes nothing through a link in place of a folder", async () => {
  await withWorktree(async (bench, folder) => {
    await bench.commit({ "d/x": "1" });
    await mkdir(join(folder, "outside"));
    await writeFile(join(folder, "outside", "x"), "1");
    await remove(join(bench.root, "d"), { recursive: true });
    await symlink("../outside", join(bench.root, "d"));
    await run(bench, ["d/x"], { force: true });
    expect(await readdir(join(folder, "outside"))).toEqual(["x"]);
  });
});
