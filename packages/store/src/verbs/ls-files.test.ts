import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { lsFiles, type LsFilesOptions } from "./ls-files.ts";

test("lsFiles() lists the stage, and what differs from it", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", "d/x": "22", gone: "3" });
    const row = {
      path: "d/x",
      state: "staged",
      mode: "100644",
      digest: hashBytes(Buffer.from("22")),
      sizeBytes: 2,
    };
    expect(await lsFiles(bench.repository, {}, QUIET)).toMatchObject([{ path: "a" }, row, { path: "gone" }]);
    expect(await lsFiles(await bench.at("d"), {}, QUIET)).toEqual([row]);
    expect(await lsFiles(bench.repository, { paths: ["*o*"] }, QUIET)).toMatchObject([{ path: "gone" }]);
    await bench.write({ a: "changed", "d/new": "1" });
    await rm(join(bench.root, "gone"));
    const states = async (options: LsFilesOptions) =>
      (await lsFiles(bench.repository, options, QUIET)).map(({ path, state }) => `${path} ${state}`);
    expect(await states({ modified: true, deleted: true, others: true })).toEqual([
      "a modified",
      "d/new other",
      "gone deleted",
    ]);
    expect(await states({ others: true })).toEqual(["d/new other"]);
  });
});
