import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { QUIET } from "../testing/testing.ts";
import { withFolder } from "../testing/folder.ts";
import { exclusively, findWorktree } from "./worktree.ts";

const STORE = { id: "5".repeat(32) };
const FILE = { version: 1, id: "a".repeat(32), storeId: STORE.id, repository: "model" };

async function makeWorktree(root: string, file: object | string = FILE): Promise<void> {
  await mkdir(join(root, ".smc"), { recursive: true, mode: 0o700 });
  await writeFile(
    join(root, ".smc", "worktree.json"),
    typeof file === "string" ? file : JSON.stringify(file),
  );
}

test("findWorktree() walks up to the folder that has .smc, and tells where the user stands", async () => {
  await withFolder(async (folder) => {
    const root = join(folder, "w");
    await makeWorktree(root);
    await mkdir(join(root, "a", "b"), { recursive: true });
    expect(await findWorktree(join(root, "a", "b"), STORE)).toEqual({
      root,
      prefix: "a/b",
      id: FILE.id,
      storeId: STORE.id,
      repository: "model",
    });
    expect(await findWorktree(folder, STORE)).toBeUndefined();
  });
});

test("findWorktree() goes by the real folder behind a link", async () => {
  await withFolder(async (folder) => {
    await makeWorktree(join(folder, "w"));
    await mkdir(join(folder, "w", "sub"));
    await symlink("w/sub", join(folder, "link"));
    expect(await findWorktree(join(folder, "link"), STORE)).toMatchObject({
      root: join(folder, "w"),
      prefix: "sub",
    });
  });
});

test("findWorktree() passes a .smc that is a store", async () => {
  await withFolder(async (folder) => {
    await makeWorktree(folder);
    await mkdir(join(folder, "home", ".smc"), { recursive: true });
    expect(await findWorktree(join(folder, "home"), STORE)).toMatchObject({ root: folder });
  });
});

test("findWorktree() says that the folder is gone", async () => {
  await withFolder(async (folder) => {
    await expect(findWorktree(join(folder, "gone"), STORE)).rejects.toMatchObject({
      code: "PATH_NOT_FOUND",
      exit: 3,
      message: expect.stringContaining("is gone"),
    });
  });
});

test("findWorktree() names both stores when the worktree is another's", async () => {
  await withFolder(async (folder) => {
    const storeId = "6".repeat(32);
    await makeWorktree(folder, { ...FILE, storeId });
    const found = findWorktree(folder, STORE);
    await expect(found).rejects.toMatchObject({
      code: "STORE_NOT_FOUND",
      details: { storeId, thisStoreId: STORE.id },
    });
    await expect(found).rejects.toThrow(STORE.id);
  });
});

test("findWorktree() refuses a .smc that others can write, or that another user owns", async () => {
  await withFolder(async (folder) => {
    await makeWorktree(folder);
    const own = join(folder, ".smc");
    for (const mode of [0o777, 0o770, 0o702]) {
      await chmod(own, mode);
      await expect(findWorktree(folder, STORE)).rejects.toMatchObject({ code: "UNSAFE_OWNER", exit: 5 });
    }
    await chmod(own, 0o755);
    if (process.geteuid?.() !== 0) return;
    await chown(own, 1001, 1001);
    await mkdir(join(folder, "x"));
    await expect(findWorktree(join(folder, "x"), STORE)).rejects.toMatchObject({
      code: "UNSAFE_OWNER",
      message: expect.stringContaining("owned by uid 1001"),
    });
  });
});

test("findWorktree() refuses a .smc that is a link to another worktree's", async () => {
  await withFolder(async (folder) => {
    await makeWorktree(join(folder, "real"));
    await mkdir(join(folder, "fake"));
    await symlink("../real/.smc", join(folder, "fake", ".smc"));
    await expect(findWorktree(join(folder, "fake"), STORE)).rejects.toMatchObject({ code: "UNSAFE_PATH" });
  });
});

test.each([
  ["", "STORE_CORRUPT"],
  ["{", "STORE_CORRUPT"],
  ["null", "STORE_CORRUPT"],
  [{ ...FILE, version: 2 }, "FORMAT_UNSUPPORTED"],
  [{ ...FILE, version: undefined }, "STORE_CORRUPT"],
  [{ ...FILE, id: "../x" }, "STORE_CORRUPT"],
  [{ ...FILE, storeId: 5 }, "STORE_CORRUPT"],
  [{ ...FILE, repository: "../x" }, "STORE_CORRUPT"],
  ["x".repeat(100_000), "LIMIT_EXCEEDED"],
])("findWorktree() refuses a worktree.json with %j", async (file, code) => {
  await withFolder(async (folder) => {
    await makeWorktree(folder, file);
    await expect(findWorktree(folder, STORE)).rejects.toMatchObject({ code });
  });
});

test("findWorktree() stops where the file system ends", async ({ skip }) => {
  await withFolder(async (folder) => {
    await makeWorktree(folder);
    const inner = join(folder, "mounted");
    await mkdir(inner);
    try {
      execFileSync("mount", ["-t", "tmpfs", "tmpfs", inner], { stdio: "ignore" });
    } catch {
      skip("mounting needs root");
    }
    try {
      await mkdir(join(inner, "x"));
      expect(await findWorktree(join(inner, "x"), STORE)).toBeUndefined();
    } finally {
      execFileSync("umount", [inner]);
    }
  });
});

test("exclusively() runs one action at a time, in the order of arrival", async () => {
  const seen: string[] = [];
  const action = (name: string) => async () => {
    seen.push(`${name} starts`);
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(`${name} ends`);
  };
  await Promise.all(["a", "b", "c"].map((name) => exclusively({ root: "/one" }, QUIET, action(name))));
  expect(seen).toEqual(["a starts", "a ends", "b starts", "b ends", "c starts", "c ends"]);
});

test("exclusively() goes on after an action that failed, and lets a waiting one be canceled", async () => {
  const stop = new AbortController();
  let finish: () => void = () => undefined;
  const first = exclusively({ root: "/two" }, QUIET, async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    throw new Error("first failed");
  });
  const second = exclusively({ root: "/two" }, { ...QUIET, signal: stop.signal }, async () => "never");
  const third = exclusively({ root: "/two" }, QUIET, async () => "third");
  stop.abort();
  await expect(second).rejects.toMatchObject({ code: "CANCELED" });
  finish();
  await expect(first).rejects.toThrow("first failed");
  expect(await third).toBe("third");
});
