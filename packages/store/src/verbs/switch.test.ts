import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { QUIET, withStore } from "../testing/testing.ts";
import { openBench, withWorktree } from "../testing/worktree.ts";
import { switchBranch } from "./switch.ts";

test("switch() takes branches only, makes them, and detaches when told", async () => {
  await withWorktree(async (bench) => {
    const first = await bench.commit({ a: "1" }, { tag: "v1" });
    await switchBranch(bench.repository, { create: "fix" }, QUIET);
    await bench.commit({ a: "2" });
    expect(await switchBranch(bench.repository, { target: "main" }, QUIET)).toMatchObject({ branch: "main" });
    await expect(switchBranch(bench.repository, { target: "v1" }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
      hint: expect.stringContaining("--detach"),
    });
    await expect(switchBranch(bench.repository, {}, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    expect(await switchBranch(bench.repository, { target: "v1", detach: true }, QUIET)).toMatchObject({
      branch: null,
      digest: first.digest,
    });
    expect(await switchBranch(bench.repository, { target: "fix" }, QUIET)).toMatchObject({ branch: "fix" });
    expect(await bench.read("a")).toBe("2");
  });
});

test("switch() refuses a branch that another worktree is on", async () => {
  await withStore(async (store, folder) => {
    const one = await openBench(store, join(folder, "one"), { name: "shared" });
    await one.commit({ a: "1" });
    const two = await openBench(store, join(folder, "two"), { name: "shared", branch: "side" });
    await expect(switchBranch(two.repository, { target: "main" }, QUIET)).rejects.toMatchObject({
      code: "BRANCH_IN_USE",
      details: { path: one.root },
    });
    await rm(one.root, { recursive: true });
    await switchBranch(two.repository, { target: "main" }, QUIET);
    expect(await two.read("a")).toBe("1");
  });
});
