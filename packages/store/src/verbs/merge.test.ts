import { expect, test } from "vitest";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../objects/digest.ts";
import { readCommit } from "../history/graph.ts";
import { type Desk, withDesk } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { writeHead } from "../worktree/head.ts";
import { add } from "./add.ts";
import { merge } from "./merge.ts";
import { status } from "./status.ts";

const CLEAN = { staged: [], modified: [], deleted: [], untracked: [] };

async function part(
  desk: Desk,
  base: Record<string, string>,
  changes: { ours: Record<string, string | undefined>; theirs: Record<string, string | undefined> },
): Promise<{ base: Digest; ours: Digest; theirs: Digest }> {
  const { history } = desk;
  const root = await desk.commit(base, { message: "base" });
  const ours = await desk.commit(changes.ours, { message: "ours" });
  const files = Object.fromEntries(
    Object.entries({ ...base, ...changes.theirs }).filter(
      (row): row is [string, string] => row[1] !== undefined,
    ),
  );
  const theirs = await history.commit({ files, parents: [root], message: "theirs" });
  await history.point("refs/heads/side", theirs);
  return { base: root, ours, theirs };
}

test("merge() moves forward when HEAD has nothing of its own", async () => {
  await withDesk(async (desk) => {
    const first = await desk.commit({ "a.txt": "1", "keep.txt": "k" });
    const second = await desk.history.commit({
      files: { "a.txt": "2", "keep.txt": "k", "b/c.txt": "new" },
      parents: [first],
    });
    await desk.history.point("refs/heads/side", second);
    const result = await merge(desk.repository, { revision: "side" }, QUIET);
    expect(result).toMatchObject({
      outcome: "fast-forward",
      digest: second,
      ref: "refs/heads/main",
      from: first,
    });
    expect(result.files).toEqual({ added: 1, modified: 1, deleted: 0 });
    expect(await desk.read()).toEqual({ "a.txt": "2", "b/c.txt": "new", "keep.txt": "k" });
    expect(await status(desk.repository, {}, QUIET)).toMatchObject({
      head: second,
      branch: "main",
      ...CLEAN,
    });
    expect(await merge(desk.repository, { revision: "side" }, QUIET)).toMatchObject({
      outcome: "up-to-date",
      digest: second,
    });
    expect(await merge(desk.repository, { revision: first }, QUIET)).toMatchObject({ outcome: "up-to-date" });
  });
});

test("merge() with noFf makes a commit though it could move forward", async () => {
  await withDesk(async (desk) => {
    const first = await desk.commit({ "a.txt": "1" });
    const second = await desk.history.commit({ files: { "a.txt": "2" }, parents: [first] });
    const result = await merge(desk.repository, { revision: second, noFf: true, message: "joined" }, QUIET);
    expect(result).toMatchObject({ outcome: "merge", parents: [first, second] });
    expect((await readCommit(desk.history.store, result.digest)).message).toBe("joined");
    expect(await desk.read()).toEqual({ "a.txt": "2" });
  });
});

test("merge() takes from each side the files that only it changed", async () => {
  await withDesk(async (desk) => {
    const { ours, theirs } = await part(
      desk,
      { "a.txt": "a", "b.txt": "b", "gone-ours": "x", "gone-theirs": "y", same: "s", "dir/deep/f": "f" },
      {
        ours: { "a.txt": "ours", "gone-ours": undefined, same: "same change", "new-ours": "n" },
        theirs: { "b.txt": "theirs", "gone-theirs": undefined, same: "same change", "dir/deep/g": "g" },
      },
    );
    const result = await merge(
      desk.repository,
      { revision: "side", metrics: { acc: 0.5 }, params: { by: "hand" } },
      QUIET,
    );
    expect(result).toMatchObject({ outcome: "merge", parents: [ours, theirs], settled: [] });
    expect(await desk.read()).toEqual({
      "a.txt": "ours",
      "b.txt": "theirs",
      "dir/deep/f": "f",
      "dir/deep/g": "g",
      "new-ours": "n",
      same: "same change",
    });
    expect(await status(desk.repository, {}, QUIET)).toMatchObject({ head: result.digest, ...CLEAN });
    const made = await readCommit(desk.history.store, result.digest);
    expect(made.message).toBe("Merge side");
    expect(made.meta).toEqual({ metrics: { acc: 0.5 }, params: { by: "hand" } });
  });
});

test.each([
  ["changed on both", { f: "ours" }, { f: "theirs" }, ["f"], { f: "ours" }, { f: "theirs" }],
  ["changed here, deleted there", { f: "ours" }, { f: undefined }, ["f"], { f: "ours" }, {}],
  ["deleted here, changed there", { f: undefined }, { f: "theirs" }, ["f"], {}, { f: "theirs" }],
  ["added on both", { n: "1" }, { n: "2" }, ["n"], { f: "base", n: "1" }, { f: "base", n: "2" }],
  [
    "a file here, a folder there",
    { n: "1" },
    { "n/x": "2" },
    ["n"],
    { f: "base", n: "1" },
    { f: "base", "n/x": "2" },
  ],
  [
    "a folder here, a file there",
    { "n/x": "1" },
    { n: "2" },
    ["n"],
    { f: "base", "n/x": "1" },
    { f: "base", n: "2" },
  ],
])(
  "merge() of a conflict: %s",
  { timeout: 30_000 },
  async (_, ours, theirs, conflicts, withOurs, withTheirs) => {
    for (const [strategy, expected] of [
      ["ours", withOurs],
      ["theirs", withTheirs],
    ] as const) {
      await withDesk(async (desk) => {
        const sides = await part(desk, { f: "base" }, { ours, theirs });
        const before = await desk.read();
        await expect(merge(desk.repository, { revision: "side" }, QUIET)).rejects.toMatchObject({
          code: "MERGE_CONFLICT",
          hint: expect.stringContaining("--strategy"),
          details: { paths: conflicts },
        });
        expect(await desk.read()).toEqual(before);
        expect(await status(desk.repository, {}, QUIET)).toMatchObject({ head: sides.ours, ...CLEAN });
        const result = await merge(desk.repository, { revision: "side", strategies: [strategy] }, QUIET);
        expect(result.settled).toEqual(conflicts);
        expect(await desk.read()).toEqual(expected);
        expect(await status(desk.repository, {}, QUIET)).toMatchObject({ head: result.digest, ...CLEAN });
      });
    }
  },
);

test("merge() refuses what it must and changes nothing", async () => {
  await withDesk(async (desk) => {
    const { ours } = await part(desk, { f: "base", g: "g" }, { ours: { g: "2" }, theirs: { f: "theirs" } });
    const state = async () => [await desk.read(), (await status(desk.repository, {}, QUIET)).head];
    await expect(merge(desk.repository, { revision: "side", ffOnly: true }, QUIET)).rejects.toMatchObject({
      code: "NOT_FAST_FORWARD",
    });
    await expect(merge(desk.repository, { revision: "nowhere" }, QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    await expect(
      merge(desk.repository, { revision: "side", ffOnly: true, noFf: true }, QUIET),
    ).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await writeFile(join(desk.root, "f"), "my own work");
    await expect(merge(desk.repository, { revision: "side" }, QUIET)).rejects.toMatchObject({
      code: "WOULD_OVERWRITE",
      details: { paths: ["f"] },
    });
    expect(await state()).toEqual([{ f: "my own work", g: "2" }, ours]);
    await add(desk.repository, { paths: ["f"] }, QUIET);
    await expect(merge(desk.repository, { revision: "side" }, QUIET)).rejects.toMatchObject({
      code: "WORKTREE_DIRTY",
    });
    expect(await state()).toEqual([{ f: "my own work", g: "2" }, ours]);
  });
});

test("merge() keeps local changes to files that it does not touch", async () => {
  await withDesk(async (desk) => {
    await part(desk, { f: "base", g: "g" }, { ours: { h: "h" }, theirs: { f: "theirs" } });
    await writeFile(join(desk.root, "g"), "local");
    await writeFile(join(desk.root, "untracked"), "u");
    await merge(desk.repository, { revision: "side" }, QUIET);
    expect(await desk.read()).toEqual({ f: "theirs", g: "local", h: "h", untracked: "u" });
    expect(await status(desk.repository, {}, QUIET)).toMatchObject({
      modified: ["g"],
      untracked: ["untracked"],
    });
  });
});

test("merge() of unrelated histories needs a strategy", async () => {
  await withDesk(async (desk) => {
    const mine = await desk.commit({ a: "1" });
    const other = await desk.history.commit({ files: { a: "2", b: "2" } });
    await expect(merge(desk.repository, { revision: other }, QUIET)).rejects.toMatchObject({
      code: "MERGE_CONFLICT",
    });
    const result = await merge(desk.repository, { revision: other, strategies: ["ours"] }, QUIET);
    expect(result.parents).toEqual([mine, other]);
    expect(await desk.read()).toEqual({ a: "1", b: "2" });
  });
});

test("merge() gives a branch without a commit its first one, and moves a detached HEAD", async () => {
  await withDesk(async (desk) => {
    const first = await desk.history.commit({ files: { a: "1" } });
    expect(await merge(desk.repository, { revision: first }, QUIET)).toMatchObject({
      outcome: "fast-forward",
      from: null,
    });
    expect(await desk.read()).toEqual({ a: "1" });
    const { worktree } = desk.repository;
    if (worktree === undefined) throw new Error("no worktree");
    await writeHead(worktree, { kind: "detached", digest: first });
    const second = await desk.history.commit({ files: { a: "2" }, parents: [first] });
    expect(await merge(desk.repository, { revision: second }, QUIET)).toMatchObject({ ref: "HEAD" });
    expect(await readFile(join(desk.root, ".smc/HEAD"), "utf8")).toBe(`${second}\n`);
  });
});
