import { execFileSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { interceptCalls } from "../fs.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { openBench } from "../testing/worktree.ts";
import { findWorktree } from "../worktree/worktree.ts";
import { init, nameOf } from "./init.ts";

test("init() makes a worktree of a new repository", async () => {
  await withStore(async (store, folder) => {
    const root = join(folder, "my model");
    const made = await init(store, { folder: root }, QUIET);
    expect(made).toMatchObject({
      root,
      repository: "my-model",
      branch: "main",
      isAttached: false,
      gitignore: null,
    });
    expect(await readdir(root)).toEqual([".smc"]);
    expect((await readdir(join(root, ".smc"))).sort()).toEqual(["HEAD", "worktree.json"]);
    expect(await readFile(join(root, ".smc", "HEAD"), "utf8")).toBe("ref: refs/heads/main\n");
    expect(await findWorktree(root, store)).toMatchObject({
      id: made.worktreeId,
      repository: "my-model",
      prefix: "",
    });
    expect(await store.refs.listWorktrees()).toMatchObject([{ id: made.worktreeId, path: root }]);
  });
});

test("init() takes a name and a branch, and refuses bad ones before it makes anything", async () => {
  await withStore(async (store, folder) => {
    const root = join(folder, "w");
    const attempt = (options: { name?: string; branch?: string }) =>
      init(store, { folder: root, ...options }, QUIET);
    await expect(attempt({ name: "../x" })).rejects.toMatchObject({ code: "REPOSITORY_NAME_INVALID" });
    await expect(attempt({ branch: "-f" })).rejects.toMatchObject({ code: "REF_NAME_INVALID" });
    expect(await readdir(folder)).toEqual(["store"]);
    expect(await attempt({ name: "me/model", branch: "trunk" })).toMatchObject({
      repository: "me/model",
      branch: "trunk",
    });
  });
});

test("init() refuses a folder that is a worktree, and a name that the folder suggests and another has", async () => {
  await withStore(async (store, folder) => {
    await init(store, { folder: join(folder, "a", "model") }, QUIET);
    await expect(init(store, { folder: join(folder, "a", "model") }, QUIET)).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      exit: 5,
    });
    const other = join(folder, "b", "model");
    await expect(init(store, { folder: other }, QUIET)).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      hint: expect.stringContaining("--name"),
    });
    expect(await readdir(other)).toEqual([]);
    expect(await init(store, { folder: other, name: "model" }, QUIET)).toMatchObject({ isAttached: true });
    expect(await init(store, { folder: join(folder, "c", "model"), name: "third" }, QUIET)).toMatchObject({
      isAttached: false,
    });
  });
});

test("init() twice at the same time makes one worktree", async () => {
  await withStore(async (store, folder) => {
    const root = join(folder, "model");
    const attempts = Array.from({ length: 8 }, () => init(store, { folder: root }, QUIET));
    const results = await Promise.allSettled(attempts);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await readdir(root)).toEqual([".smc"]);
    expect(await store.refs.listWorktrees()).toHaveLength(1);
  });
});

test("init() leaves nothing half made when a call fails, and works afterwards", async () => {
  await withStore(async (store, folder) => {
    const root = join(folder, "model");
    await mkdir(join(root, ".git"), { recursive: true });
    let failed = 0;
    for (let nth = 1; ; nth += 1) {
      let calls = 0;
      interceptCalls((what, path) => {
        if (!path.startsWith(root)) return;
        calls += 1;
        if (calls === nth && what !== "remove")
          throw Object.assign(new Error("no"), { code: "ENOSPC", syscall: what });
      });
      const error: unknown = await init(store, { folder: root }, QUIET).catch((reason: unknown) => reason);
      interceptCalls(undefined);
      if (!(error instanceof Error)) break;
      failed += 1;
      expect(error).toMatchObject({ code: "DISK_FULL" });
      const left = await readdir(root);
      // Behind the rename the worktree is there, whole.
      if (left.includes(".smc")) break;
      expect(left.filter((name) => name !== ".git" && name !== ".gitignore")).toEqual([]);
    }
    expect(failed).toBeGreaterThan(4);
    expect(await findWorktree(root, store)).toMatchObject({ repository: "model" });
  });
});

test("init() clears away what a killed one left", async () => {
  await withStore(async (store, folder) => {
    const root = join(folder, "model");
    await mkdir(join(root, ".smc.tmp-0123456789ab"), { recursive: true });
    await writeFile(join(root, ".smc.tmp-0123456789ab", "HEAD"), "");
    const bench = await openBench(store, root);
    expect(await readdir(root)).toEqual([".smc"]);
    await bench.write({ "d/.smc-tmp-0123456789ab": "half a file" });
    expect((await bench.status()).untracked).toEqual([]);
  });
});

test("init() refuses the root, the store, a file, and paths that can be none", async () => {
  await withStore(async (store, folder) => {
    await writeFile(join(folder, "file"), "");
    const attempt = (path: string) => init(store, { folder: path }, QUIET);
    await expect(attempt("/")).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(attempt("relative")).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(attempt(join(folder, "file"))).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(attempt(store.path)).rejects.toMatchObject({ code: "UNSAFE_PATH" });
    await expect(attempt(join(store.path, "packs"))).rejects.toMatchObject({ code: "UNSAFE_PATH" });
    await expect(attempt(`/${"long/".repeat(1000)}`)).rejects.toMatchObject({ code: "PATH_INVALID" });
    await expect(attempt(`${folder}/${"n".repeat(300)}`)).rejects.toMatchObject({ code: "PATH_INVALID" });
    await expect(attempt(`${folder}/a\0b`)).rejects.toMatchObject({ code: "PATH_INVALID" });
    await expect(attempt("/proc/nothing")).rejects.toMatchObject({
      code: expect.stringMatching(/PATH_NOT_FOUND|IO_FAILED/),
    });
  });
});

test("init() says that a folder is read-only", async () => {
  await withStore(async (store, folder) => {
    const root = join(folder, "model");
    await mkdir(root);
    await chmod(root, 0o555);
    await chmod(folder, 0o755);
    if (process.geteuid?.() === 0) {
      execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", root]);
      try {
        await expect(init(store, { folder: root }, QUIET)).rejects.toMatchObject({
          code: "READ_ONLY",
          exit: 11,
        });
      } finally {
        execFileSync("umount", [root]);
      }
    } else
      await expect(init(store, { folder: root }, QUIET)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect(await readdir(root)).toEqual([]);
  });
});

test("init() in the folder that holds the store says so", async () => {
  await withStore(async (store, folder) => {
    const home = join(folder, "home");
    await mkdir(join(home, ".smc"), { recursive: true });
    await writeFile(join(home, ".smc", "format.json"), "{}");
    await expect(init(store, { folder: home }, QUIET)).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      message: expect.stringContaining("is a store"),
    });
  });
});

const BLOCK = "# >>> smc >>>\n.smc/\n# <<< smc <<<\n";

test.each([
  [undefined, BLOCK],
  ["", BLOCK],
  ["*.log\n", `*.log\n${BLOCK}`],
  ["*.log", `*.log\n${BLOCK}`],
  ["*.log\r\n", `*.log\r\n${BLOCK.replaceAll("\n", "\r\n")}`],
  [`a\n${BLOCK}b\n`, `a\n${BLOCK}b\n`],
  ["\xff\xfe\n", `\xff\xfe\n${BLOCK}`],
])("init() in a git work tree turns the .gitignore %j into %j", async (before, after) => {
  await withStore(async (store, folder) => {
    const root = join(folder, "git", "sub");
    await mkdir(join(folder, "git", ".git"), { recursive: true });
    await mkdir(root);
    const path = join(root, ".gitignore");
    if (before !== undefined) await writeFile(path, before, "latin1");
    expect(await init(store, { folder: root }, QUIET)).toMatchObject({ gitignore: path });
    expect(await readFile(path, "latin1")).toBe(after);
  });
});

test("init() keeps git away from .smc", async () => {
  await withStore(async (store, folder) => {
    const root = join(folder, "git");
    await mkdir(root);
    execFileSync("git", ["init", "-q", root]);
    await init(store, { folder: root }, QUIET);
    const seen = execFileSync("git", ["-C", root, "status", "--porcelain", "--untracked-files=all"], {
      encoding: "utf8",
    });
    expect(seen).toBe("?? .gitignore\n");
  });
});

test("init() does not write through a .gitignore that is a link", async () => {
  await withStore(async (store, folder) => {
    const root = join(folder, "model");
    await mkdir(join(root, ".git"), { recursive: true });
    await writeFile(join(folder, "shared"), "mine\n");
    await symlink("../shared", join(root, ".gitignore"));
    expect(await init(store, { folder: root }, QUIET)).toMatchObject({ gitignore: null });
    expect(await readFile(join(folder, "shared"), "utf8")).toBe("mine\n");
  });
});

test.each([
  ["/a/My Model!", "My-Model"],
  ["/a/.hidden", "hidden"],
  ["/a/...", "repository"],
  ["/a/x.git", "x"],
  ["/a/x..y.lock", "x.y"],
  ["/a/모델", "repository"],
  ["/a/é", "e"],
  [`/a/${"x".repeat(300)}`, "x".repeat(100)],
])("nameOf(%j) is %j", (root, name) => {
  expect(nameOf(root)).toBe(name);
});

test("a folder can be attached anew after its .smc went away", async () => {
  await withStore(async (store, folder) => {
    const bench = await openBench(store, join(folder, "model"));
    await bench.commit({ a: "1" });
    await rm(join(bench.root, ".smc"), { recursive: true });
    const again = await openBench(store, bench.root, { name: "model" });
    expect(await again.isClean()).toBe(true);
  });
});
