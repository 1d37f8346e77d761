import { chmod, lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeCanonical } from "../cbor.ts";
import { type Digest, digestToBytes, hashBytes } from "../digest.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { interceptCalls } from "../fs.ts";
import { encodeCommit } from "../objects.ts";
import { QUIET, withStore } from "../testing.ts";
import { ACTOR, type Bench, openBench, withWorktree } from "../testing-worktree.ts";
import { readHead } from "../worktree/head.ts";
import { add } from "./add.ts";
import { checkout, type CheckoutOptions } from "./checkout.ts";
import { commit } from "./commit.ts";
import { switchBranch } from "./switch.ts";

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
    expect(await go(bench, "main")).toMatchObject({ digest: second.digest, branch: "main", ref: "refs/heads/main", note: null });
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
    expect(await bench.files()).toEqual({ same: "changed", other: "old", staged: "new file", untracked: "mine" });
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
    await bench.commit({ "a.txt": "1", "b.txt": "1", "new.log": "tracked", "new.txt": "tracked" }, { tag: "v1" });
    await rm(join(bench.root, "new.log"));
    await rm(join(bench.root, "new.txt"));
    await bench.commit({ "a.txt": "2", "b.txt": "2", ".smcignore": "*.log\n" });
    await bench.write({ "a.txt": "changed", "b.txt": "staged", "new.log": "ignored", "new.txt": "untracked" });
    await add(bench.repository, { paths: ["b.txt"] }, QUIET);
    await expectRefused(bench, "v1", ["a.txt", "b.txt", "new.log", "new.txt"]);
  });
});

test("checkout() lists ten files and says how many there are", async () => {
  await withWorktree(async (bench) => {
    const files = (content: string) => Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`f${index}`, content]));
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
    await expect(go(bench, "v1", { force: true })).rejects.toMatchObject({ code: "WOULD_OVERWRITE", details: { paths: ["c"] } });
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

test("checkout() follows no link in place of a folder", async () => {
  await withWorktree(async (bench, folder) => {
    const canary = join(folder, "canary");
    await mkdir(canary);
    await bench.commit({ "out/x": "1" }, { tag: "v1" });
    await rm(join(bench.root, "out"), { recursive: true });
    await bench.commit({ a: "2" });
    await symlink(canary, join(bench.root, "out"));
    for (const force of [false, true]) {
      await expect(go(bench, "v1", { force })).rejects.toMatchObject({
        code: "UNSAFE_PATH",
        exit: 5,
        message: "'out' is a symlink, not followed",
      });
    }
    expect(await readdir(canary)).toEqual([]);
    expect(await bench.read("a")).toBe("2");
  });
});

test("checkout() removes nothing through a link in place of a folder", async () => {
  await withWorktree(async (bench, folder) => {
    const canary = join(folder, "canary");
    await mkdir(canary);
    await bench.commit({ a: "1" }, { tag: "v1" });
    await bench.commit({ "out/x": "1" });
    await writeFile(join(canary, "x"), "1");
    await rm(join(bench.root, "out"), { recursive: true });
    await symlink(canary, join(bench.root, "out"));
    await go(bench, "v1");
    expect(await readFile(join(canary, "x"), "utf8")).toBe("1");
  });
});

test("checkout() writes nothing outside while a folder is swapped for a link all the time", async () => {
  await withWorktree(async (bench, folder) => {
    const canary = join(folder, "canary");
    await mkdir(canary);
    await writeFile(join(canary, "f0"), "canary");
    const files = (content: string) => Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`d/f${index}`, content]));
    await bench.commit(files("1"), { tag: "v1" });
    await bench.commit(files("22"), { tag: "v2" });
    const state = { isDone: false, swaps: 0 };
    const swapping = (async () => {
      while (!state.isDone) {
        await rename(join(bench.root, "d"), join(bench.root, "aside")).catch(() => undefined);
        await symlink(canary, join(bench.root, "d")).catch(() => undefined);
        await rm(join(bench.root, "d")).catch(() => undefined);
        await rename(join(bench.root, "aside"), join(bench.root, "d")).catch(() => undefined);
        state.swaps += 1;
      }
    })();
    for (let round = 0; round < 60; round += 1) {
      await go(bench, round % 2 === 0 ? "v1" : "v2", { force: true }).catch((error: unknown) => {
        expect(error).toBeInstanceOf(SmcError);
      });
    }
    state.isDone = true;
    await swapping;
    expect(state.swaps).toBeGreaterThan(60);
    expect(await readdir(canary)).toEqual(["f0"]);
    expect(await readFile(join(canary, "f0"), "utf8")).toBe("canary");
  });
}, 60_000);

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
    await expect(checkout(bench.repository, { branch: "main" }, QUIET)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(checkout(bench.repository, { branch: "-f" }, QUIET)).rejects.toMatchObject({ code: "REF_NAME_INVALID" });
    await expect(go(bench, "nothing")).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  });
});

test("checkout() with -b works before the first commit", async () => {
  await withWorktree(async (bench) => {
    expect(await checkout(bench.repository, { branch: "trunk" }, QUIET)).toMatchObject({ branch: "trunk", digest: null });
    expect((await bench.commit({ a: "1" })).ref).toBe("refs/heads/trunk");
  });
});

test("checkout() of paths takes them from the stage or a revision and leaves HEAD and other files", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1", "d/x": "1", "d/y": "1" }, { tag: "v1" });
    const second = await bench.commit({ a: "2", "d/x": "2", "d/new": "2" });
    await bench.write({ a: "changed", "d/x": "changed" });
    expect(await checkout(bench.repository, { paths: ["a"] }, QUIET)).toMatchObject({ restored: ["a"], digest: second.digest });
    expect(await bench.files()).toEqual({ a: "2", "d/x": "changed", "d/y": "1", "d/new": "2" });
    await go(bench, "v1", { paths: ["d"] });
    expect(await bench.files()).toEqual({ a: "2", "d/x": "1", "d/y": "1", "d/new": "2" });
    expect((await bench.status()).staged).toEqual([{ path: "d/x", change: "modified" }]);
    expect(await readHead(bench.repository)).toMatchObject({ kind: "branch", digest: second.digest });
    await expect(go(bench, "v1", { paths: ["nothing"] })).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
    await expect(go(bench, "v1", { paths: ["a"], branch: "x" })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
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

test("checkout() leaves links out, says so, and does not take that for a deletion", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ a: "1" }, { tag: "v0" });
    await symlink("a", join(bench.root, "link"));
    await bench.commit({ b: "1" }, { tag: "v1" });
    await go(bench, "v0");
    const result = await go(bench, "v1");
    expect(result.skippedLinks).toMatchObject([{ path: "link" }]);
    expect(await bench.files()).toEqual({ a: "1", b: "1" });
    expect(await bench.isClean()).toBe(true);
    const next = await bench.commit({ a: "2" });
    expect(next.files).toEqual({ added: 0, modified: 1, deleted: 0 });
  });
});

test("checkout() makes safe links when asked, and no others", async () => {
  await withWorktree(async (bench, folder) => {
    await bench.commit({ "d/file": "1" }, { tag: "v0" });
    const links: Record<string, string> = {
      good: "d/file",
      "d/up": "../d/file",
      dangling: "nowhere",
      out: "../canary",
      absolute: "/etc/passwd",
      own: ".smc/HEAD",
      a: "b",
      b: "c",
      c: "../..",
      "d/deep": "../d/../../x",
    };
    for (const [path, target] of Object.entries(links)) await symlink(target, join(bench.root, path));
    await bench.commit({}, { tag: "v1" });
    await go(bench, "v0");
    expect(await bench.files()).toEqual({ "d/file": "1" });
    const result = await go(bench, "v1", { symlinks: "safe" });
    expect(await bench.files()).toEqual({
      "d/file": "1",
      good: "-> d/file",
      "d/up": "-> ../d/file",
      dangling: "-> nowhere",
    });
    const skipped = Object.fromEntries(result.skippedLinks.map(({ path, reason }) => [path, reason]));
    expect(skipped).toMatchObject({
      a: "it leads through another link",
      absolute: "its target is absolute",
      b: "it leads through another link",
      c: "it leads out of the worktree",
      "d/deep": "it leads out of the worktree",
      out: "it leads out of the worktree",
      own: expect.stringContaining(".smc"),
    });
    expect(await bench.isClean()).toBe(true);
    expect(await readdir(folder)).not.toContain("canary");
  });
});

async function hostileCommit(bench: Bench, tree: Uint8Array): Promise<Digest> {
  await using session = bench.store.write("test");
  const digest = await session.putObject("tree", tree);
  const now = { ms: 1, offsetMinutes: 0 };
  const parents: Digest[] = [];
  const made = { tree: digest, parents, author: ACTOR, authored: now, committer: ACTOR, committed: now, message: "x", meta: {} };
  const hostile = await session.putObject("commit", encodeCommit(made));
  await session.finish();
  return hostile;
}

const BLOB = hashBytes(Buffer.from("blob"));

function rawTree(...rows: readonly (readonly [string, number, Digest])[]): Uint8Array {
  const entries = rows.map(([name, mode, digest]) => [name, mode, digestToBytes(digest), 4]);
  return encodeCanonical({ type: "tree", entries });
}

const HOSTILE: readonly (readonly [string, Uint8Array])[] = [
  ["..", rawTree(["..", 0o100644, BLOB])],
  ["a path", rawTree(["../x", 0o100644, BLOB])],
  ["an absolute path", rawTree(["/etc/passwd", 0o100644, BLOB])],
  [".smc", rawTree([".smc", 0o040000, BLOB])],
  [".SMC", rawTree([".SMC", 0o100644, BLOB])],
  ["a link and a folder of one name", rawTree(["a", 0o120000, BLOB], ["a", 0o040000, BLOB])],
  ["names that differ by case", rawTree(["Model", 0o100644, BLOB], ["model", 0o100644, BLOB])],
  ["setuid", rawTree(["a", 0o104755, BLOB])],
];

test.each(HOSTILE)("checkout() of a tree with %s is refused and changes nothing", async (_, tree) => {
  await withWorktree(async (bench) => {
    await bench.commit({ keep: "1" });
    const digest = await hostileCommit(bench, tree);
    await expect(go(bench, digest)).rejects.toMatchObject({ code: "OBJECT_INVALID" });
    expect(await bench.files()).toEqual({ keep: "1" });
    expect((await readHead(bench.repository)).kind).toBe("branch");
  });
});

test("checkout() refuses a bomb of shared subtrees before it writes", async () => {
  await withWorktree(async (bench) => {
    const { digest: keep } = await bench.commit({ keep: "1" });
    await using session = bench.store.write("test");
    let tree = await session.putObject("tree", rawTree(["f", 0o100644, BLOB]));
    for (let level = 0; level < 9; level += 1) {
      const below = tree;
      const rows = Array.from({ length: 10 }, (_, index) => [`d${index}`, 0o040000, below] as const);
      tree = await session.putObject("tree", rawTree(...rows));
    }
    await session.finish();
    const top = rawTree(...Array.from({ length: 10 }, (_, index) => [`e${index}`, 0o040000, tree] as const));
    const bomb = await hostileCommit(bench, top);
    await expect(go(bench, bomb)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(await readdir(bench.root)).toEqual([".smc", "keep"]);
    expect((await readHead(bench.repository)).digest).toBe(keep);
  });
});

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
    await expect(switchBranch(bench.repository, {}, QUIET)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
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
