import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/folder.ts";
import { assertNoLinkAbove, PathFilter, resolvePath } from "./paths.ts";

const AT = { root: "/w/tree", prefix: "a/b" };

test.each([
  ["x", "a/b/x"],
  ["./x/", "a/b/x"],
  ["..", "a"],
  ["../../y//z", "y/z"],
  [".", "a/b"],
  ["../..", ""],
  ["/w/tree", ""],
  ["/w/tree/c/../d", "d"],
  ["e\u0301", "a/b/\u00e9"],
  ["-f", "a/b/-f"],
  ["..x", "a/b/..x"],
])("resolvePath(%j) is %j", async (text, path) => {
  expect(await resolvePath(AT, text)).toBe(path);
});

test.each([
  ["", "ARGUMENT_INVALID"],
  ["../../..", "UNSAFE_PATH"],
  ["../../../tree", "UNSAFE_PATH"],
  ["/w/trees/x", "UNSAFE_PATH"],
  ["/", "UNSAFE_PATH"],
  ["a\0b", "PATH_INVALID"],
  ["\ud800", "PATH_INVALID"],
  [".smc", "PATH_INVALID"],
  ["x/.git/config", "PATH_INVALID"],
  ["x".repeat(5000), "PATH_INVALID"],
])("resolvePath(%j) throws %s", async (text, code) => {
  await expect(resolvePath(AT, text)).rejects.toMatchObject({ code });
});

test("resolvePath() knows the root by other names, and does not follow the last part", async () => {
  await withFolder(async (folder) => {
    const root = join(folder, "real");
    await mkdir(root);
    await symlink("real", join(folder, "alias"));
    await symlink("/etc", join(root, "link"));
    expect(await resolvePath({ root, prefix: "" }, join(folder, "alias", "x"))).toBe("x");
    expect(await resolvePath({ root, prefix: "" }, join(folder, "alias", "link"))).toBe("link");
  });
});

test("assertNoLinkAbove() names the link", async () => {
  await withFolder(async (folder) => {
    await mkdir(join(folder, "a"));
    await symlink("a", join(folder, "out"));
    await assertNoLinkAbove(folder, ["a/x/y", "out", "new/x"]);
    await expect(assertNoLinkAbove(folder, ["a/x", "out/x/y"])).rejects.toMatchObject({
      code: "UNSAFE_PATH",
      details: { path: "out" },
    });
  });
});

test("PathFilter matches files, what is below folders, and patterns", () => {
  const filter = new PathFilter(["a", "b/c", "*.bin", "q?"]);
  for (const path of ["a", "a/x/y", "b/c", "b/c/d", "m.bin", "x/m.bin", "q1"])
    expect(filter.matches(path)).toBe(true);
  for (const path of ["ab", "b", "b/cd", "m.bin/x/y", "q", "q12"]) expect(filter.matches(path)).toBe(false);
  filter.assertAllMet();
  expect(new PathFilter([""]).matches("anything/at/all")).toBe(true);
});

test("PathFilter names what matched nothing", () => {
  const filter = new PathFilter(["a", "b"]);
  filter.matches("a/x");
  expect(() => filter.assertAllMet()).toThrow(/'b' matches no file/);
});
