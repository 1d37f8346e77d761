import { chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { interceptCalls } from "../fs.ts";
import { readCommit } from "../history/graph.ts";
import { refName } from "../objects/names.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { ACTOR, type Bench, openBench, withWorktree } from "../testing/worktree.ts";
import { flattenTree } from "../trees/tree-read.ts";
import { readHead, worktreeRef, writeHead } from "../worktree/head.ts";
import { add } from "./add.ts";
import { checkout } from "./checkout.ts";
import { commit, type CommitOptions } from "./commit.ts";

function run(bench: Bench, options: CommitOptions) {
  return commit(bench.repository, options, QUIET);
}

test("commit() keeps the staged files, moves the branch and the worktree's ref, and leaves a clean status", async () => {
  await withWorktree(async (bench) => {
    const first = await bench.commit({ a: "1", "b/c": "22" }, { message: "first\n\nbody" });
    expect(first).toMatchObject({
      parents: [],
      ref: "refs/heads/main",
      branch: "main",
      subject: "first",
      tag: null,
      files: { added: 2, modified: 0, deleted: 0 },
    });
    const { store, name, worktree } = bench.repository;
    expect(await store.refs.read(name, refName("refs/heads/", "main"))).toBe(first.digest);
    expect(worktree && (await store.refs.read(name, worktreeRef(worktree)))).toBe(first.digest);
    const made = await readCommit(store, first.digest);
    expect(made).toMatchObject({
      tree: first.tree,
      author: ACTOR,
      committer: ACTOR,
      message: "first\n\nbody",
    });
    expect([...(await flattenTree(store.objects, first.tree, QUIET)).keys()]).toEqual(["a", "b/c"]);
    const second = await bench.commit({ a: "changed", d: "new" });
    expect(second).toMatchObject({ parents: [first.digest], files: { added: 1, modified: 1, deleted: 0 } });
    expect(await bench.isClean()).toBe(true);
  });
});

test("commit() says that there is nothing to commit", async () => {
  await withWorktree(async (bench) => {
    await expect(run(bench, { message: "x" })).rejects.toMatchObject({ code: "NOTHING_TO_COMMIT", exit: 1 });
    const first = await bench.commit({ a: "1" });
    await expect(run(bench, { message: "x" })).rejects.toMatchObject({ code: "NOTHING_TO_COMMIT" });
    await bench.write({ a: "changed, not staged" });
    await expect(run(bench, { message: "x" })).rejects.toMatchObject({ code: "NOTHING_TO_COMMIT" });
    expect(await run(bench, { message: "x", allowEmpty: true })).toMatchObject({
      tree: first.tree,
      parents: [first.digest],
    });
  });
});

test("commit() with all takes changes and deletions of tracked files only", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", gone: "2", run: "3" });
    await bench.write({ a: "changed", untracked: "4" });
    await rm(join(bench.root, "gone"));
    await chmod(join(bench.root, "run"), 0o755);
    const { tree, files } = await run(bench, { message: "all", all: true });
    expect(files).toEqual({ added: 0, modified: 2, deleted: 1 });
    const flat = await flattenTree(bench.store.objects, tree, QUIET);
    expect([...flat].map(([path, { mode }]) => [path, mode])).toEqual([
      ["a", "100644"],
      ["run", "100755"],
    ]);
    expect((await bench.status()).untracked).toEqual(["untracked"]);
  });
});

test("commit() keeps metrics, params and meta", async () => {
  await withWorktree(async (bench) => {
    const { digest } = await bench.commit(
      { a: "1" },
      {
        metrics: { acc: 0.5, loss: 1e-9 },
        params: { lr: "0.1", on: true, none: null },
        meta: { data: { rows: [1, 2] } },
      },
    );
    expect((await readCommit(bench.store, digest)).meta).toEqual({
      metrics: { acc: 0.5, loss: 1e-9 },
      params: { lr: "0.1", on: true, none: null },
      data: { rows: [1, 2] },
    });
  });
});

test("commit() with amend replaces the commit and keeps what is not given", async () => {
  await withWorktree(async (bench) => {
    const base = await bench.commit({ a: "1" });
    const old = await bench.commit(
      { a: "2" },
      { message: "old", metrics: { acc: 1, loss: 2 }, author: "Bob <b@x.org>" },
    );
    await bench.write({ b: "3" });
    await add(bench.repository, { paths: ["b"] }, QUIET);
    const amended = await run(bench, { amend: true, metrics: { acc: 3 } });
    expect(amended.parents).toEqual([base.digest]);
    expect(amended.digest).not.toBe(old.digest);
    expect(await readCommit(bench.store, amended.digest)).toMatchObject({
      message: "old",
      author: { name: "Bob", email: "b@x.org" },
      committer: ACTOR,
      meta: { metrics: { acc: 3, loss: 2 } },
    });
    expect(await run(bench, { amend: true, message: "new words" })).toMatchObject({ subject: "new words" });
  });
});

test("commit() with amend needs a commit", async () => {
  await withWorktree(async (bench) => {
    await expect(run(bench, { amend: true })).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  });
});

test("commit() makes the tag in the same step, or nothing", async () => {
  await withWorktree(async (bench) => {
    const { digest } = await bench.commit({ a: "1" }, { tag: "v1" });
    const tag = refName("refs/tags/", "v1");
    expect(await bench.store.refs.read(bench.repository.name, tag)).toBe(digest);
    await bench.write({ a: "2" });
    await add(bench.repository, { paths: ["a"] }, QUIET);
    await expect(run(bench, { message: "x", tag: "v1" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      exit: 5,
    });
    await expect(run(bench, { message: "x", tag: "../v" })).rejects.toMatchObject({
      code: "REF_NAME_INVALID",
    });
    expect((await readHead(bench.repository)).digest).toBe(digest);
  });
});

const MESSAGES: readonly (readonly [string, string, RegExp])[] = [
  ["an empty message", "", /empty/],
  ["spaces", " \n\t ", /empty/],
  ["2 MiB", "x".repeat(2 * 1024 * 1024), /longer/],
  ["NUL", "a\0b", /NUL character at 1/],
  ["a lone surrogate", "a\ud800", /UTF-8/],
];

test.each(MESSAGES)("commit() refuses %s", async (_, message, why) => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1" });
    await add(bench.repository, { paths: ["a"] }, QUIET);
    await expect(run(bench, { message })).rejects.toMatchObject({
      code: "MESSAGE_INVALID",
      message: expect.stringMatching(why),
    });
    expect((await readHead(bench.repository)).digest).toBeUndefined();
  });
});

const BAD: readonly (readonly [string, Partial<CommitOptions>, string])[] = [
  ["an author with a line feed", { author: "A <a@b>\nparent deadbeef" }, "IDENTITY_INVALID"],
  ["an author with brackets", { author: "A <b> <a@b>" }, "IDENTITY_INVALID"],
  ["an author without an address", { author: "A <>" }, "IDENTITY_INVALID"],
  ["a date far away", { date: "99999999999999" }, "DATE_INVALID"],
  ["a metric that is NaN", { metrics: { acc: Number.NaN } }, "ARGUMENT_INVALID"],
  ["a metric that is infinite", { metrics: { acc: Number.POSITIVE_INFINITY } }, "ARGUMENT_INVALID"],
  ["meta that would hide the metrics", { meta: { metrics: 1 } }, "ARGUMENT_INVALID"],
];

test.each(BAD)("commit() refuses %s", async (_, options, code) => {
  await withWorktree(async (bench) => {
    await bench.write({ a: "1" });
    await add(bench.repository, { paths: ["a"] }, QUIET);
    await expect(run(bench, { message: "x", ...options })).rejects.toMatchObject({ code, exit: 2 });
  });
});

test("commit() moves a detached HEAD", async () => {
  await withWorktree(async (bench) => {
    const first = await bench.commit({ a: "1" });
    await writeHead(bench, { kind: "detached", digest: first.digest });
    const second = await bench.commit({ a: "2" });
    expect(second).toMatchObject({ ref: "HEAD", branch: null, parents: [first.digest] });
    expect(await readHead(bench.repository)).toMatchObject({ kind: "detached", digest: second.digest });
    const main = refName("refs/heads/", "main");
    expect(await bench.store.refs.read(bench.repository.name, main)).toBe(first.digest);
  });
});

test("commit() refuses to undo what another worktree committed to the branch", async () => {
  await withStore(async (store, folder) => {
    const one = await openBench(store, join(folder, "one"), { name: "shared" });
    await one.commit({ a: "1" });
    const two = await openBench(store, join(folder, "two"), { name: "shared" });
    await checkout(two.repository, { revision: "main", force: true }, QUIET).catch(() => undefined);
    await two.commit({ a: "1", b: "from two" });
    await writeFile(join(one.root, "c"), "from one");
    await add(one.repository, { paths: ["c"] }, QUIET);
    await expect(run(one, { message: "x" })).rejects.toMatchObject({ code: "REF_CHANGED", exit: 5 });
  });
});

test("commit() at a time: two at once make two commits, one on the other", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1" });
    const both = await Promise.all([
      run(bench, { message: "x", allowEmpty: true }),
      run(bench, { message: "y", allowEmpty: true }),
    ]);
    const [x, y] = both;
    expect(x && y && (x.parents[0] === y.digest || y.parents[0] === x.digest)).toBe(true);
  });
});

test("add() and commit() of 10,000 files take at most 12 fsyncs", async () => {
  await withWorktree(async (bench) => {
    const files: Record<string, Buffer> = {};
    for (let index = 0; index < 10_000; index += 1) {
      const bytes = Buffer.alloc(4096, index % 251);
      bytes.writeUInt32LE(index);
      files[`d${index % 100}/f${index}`] = bytes;
    }
    await bench.write(files);
    let syncCount = 0;
    interceptCalls((what) => {
      if (what === "sync") syncCount += 1;
    });
    try {
      await add(bench.repository, { paths: ["."] }, QUIET);
      await run(bench, { message: "all" });
    } finally {
      interceptCalls(undefined);
    }
    expect(syncCount).toBeLessThanOrEqual(12);
  });
}, 240_000);

test("commit() records metrics and params of files; what is given by itself wins", async () => {
  await withWorktree(async (bench) => {
    const file = join(bench.root, "metrics.json");
    await writeFile(file, '{"train": {"loss": 0.5}, "acc": 0.1, "device": "cpu"}');
    const options = { message: "x", allowEmpty: true, metricsFiles: [file], paramsFiles: [file] };
    const made = await run(bench, { ...options, metrics: { acc: 0.9 }, params: { acc: 1 } });
    expect(made.leftOut).toEqual([`${file}: device`]);
    expect((await readCommit(bench.repository.store, made.digest)).meta).toEqual({
      metrics: { "train.loss": 0.5, acc: 0.9 },
      params: { "train.loss": 0.5, acc: 1, device: "cpu" },
    });
    await expect(run(bench, { ...options, paramsFiles: ["x.json"] })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
  });
});
