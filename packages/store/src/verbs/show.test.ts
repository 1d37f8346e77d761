import { expect, test } from "vitest";
import { withHistory } from "../testing/history.ts";
import { safetensorsFile } from "../testing/tensors.ts";
import { QUIET } from "../testing/testing.ts";
import { withWorktree } from "../testing/worktree.ts";
import { show } from "./show.ts";

test("show() tells commits with what they changed, tags, folders and files", async () => {
  await withHistory(async (history) => {
    const a = await history.commit({ files: { "w/a": "1" } });
    const b = await history.commit({
      files: { "w/a": "22", n: "" },
      parents: [a],
      meta: { metrics: { acc: 1 } },
    });
    await history.point("refs/heads/main", b);
    const { tag } = await import("./tag.ts");
    await tag(history.repository, { name: "v1", message: "one" }, QUIET);
    const run = (revision: string) => show(history.repository, { revision }, QUIET);
    const shown = await run("v1");
    expect(shown).toMatchObject({
      kind: "commit",
      digest: b,
      tags: [{ name: "v1", message: "one", target: b }],
    });
    expect(shown.diff?.files.added.map((row) => row.path)).toEqual(["n"]);
    expect(shown.diff?.files.modified).toMatchObject([
      { path: "w/a", from: { sizeBytes: 1 }, to: { sizeBytes: 2 } },
    ]);
    expect(shown.diff?.metrics).toEqual([{ name: "acc", from: null, to: 1, delta: null }]);
    expect((await run(a)).diff).toMatchObject({ from: "nothing", files: { added: [{ path: "w/a" }] } });
    expect(await run("main:w")).toMatchObject({
      kind: "tree",
      path: "w",
      entries: [{ path: "a", sizeBytes: 2 }],
    });
    expect(await run("main:n")).toMatchObject({ kind: "blob", path: "n", sizeBytes: 0 });
  });
});

test("show() of a file tells its tensors when it is asked to, and refuses that of anything else", async () => {
  await withWorktree(async (bench) => {
    const file = safetensorsFile({ w: { dtype: "bf16", values: [1, 2, 3] } });
    await bench.commit({ "m.safetensors": file, "notes.txt": "none" });
    const run = (revision: string) => show(bench.repository, { revision, tensors: true }, QUIET);
    expect(await run("HEAD:m.safetensors")).toMatchObject({
      kind: "blob",
      sizeBytes: file.length,
      tensors: { format: "safetensors", tensors: [{ name: "w", dtype: "bf16", shape: [3], sizeBytes: 6 }] },
    });
    expect((await run("HEAD:notes.txt")).tensors).toEqual({ format: null, problem: null, tensors: [] });
    expect((await show(bench.repository, { revision: "HEAD:notes.txt" }, QUIET)).tensors).toBeNull();
    await expect(run("HEAD")).rejects.toMatchObject({ code: "REVISION_INVALID" });
  });
});
