import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { type Digest, formatCid } from "../digest.ts";
import { encodeTree } from "../objects.ts";
import { diffTrees } from "../tree-diff.ts";
import { type History, withDesk, withHistory } from "../testing-history.ts";
import { QUIET } from "../testing.ts";
import { add } from "./add.ts";
import { catFile } from "./cat-file.ts";
import { cat } from "./cat.ts";
import { lsTree, type LsTreeOptions } from "./ls-tree.ts";
import { reflog } from "./reflog.ts";
import { refs } from "./refs.ts";
import { revParse, type RevParseOptions } from "./rev-parse.ts";
import { tag } from "./tag.ts";

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

async function withFiles(run: (history: History, commit: Digest) => Promise<void>): Promise<void> {
  await withHistory(async (history) => {
    const files = {
      "config.json": "{}",
      "weights/a.bin": "aaaa",
      "weights/deep/b.bin": "bb",
      "run.sh*": "x",
    };
    const commit = await history.commit({ files });
    await history.point("refs/heads/main", commit);
    await run(history, commit);
  });
}

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

test("lsTree() and diffTrees() refuse trees that stand for any number of paths, or are too deep", async () => {
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
});

test("cat() finds files, also in the stage", async () => {
  await withDesk(async (desk) => {
    await desk.commit({ "w/a": "one", empty: "" });
    await desk.write({ "w/a": "three" });
    await add(desk.repository, { paths: ["w/a"] }, QUIET);
    const run = (revision: string) => cat(desk.repository, { revision }, QUIET);
    expect(await run("HEAD:w/a")).toEqual({ digest: digestOf("one"), sizeBytes: 3 });
    expect(await run(":w/a")).toEqual({ digest: digestOf("three"), sizeBytes: 5 });
    expect(await run("HEAD:empty")).toEqual({ digest: digestOf(""), sizeBytes: 0 });
    expect(await run(digestOf("one"))).toEqual({ digest: digestOf("one"), sizeBytes: 3 });
    await expect(run("HEAD:w")).rejects.toMatchObject({
      code: "REVISION_INVALID",
      message: "'HEAD:w' is a folder, not a file",
    });
    await expect(run("HEAD")).rejects.toMatchObject({ code: "REVISION_INVALID" });
    await expect(run(":w/b")).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  });
});

test("catFile() tells kind, size, CID and content", async () => {
  await withFiles(async ({ repository }, commit) => {
    await tag(repository, { name: "v1", message: "one" }, QUIET);
    const run = (revision: string, exists = false) => catFile(repository, { revision, exists }, QUIET);
    const shown = await run("HEAD");
    expect(shown).toMatchObject({
      exists: true,
      digest: commit,
      kind: "commit",
      cid: formatCid(commit, "commit"),
    });
    expect(shown.content).toMatchObject({
      type: "commit",
      author: "Ada <ada@example.org>",
      authored: "2026-01-01T00:00:01+00:00",
      parents: [],
    });
    expect((await run("v1")).content).toMatchObject({
      type: "tag",
      target: commit,
      targetKind: "commit",
      message: "one",
    });
    expect((await run("HEAD:weights")).content).toMatchObject({
      type: "tree",
      entries: [{ name: "a.bin" }, { name: "deep" }],
    });
    expect(await run("HEAD:run.sh")).toMatchObject({
      kind: "blob",
      sizeBytes: 1,
      content: null,
      digest: digestOf("x"),
    });
    expect(await run("HEAD", true)).toMatchObject({ exists: true, content: null });
    expect(await run("nothing", true)).toMatchObject({ exists: false, digest: null });
    expect(await run("HEAD:nothing", true)).toMatchObject({ exists: false });
    await expect(run("nothing")).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    await expect(run("a b", true)).rejects.toMatchObject({ code: "REVISION_INVALID" });
  });
});

test("revParse() prints digests, short ones, CIDs and names", async () => {
  await withFiles(async (history, commit) => {
    const next = await history.commit({ parents: [commit] });
    await history.point("refs/heads/main", next);
    const run = async (revisions: string[], options: RevParseOptions = {}) =>
      (await revParse(history.repository, { revisions, ...options }, QUIET)).rows.map((row) => row.text);
    expect(await run(["HEAD", "HEAD~1"])).toEqual([next, commit]);
    expect(await run(["HEAD"], { short: 7 })).toEqual([next.slice(0, 7)]);
    expect(await run(["HEAD"], { short: 12 })).toEqual([next.slice(0, 12)]);
    expect(await run(["HEAD"], { cid: true })).toEqual([formatCid(next, "commit")]);
    expect(await run(["HEAD:run.sh".replace("HEAD", "HEAD~1")], { cid: true })).toEqual([
      formatCid(digestOf("x") as Digest, "blob"),
    ]);
    expect(await run(["HEAD", "@", "refs/heads/main", "HEAD~1"], { abbrevRef: true })).toEqual([
      "main",
      "main",
      "main",
      commit,
    ]);
    expect(await run(["HEAD~1..HEAD"])).toEqual([next, `^${commit}`]);
    expect(await run(["HEAD~1...HEAD"])).toEqual([commit, next, `^${commit}`]);
    expect(await run(["^HEAD"])).toEqual([`^${next}`]);
    for (const short of [3, 65, 7.5, Number.NaN])
      await expect(run(["HEAD"], { short })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(run([], { showToplevel: true })).rejects.toMatchObject({ code: "WORKTREE_NOT_FOUND" });
    // CIDs go in as they come out.
    const [cid = ""] = await run(["HEAD"], { cid: true });
    expect(await run([cid])).toEqual([next]);
  });
});

test("refs() lists refs but not those of worktrees", async () => {
  await withFiles(async (history, commit) => {
    const { repository } = history;
    await tag(repository, { name: "v1", message: "one" }, QUIET);
    await history.point("refs/registry/champion", commit);
    await history.point(`refs/worktrees/${"ab".repeat(16)}/HEAD`, commit);
    expect(await refs(repository, {}, QUIET)).toMatchObject([
      { name: "refs/heads/main", short: "main", kind: "commit", commit },
      { name: "refs/registry/champion", short: "champion" },
      { name: "refs/tags/v1", short: "v1", kind: "tag", commit },
    ]);
    expect(await refs(repository, { prefix: "tags/" }, QUIET)).toHaveLength(1);
    expect(await refs(repository, { prefix: "refs/heads/" }, QUIET)).toHaveLength(1);
    expect(await refs(repository, { prefix: "nothing" }, QUIET)).toEqual([]);
  });
});

test("reflog() tells what a ref was, also at a date and after it was deleted", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    const a = await history.commit();
    const b = await history.commit();
    await history.point("refs/heads/main", a, "first");
    await history.point("refs/heads/main", b, "second");
    await history.point("refs/heads/main", "absent", "gone");
    const { ref, entries } = await reflog(repository, { ref: "main" }, QUIET);
    expect(ref).toBe("refs/heads/main");
    expect(entries.map(({ selector, from, to, reason }) => [selector, from, to, reason])).toEqual([
      ["main@{0}", b, null, "gone"],
      ["main@{1}", a, b, "second"],
      ["main@{2}", null, a, "first"],
    ]);
    expect((await reflog(repository, { ref: "main", limit: 1 }, QUIET)).entries).toHaveLength(1);
    expect((await reflog(repository, { ref: "main", limit: 0 }, QUIET)).entries).toEqual([]);
    expect((await reflog(repository, { ref: "main", at: "now" }, QUIET)).entries).toMatchObject([
      { reason: "gone" },
    ]);
    await expect(reflog(repository, { ref: "main", at: "2020-01-01" }, QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    await expect(reflog(repository, { ref: "main", at: "x" }, QUIET)).rejects.toMatchObject({
      code: "DATE_INVALID",
    });
    await expect(reflog(repository, { ref: "nothing" }, QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    await expect(reflog(repository, { ref: "main", limit: -1 }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
  });
});

test("reflog() of HEAD is the worktree's own", async () => {
  await withDesk(async (desk) => {
    const first = await desk.commit({ a: "1" }, { message: "first" });
    const second = await desk.commit({ a: "2" }, { message: "second" });
    const { ref, entries } = await reflog(desk.repository, {}, QUIET);
    expect(ref).toMatch(/^refs\/worktrees\/[0-9a-f]{32}\/HEAD$/);
    expect(entries.map(({ selector, to }) => [selector, to])).toEqual([
      ["HEAD@{0}", second],
      ["HEAD@{1}", first],
    ]);
    expect((await revParse(desk.repository, { showToplevel: true }, QUIET)).toplevel).toBe(desk.root);
  });
});
