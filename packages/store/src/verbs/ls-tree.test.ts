import { expect, test } from "vitest";
import { encodeTree } from "../objects/objects.ts";
import { diffTrees } from "../trees/tree-diff.ts";
import { withFiles, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { safetensorsFile } from "../testing/tensors.ts";
import { withWorktree } from "../testing/worktree.ts";
import { cat } from "./cat.ts";
import { lsTree, type LsTreeOptions } from "./ls-tree.ts";

test("lsTree() lists folders and files with sizes", async () => {
  await withFiles(async ({ repository }) => {
    const run = async (options: LsTreeOptions) =>
      (await lsTree(repository, options, QUIET)).map((row) => `${row.mode} ${row.path} ${row.sizeBytes}`);
    expect(await run({})).toEqual(["100644 config.json 2", "100755 run.sh 1", "040000 weights 6"]);
    expect(await run({ recursive: true })).toEqual([
      "100644 config.json 2",
      "100755 run.sh 1",
      "100644 weights/a.bin 4",
      "100644 weights/deep/b.bin 2",
    ]);
    expect(await run({ directories: true })).toEqual(["040000 weights 6"]);
    expect(await run({ directories: true, recursive: true })).toEqual([
      "040000 weights 6",
      "040000 weights/deep 2",
    ]);
    expect(await run({ revision: "main:weights" })).toEqual(["100644 a.bin 4", "040000 deep 2"]);
    expect(await run({ paths: ["weights/deep", "config.json"] })).toEqual([
      "040000 weights/deep 2",
      "100644 config.json 2",
    ]);
    expect(await run({ paths: ["weights"], recursive: true })).toEqual([
      "100644 weights/a.bin 4",
      "100644 weights/deep/b.bin 2",
    ]);
    await expect(run({ paths: ["nothing"] })).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(run({ revision: "main:config.json" })).rejects.toMatchObject({ code: "REVISION_INVALID" });
  });
});

test(
  "lsTree() and diffTrees() refuse trees that stand for any number of paths, or are too deep",
  { timeout: 240_000 },
  async () => {
    await withHistory(async (history) => {
      const { store, repository } = history;
      await using session = store.write("test");
      const blob = await session.putBlob(Buffer.from("x"));
      let bomb = await session.putObject("tree", encodeTree([{ name: "leaf", mode: "100644", ...blob }]));
      for (let level = 0; level < 10; level += 1) {
        const digest = bomb;
        const entries = Array.from({ length: 10 }, (_, index) => ({
          name: `d${index}`,
          mode: "040000" as const,
          digest,
          sizeBytes: 1,
        }));
        bomb = await session.putObject("tree", encodeTree(entries));
      }
      let deep = await session.putObject("tree", encodeTree([{ name: "leaf", mode: "100644", ...blob }]));
      for (let level = 0; level < 600; level += 1) {
        deep = await session.putObject(
          "tree",
          encodeTree([{ name: "d", mode: "040000", digest: deep, sizeBytes: 1 }]),
        );
      }
      await session.finish();
      for (const tree of [bomb, deep]) {
        await expect(lsTree(repository, { revision: tree, recursive: true }, QUIET)).rejects.toMatchObject({
          code: "LIMIT_EXCEEDED",
        });
        await expect(diffTrees(store.objects, { from: undefined, to: tree }, QUIET)).rejects.toMatchObject({
          code: "LIMIT_EXCEEDED",
        });
      }
      expect(await lsTree(repository, { revision: bomb }, QUIET)).toHaveLength(10);
      const path = Array(599).fill("d").join("/");
      expect(await cat(repository, { revision: `${deep}:${path}/d/leaf` }, QUIET)).toEqual(blob);
    });
  },
);

test("lsTree() tells the tensors of every file when it is asked to", async () => {
  await withWorktree(async (bench) => {
    const file = safetensorsFile({ w: { dtype: "f32", shape: [2, 1], values: [1, 2] } });
    await bench.commit({ "m.safetensors": file, "bad.safetensors": "{", "notes.txt": "none", "d/x": "x" });
    const rows = await lsTree(bench.repository, { tensors: true }, QUIET);
    expect(rows).toMatchObject([
      {
        path: "bad.safetensors",
        tensors: { format: null, problem: expect.stringMatching(/./), tensors: [] },
      },
      { path: "d", kind: "tree" },
      {
        path: "m.safetensors",
        tensors: {
          format: "safetensors",
          problem: null,
          tensors: [{ name: "w", dtype: "f32", shape: [2, 1], sizeBytes: 8, offset: file.length - 8 }],
        },
      },
      { path: "notes.txt", tensors: { format: null, problem: null, tensors: [] } },
    ]);
    expect(rows[1]).not.toHaveProperty("tensors");
    expect((await lsTree(bench.repository, {}, QUIET))[0]).not.toHaveProperty("tensors");
  });
});
