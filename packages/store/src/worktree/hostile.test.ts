import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeCanonical } from "../objects/cbor.ts";
import { type Digest, digestToBytes, hashBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { encodeCommit } from "../objects/objects.ts";
import { QUIET } from "../testing/testing.ts";
import { ACTOR, type Bench, withWorktree } from "../testing/worktree.ts";
import { checkout, type CheckoutOptions } from "../verbs/checkout.ts";
import { readHead } from "./head.ts";

function go(bench: Bench, revision: string, options: Partial<CheckoutOptions> = {}) {
  return checkout(bench.repository, { revision, ...options }, QUIET);
}

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
    const files = (content: string) =>
      Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`d/f${index}`, content]));
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
    try {
      for (let round = 0; round < 60; round += 1) {
        await go(bench, round % 2 === 0 ? "v1" : "v2", { force: true }).catch((error: unknown) => {
          expect(error).toBeInstanceOf(SmcError);
        });
      }
    } finally {
      state.isDone = true;
      await swapping;
    }
    expect(state.swaps).toBeGreaterThan(60);
    expect(await readdir(canary)).toEqual(["f0"]);
    expect(await readFile(join(canary, "f0"), "utf8")).toBe("canary");
  });
}, 60_000);

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
  const made = {
    tree: digest,
    parents,
    author: ACTOR,
    authored: now,
    committer: ACTOR,
    committed: now,
    message: "x",
    meta: {},
  };
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
