import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc mv renames a file and stages that", async () => {
  await box.commit("one", { "a.txt": "a", "b.txt": "b", "dir/c.txt": "c" });
  const digest = box.digest("a.txt");
  expect(await box.ok("mv", "a.txt", "renamed.txt")).toBe("move a.txt -> renamed.txt\n");
  expect(box.digest("renamed.txt")).toBe(digest);
  expect(await box.ok("ls-files", "-s", "renamed.txt")).toContain(digest);
  expect(() => box.read("a.txt")).toThrow();
});

test("smc mv moves into a folder", async () => {
  expect(await box.ok("mv", "-q", "b.txt", "renamed.txt", "dir")).toBe("dir/b.txt\ndir/renamed.txt\n");
  expect(await box.ok("ls-files", "-q")).toBe("dir/b.txt\ndir/c.txt\ndir/renamed.txt\n");
});

test("smc mv -n moves nothing", async () => {
  expect(await box.json("mv", "-n", "dir/b.txt", "x.txt")).toMatchObject({
    moved: [{ from: "dir/b.txt", to: "x.txt" }],
  });
  expect(box.read("dir/b.txt")).toBe("b");
});

test("smc mv never replaces a file unless forced", async () => {
  expect((await box.refused("mv", "dir/b.txt", "dir/c.txt")).exit).toBe(5);
  expect(box.read("dir/c.txt")).toBe("c");
  await box.ok("mv", "-f", "dir/b.txt", "dir/c.txt");
  expect(box.read("dir/c.txt")).toBe("b");
});

test("smc mv needs two names, the first tracked", async () => {
  expect(await box.refused("mv", "dir/c.txt")).toMatchObject({ exit: 2, code: "USAGE" });
  expect(await box.refused("mv", "absent", "x")).toMatchObject({ exit: 3, code: "PATH_NOT_FOUND" });
});
