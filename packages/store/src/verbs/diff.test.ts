import { createHash } from "node:crypto";
import { chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readCommit } from "../history/graph.ts";
import { withDesk, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { diffTrees, type FileChange } from "../trees/tree-diff.ts";
import { add } from "./add.ts";
import { diff, type DiffOptions, type DiffResult } from "./diff.ts";

function paths({ files }: DiffResult): Record<string, string[]> {
  const names = (rows: readonly FileChange[]) => rows.map((row) => row.path);
  return { added: names(files.added), modified: names(files.modified), deleted: names(files.deleted) };
}

test("diff() compares commits: files with sizes, metrics, params", async () => {
  await withHistory(async (history) => {
    const a = await history.commit({
      files: { same: "s", "w/x": "1", "w/y": "2", old: "o", script: "x" },
      meta: {
        metrics: { mag: 98.36, azi: 50.66, gone: 1, same: 2 },
        params: { lr: 0.001, opt: "adam", same: true },
      },
    });
    const b = await history.commit({
      files: { same: "s", "w/x": "11", "w/y": "2", "w/z": "", "script*": "x" },
      parents: [a],
      meta: {
        metrics: { mag: 97.63, azi: 71.28, same: 2, first: 0 },
        params: { lr: 0.0005, opt: null, same: true },
      },
    });
    await history.point("refs/tags/v1.0.0", a);
    await history.point("refs/heads/main", b);
    const result = await diff(history.repository, { revisions: ["v1.0.0", "main"] }, QUIET);
    expect(result).toMatchObject({ from: "v1.0.0", to: "main" });
    expect(paths(result)).toEqual({ added: ["w/z"], modified: ["script", "w/x"], deleted: ["old"] });
    const digest = (text: string) => createHash("sha256").update(text).digest("hex");
    expect(result.files.modified).toEqual([
      {
        path: "script",
        from: { digest: digest("x"), sizeBytes: 1, mode: "100644" },
        to: { digest: digest("x"), sizeBytes: 1, mode: "100755" },
      },
      {
        path: "w/x",
        from: { digest: digest("1"), sizeBytes: 1, mode: "100644" },
        to: { digest: digest("11"), sizeBytes: 2, mode: "100644" },
      },
    ]);
    expect(result.metrics).toEqual([
      { name: "azi", from: 50.66, to: 71.28, delta: 20.62 },
      { name: "first", from: null, to: 0, delta: null },
      { name: "gone", from: 1, to: null, delta: null },
      { name: "mag", from: 98.36, to: 97.63, delta: -0.73 },
    ]);
    expect(result.params).toEqual([
      { name: "lr", from: 0.001, to: 0.0005 },
      { name: "opt", from: "adam", to: null },
    ]);
    const all = await diff(history.repository, { revisions: ["v1.0.0..main"], all: true }, QUIET);
    expect(all.metrics).toHaveLength(5);
    expect(all.params).toHaveLength(3);
    const back = await diff(history.repository, { revisions: ["main", "v1.0.0"], paths: ["w"] }, QUIET);
    expect(paths(back)).toEqual({ added: [], modified: ["w/x"], deleted: ["w/z"] });
    const same = await diff(history.repository, { revisions: ["main", "HEAD"] }, QUIET);
    expect(same).toMatchObject({ metrics: [], params: [] });
    expect(paths(same)).toEqual({ added: [], modified: [], deleted: [] });
    expect(await diff(history.repository, { revisions: ["v1.0.0:w", "main:w"] }, QUIET)).toMatchObject({
      files: { added: [{ path: "z" }], modified: [{ path: "x" }] },
      metrics: [],
    });
  });
});

test("diff() of A...B starts where they parted", async () => {
  await withHistory(async (history) => {
    const r = await history.commit({ files: { a: "1" } });
    const a = await history.commit({ files: { a: "2" }, parents: [r] });
    const b = await history.commit({ files: { a: "1", b: "1" }, parents: [r] });
    const lone = await history.commit();
    const run = (revisions: string[]) => diff(history.repository, { revisions }, QUIET);
    expect(paths(await run([`${a}...${b}`]))).toEqual({ added: ["b"], modified: [], deleted: [] });
    expect(paths(await run([`${a}..${b}`]))).toEqual({ added: ["b"], modified: ["a"], deleted: [] });
    await expect(run([`${a}...${lone}`])).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    await expect(run([a, b, r])).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(run([])).rejects.toMatchObject({ code: "WORKTREE_NOT_FOUND" });
  });
});

test("diffTrees() sees files become folders, folders move, and reads no equal subtree", async () => {
  await withHistory(async (history) => {
    const { store } = history;
    const tree = async (files: Record<string, string>) =>
      (await readCommit(store, await history.commit({ files }))).tree;
    const from = await tree({ "big/one": "1", "big/deep/two": "2", thing: "t", "dir/a": "a", "dir/b": "b" });
    const to = await tree({
      "big/one": "1",
      "big/deep/two": "2",
      "thing/inside": "t",
      dir: "now a file",
      "moved/a": "a",
    });
    const read: string[] = [];
    const source = {
      read: (digest: Parameters<typeof store.objects.read>[0], kind: "tree") => {
        read.push(digest);
        return store.objects.read(digest, kind);
      },
    } as typeof store.objects;
    const changes = await diffTrees(source, { from, to }, QUIET);
    const rows = changes.map(
      (row) => `${row.from === undefined ? "+" : row.to === undefined ? "-" : "~"}${row.path}`,
    );
    expect(rows.sort()).toEqual(["+dir", "+moved/a", "+thing/inside", "-dir/a", "-dir/b", "-thing"]);
    // The two roots, dir, thing, moved; nothing of big.
    expect(read).toHaveLength(5);
    expect(await diffTrees(source, { from, to: from }, QUIET)).toEqual([]);
    expect(await diffTrees(source, { from: undefined, to }, QUIET)).toHaveLength(5);
    expect(await diffTrees(source, { from: undefined, to: undefined }, QUIET)).toEqual([]);
  });
});

test("diff() compares stage and worktree", async () => {
  await withDesk(async (desk) => {
    const run = (options: DiffOptions) => diff(desk.repository, options, QUIET);
    await desk.commit({ a: "1", b: "1", c: "1", "d/e": "1" });
    const none = { added: [], modified: [], deleted: [] };
    for (const options of [{}, { staged: true }, { revisions: ["HEAD"] }])
      expect(paths(await run(options))).toEqual(none);
    await writeFile(join(desk.root, "a"), "2");
    await rm(join(desk.root, "c"));
    await chmod(join(desk.root, "d/e"), 0o755);
    await writeFile(join(desk.root, "untracked"), "u");
    const local = await run({});
    expect(local).toMatchObject({ from: "stage", to: "worktree", metrics: [], params: [] });
    expect(paths(local)).toEqual({ added: [], modified: ["a", "d/e"], deleted: ["c"] });
    expect(local.files.modified[0]?.to?.digest).toBe(createHash("sha256").update("2").digest("hex"));
    expect(paths(await run({ paths: ["d"] }))).toEqual({ added: [], modified: ["d/e"], deleted: [] });
    await writeFile(join(desk.root, "n"), "new");
    await add(desk.repository, { paths: ["a", "n"] }, QUIET);
    expect(paths(await run({}))).toEqual({ added: [], modified: ["d/e"], deleted: ["c"] });
    const staged = await run({ staged: true });
    expect(staged).toMatchObject({ from: "HEAD", to: "stage" });
    expect(paths(staged)).toEqual({ added: ["n"], modified: ["a"], deleted: [] });
    expect(paths(await run({ revisions: ["HEAD"] }))).toEqual({
      added: ["n"],
      modified: ["a", "d/e"],
      deleted: ["c"],
    });
    await writeFile(join(desk.root, "a"), "1");
    expect(paths(await run({ revisions: ["HEAD"] }))).toEqual({
      added: ["n"],
      modified: ["d/e"],
      deleted: ["c"],
    });
    await expect(run({ staged: true, revisions: ["HEAD", "HEAD"] })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
  });
});
