import { chmod, lstat, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { interceptCalls } from "../fs.ts";
import { QUIET } from "../testing/testing.ts";
import { type Bench, withWorktree } from "../testing/worktree.ts";
import { readHead } from "../worktree/head.ts";
import { add } from "./add.ts";
import { checkout, type CheckoutOptions } from "./checkout.ts";
import { commit } from "./commit.ts";

function go(bench: Bench, revision: string, options: Partial<CheckoutOptions> = {}) {
  return checkout(bench.repository, { revision, ...options }, QUIET);
}

test("checkout() of a branch attaches HEAD, of a tag or digest detaches it with a note", async () => {
  await withWorktree(async (bench) => {
    const first = await bench.commit({ a: "1", "x/y": "old" }, { tag: "v1" });
    const second = await bench.commit({ a: "2", "x/y": "new", b: "more" });
    const away = await go(bench, "v1");
    expect(away).toMatchObject({ digest: first.digest, branch: null, ref: "HEAD", written: 2, removed: 1 });
    expect(away.note).toContain("detached");
    expect(away.previous).toEqual({ branch: "main", digest: second.digest });
    expect(await bench.files()).toEqual({ a: "1", "x/y": "old" });
    expect(await bench.isClean()).toBe(true);
    expect(await go(bench, "main")).toMatchObject({
      digest: second.digest,
      branch: "main",
      ref: "refs/heads/main",
      note: null,
    });
    expect(await bench.files()).toEqual({ a: "2", "x/y": "new", b: "more" });
    expect(await go(bench, first.digest.slice(0, 10))).toMatchObject({ digest: first.digest, branch: null });
    expect(await go(bench, "main", { detach: true })).toMatchObject({ branch: null, digest: second.digest });
  });
});

test("checkout() touches only files that differ", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ same: "1", other: "old" }, { tag: "v1" });
    await bench.commit({ other: "new" });
    const before = await lstat(join(bench.root, "same"), { bigint: true });
    expect(await go(bench, "v1")).toMatchObject({ written: 1, removed: 0 });
    const after = await lstat(join(bench.root, "same"), { bigint: true });
    expect([after.ino, after.ctimeNs]).toEqual([before.ino, before.ctimeNs]);
    await expect(go(bench, "v1")).resolves.toMatchObject({ written: 0, removed: 0 });
  });
});

test("checkout() keeps the executable bit, and writes it where only that differs", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ run: "#!" }, { tag: "plain" });
    await chmod(join(bench.root, "run"), 0o755);
    await bench.commit({}, { tag: "executable" });
    await go(bench, "plain");
    expect((await bench.mode("run")) & 0o111).toBe(0);
    await go(bench, "executable");
    expect((await bench.mode("run")) & 0o100).toBe(0o100);
    expect(await bench.isClean()).toBe(true);
  });
});

test("checkout() carries local changes to files that are equal in both commits", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ same: "1", other: "old", gone: "x" }, { tag: "v1" });
    await bench.commit({ other: "new" });
    await bench.write({ same: "changed", staged: "new file", untracked: "mine" });
    await rm(join(bench.root, "gone"));
    await add(bench.repository, { paths: ["staged"] }, QUIET);
    await go(bench, "v1");
    expect(await bench.status()).toMatchObject({
      staged: [{ path: "staged", change: "added" }],
      modified: ["same"],
      deleted: ["gone"],
      untracked: ["untracked"],
    });
    expect(await bench.files()).toEqual({
      same: "changed",
      other: "old",
      staged: "new file",
      untracked: "mine",
    });
  });
});

/** What must refuse, and change nothing. */
async function expectRefused(bench: Bench, revision: string, paths: readonly string[]): Promise<void> {
  const before = await bench.files();
  const head = await readFile(join(bench.root, ".smc", "HEAD"), "utf8");
  await expect(go(bench, revision)).rejects.toMatchObject({
    code: "WOULD_OVERWRITE",
    exit: 5,
    details: { paths, count: paths.length },
  });
  expect(await bench.files()).toEqual(before);
  expect(await readFile(join(bench.root, ".smc", "HEAD"), "utf8")).toBe(head);
}

test("checkout() never overwrites changed, staged, untracked or ignored files", async () => {
  await withWorktree(async (bench) => {
    await bench.commit(
      { "a.txt": "1", "b.txt": "1", "new.log": "tracked", "new.txt": "tracked" },
      { tag: "v1" },
    );
    await rm(join(bench.root, "new.log"));
    await rm(join(bench.root, "new.txt"));
    await bench.commit({ "a.txt": "2", "b.txt": "2", ".smcignore": "*.log\n" });
    await bench.write({
      "a.txt": "changed",
      "b.txt": "staged",
      "new.log": "ignored",
      "new.txt": "untracked",
    });
    await add(bench.repository, { paths: ["b.txt"] }, QUIET);
    await expectRefused(bench, "v1", ["a.txt", "b.txt", "new.log", "new.txt"]);
  });
});

test("checkout() lists ten files and says how many there are", async () => {
  await withWorktree(async (bench) => {
    const files = (content: string) =>
      Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`f${index}`, content]));
    await bench.commit(files("1"), { tag: "v1" });
    await bench.commit(files("2"));
    await bench.write(files("changed"));
    const error: unknown = await go(bench, "v1").catch((reason: unknown) => reason);
    expect(isSmcError(error, "WOULD_OVERWRITE") && error.details).toMatchObject({ count: 25 });
    expect(isSmcError(error) && (error.details.paths as string[]).length).toBe(10);
    expect(isSmcError(error) && error.message).toContain("25 files would be overwritten");
  });
});

test("checkout() takes an untracked file that is already what it would write", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", b: "1" }, { tag: "v1" });
    await rm(join(bench.root, "b"));
    await bench.commit({});
    await bench.write({ b: "1" });
    expect(await go(bench, "v1")).toMatchObject({ written: 0 });
    expect(await bench.isClean()).toBe(true);
  });
});

test("checkout() leaves user files that are in the way of files and folders", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ file: "1", "dir/x": "1" }, { tag: "v1" });
    await rm(join(bench.root, "file"));
    await rm(join(bench.root, "dir"), { recursive: true });
    await bench.commit({ keep: "1" });
    await bench.write({ "file/mine": "user", dir: "user" });
    await expectRefused(bench, "v1", ["dir", "file"]);
    await rm(join(bench.root, "dir"));
    await rm(join(bench.root, "file"), { recursive: true });
    await mkdir(join(bench.root, "file", "empty"), { recursive: true });
    await go(bench, "v1");
    expect(await bench.files()).toEqual({ file: "1", "dir/x": "1" });
  });
});

test("checkout() exchanges tracked files and folders of one name", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "file", "b/x": "1", "b/y/z": "2" }, { tag: "v1" });
    await rm(join(bench.root, "a"));
    await rm(join(bench.root, "b"), { recursive: true });
    await bench.commit({ "a/in": "folder", b: "file" }, { tag: "v2" });
    for (const tag of ["v1", "v2", "v1"]) {
      await go(bench, tag);
      expect(await bench.isClean()).toBe(true);
    }
    expect(await bench.files()).toEqual({ a: "file", "b/x": "1", "b/y/z": "2" });
  });
});

test("checkout() removes folders that held only tracked files, and leaves the others", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1" }, { tag: "v1" });
    await bench.commit({ "gone/deep/x": "1", "stays/x": "1" });
    await bench.write({ "stays/mine": "user" });
    await go(bench, "v1");
    expect(await readdir(bench.root)).toEqual([".smc", "a", "stays"]);
    expect(await bench.files()).toEqual({ a: "1", "stays/mine": "user" });
  });
});

test("checkout() with force gives up local changes and overwrites untracked files, but no folder of the user", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", b: "1", c: "1" }, { tag: "v1" });
    await rm(join(bench.root, "b"));
    await rm(join(bench.root, "c"));
    await bench.commit({ a: "2" });
    await bench.write({ a: "changed", b: "untracked", "c/mine": "user" });
    await expect(go(bench, "v1", { force: true })).rejects.toMatchObject({
      code: "WOULD_OVERWRITE",
      details: { paths: ["c"] },
    });
    expect(await bench.read("a")).toBe("changed");
    await rm(join(bench.root, "c"), { recursive: true });
    await go(bench, "v1", { force: true });
    expect(await bench.files()).toEqual({ a: "1", b: "1", c: "1" });
    expect(await bench.isClean()).toBe(true);
  });
});

test("checkout() with force brings back what is gone or changed at the same commit", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", b: "1" });
    await bench.write({ a: "changed" });
    await rm(join(bench.root, "b"));
    await go(bench, "main");
    expect(await bench.files()).toEqual({ a: "changed" });
    await go(bench, "main", { force: true });
    expect(await bench.files()).toEqual({ a: "1", b: "1" });
  });
});

test("checkout() is whole after it failed at any call, and the same call again", async () => {
  await withWorktree(async (bench) => {
    const one = { a: "1", "b/c": "1", "d/e/f": "1", "g/h": "1", x: "file" };
    const two = { a: "2", "b/c": "1", "d/e": "2", "i/j": "2", "x/y": "2" };
    await bench.commit(one, { tag: "v1" });
    for (const path of ["d", "g", "x"]) await rm(join(bench.root, path), { recursive: true });
    await bench.commit(two, { tag: "v2" });
    let target = "v1";
    let failed = 0;
    for (let nth = 1; ; nth += 1) {
      let calls = 0;
      interceptCalls((what, path) => {
        // The journal must go on: only the worktree's own calls fail.
        if (!path.startsWith(bench.root) && !path.startsWith("/proc/self/fd/")) return;
        calls += 1;
        if (calls === nth) throw Object.assign(new Error("injected"), { code: "EIO", syscall: what });
      });
      const error: unknown = await go(bench, target).catch((reason: unknown) => reason);
      interceptCalls(undefined);
      if (calls < nth) break;
      expect(error === undefined || isSmcError(error) || typeof error === "object").toBe(true);
      failed += 1;
      for (const [path, content] of Object.entries(await bench.files())) {
        expect([one, two].some((files) => (files as Record<string, string>)[path] === content)).toBe(true);
      }
      await go(bench, target);
      expect(await bench.files()).toEqual(target === "v1" ? one : two);
      expect(await bench.isClean()).toBe(true);
      target = target === "v1" ? "v2" : "v1";
    }
    expect(failed).toBeGreaterThan(10);
    expect(await readdir(join(bench.root, ".smc"))).not.toContain("tmp");
  });
}, 120_000);

test("checkout() with -b makes the branch where it is told and carries changes", async () => {
  await withWorktree(async (bench) => {
    const first = await bench.commit({ a: "1" });
    await bench.commit({ a: "2" });
    expect(await checkout(bench.repository, { branch: "fix", revision: first.digest }, QUIET)).toMatchObject({
      branch: "fix",
      created: true,
      digest: first.digest,
    });
    expect(await bench.read("a")).toBe("1");
    await bench.write({ a: "changed" });
    await checkout(bench.repository, { branch: "other" }, QUIET);
    expect(await bench.status()).toMatchObject({ branch: "other", modified: ["a"] });
    await expect(checkout(bench.repository, { branch: "main" }, QUIET)).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await expect(checkout(bench.repository, { branch: "-f" }, QUIET)).rejects.toMatchObject({
      code: "REF_NAME_INVALID",
    });
    await expect(go(bench, "nothing")).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  });
});

test("checkout() with -b works before the first commit", async () => {
  await withWorktree(async (bench) => {
    expect(await checkout(bench.repository, { branch: "trunk" }, QUIET)).toMatchObject({
      branch: "trunk",
      digest: null,
    });
    expect((await bench.commit({ a: "1" })).ref).toBe("refs/heads/trunk");
  });
});

test("checkout() of paths takes them from the stage or a revision and leaves HEAD and other files", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", "d/x": "1", "d/y": "1" }, { tag: "v1" });
    const second = await bench.commit({ a: "2", "d/x": "2", "d/new": "2" });
    await bench.write({ a: "changed", "d/x": "changed" });
    expect(await checkout(bench.repository, { paths: ["a"] }, QUIET)).toMatchObject({
      restored: ["a"],
      digest: second.digest,
    });
    expect(await bench.files()).toEqual({ a: "2", "d/x": "changed", "d/y": "1", "d/new": "2" });
    await go(bench, "v1", { paths: ["d"] });
    expect(await bench.files()).toEqual({ a: "2", "d/x": "1", "d/y": "1", "d/new": "2" });
    expect((await bench.status()).staged).toEqual([{ path: "d/x", change: "modified" }]);
    expect(await readHead(bench.repository)).toMatchObject({ kind: "branch", digest: second.digest });
    await expect(go(bench, "v1", { paths: ["nothing"] })).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(go(bench, "v1", { paths: ["a"], branch: "x" })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
  });
});

test("checkout() of paths never overwrites an untracked file without force", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", b: "1" }, { tag: "v1" });
    await rm(join(bench.root, "b"));
    await bench.commit({});
    await bench.write({ b: "mine" });
    await expect(go(bench, "v1", { paths: ["b"] })).rejects.toMatchObject({ code: "WOULD_OVERWRITE" });
    expect(await bench.read("b")).toBe("mine");
    await go(bench, "v1", { paths: ["b"], force: true });
    expect(await bench.read("b")).toBe("1");
  });
});

test("checkout() works again after the stage was lost, or left behind HEAD", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", b: "1" }, { tag: "v1" });
    const old = await readFile(join(bench.root, ".smc", "stage"));
    await bench.commit({ a: "2" }, { tag: "v2" });
    await writeFile(join(bench.root, ".smc", "stage"), old);
    expect(await bench.isClean()).toBe(true);
    await rm(join(bench.root, ".smc", "stage"));
    expect(await bench.isClean()).toBe(true);
    await go(bench, "v1");
    expect(await bench.files()).toEqual({ a: "1", b: "1" });
    await bench.write({ a: "staged" });
    await add(bench.repository, { paths: ["a"] }, QUIET);
    const staged = await readFile(join(bench.root, ".smc", "stage"));
    await commit(bench.repository, { message: "detached" }, QUIET);
    await writeFile(join(bench.root, ".smc", "stage"), staged);
    expect(await bench.isClean()).toBe(true);
  });
});
