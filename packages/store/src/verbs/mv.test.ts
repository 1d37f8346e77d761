import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { readStage } from "../worktree/stage.ts";
import { mv, type MvOptions } from "./mv.ts";

function move(
  bench: Bench,
  sources: readonly string[],
  destination: string,
  options: Partial<MvOptions> = {},
) {
  return mv(bench.repository, { sources, destination, ...options }, QUIET);
}

async function stagedPaths(bench: Bench): Promise<string[]> {
  return [...((await readStage(bench.root))?.entries.keys() ?? [])];
}

test("mv() renames a file and keeps its content staged", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1" });
    expect(await move(bench, ["a"], "b")).toEqual({ moved: [{ from: "a", to: "b" }], dryRun: false });
    expect(await bench.files()).toEqual({ b: "1" });
    expect(await bench.status()).toMatchObject({
      staged: [
        { path: "a", change: "deleted" },
        { path: "b", change: "added" },
      ],
      modified: [],
      untracked: [],
    });
  });
});

test("mv() moves files and folders into a folder, untracked files with them", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", "d/x": "1", "to/y": "1" });
    await bench.write({ "d/untracked": "mine" });
    await move(bench, ["a", "d"], "to");
    expect(await bench.files()).toEqual({
      "to/a": "1",
      "to/d/x": "1",
      "to/d/untracked": "mine",
      "to/y": "1",
    });
    expect(await stagedPaths(bench)).toEqual(["to/a", "to/d/x", "to/y"]);
    await move(bench, ["to/d"], "renamed");
    expect((await bench.status()).untracked).toEqual(["renamed/untracked"]);
  });
});

test("mv() refuses what is not tracked, taken, into itself, or elsewhere, and moves nothing", async () => {
  await withWorktree(async (bench, folder) => {
    await bench.commit({ a: "1", b: "1", "d/x": "1" });
    await bench.write({ untracked: "mine" });
    await mkdir(join(folder, "outside"));
    await symlink("../outside", join(bench.root, "out"));
    const before = await bench.files();
    const cases: readonly (readonly [readonly string[], string, string])[] = [
      [["untracked"], "c", "PATH_NOT_FOUND"],
      [["nothing"], "c", "PATH_NOT_FOUND"],
      [["a"], "b", "ALREADY_EXISTS"],
      [["a"], "untracked", "ALREADY_EXISTS"],
      [["a"], "a", "ARGUMENT_INVALID"],
      [["d"], "d/in", "ARGUMENT_INVALID"],
      [["a", "b"], "nowhere", "PATH_NOT_FOUND"],
      [["a"], "nowhere/", "PATH_NOT_FOUND"],
      [["a"], "nowhere/x", "PATH_NOT_FOUND"],
      [["a"], "../x", "UNSAFE_PATH"],
      [["a"], "out/x", "UNSAFE_PATH"],
      [["a"], "con", "NAME_NOT_PORTABLE"],
      [["a"], "B", "NAME_COLLISION"],
      [["."], "c", "ARGUMENT_INVALID"],
      [[], "c", "USAGE"],
    ];
    for (const [sources, destination, code] of cases) {
      await expect(move(bench, sources, destination)).rejects.toMatchObject({ code });
    }
    expect(await bench.files()).toEqual(before);
    expect(await stagedPaths(bench)).toEqual(["a", "b", "d/x"]);
  });
});

test("mv() changes only the case of a name, and replaces a file with force", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ model: "1", other: "2" });
    await move(bench, ["model"], "Model");
    expect(await stagedPaths(bench)).toEqual(["Model", "other"]);
    expect(await move(bench, ["Model"], "other", { dryRun: true, force: true })).toMatchObject({
      dryRun: true,
    });
    await move(bench, ["Model"], "other", { force: true });
    expect(await bench.files()).toEqual({ other: "1" });
    expect(await stagedPaths(bench)).toEqual(["other"]);
  });
});
