import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc rm removes a file from folder and stage", async () => {
  await box.commit("one", { "a.txt": "a", "b.txt": "b", "dir/c.txt": "c", "dir/d.txt": "d" });
  expect(await box.ok("rm", "a.txt")).toBe("remove a.txt\n");
  expect(await box.ok("status", "--porcelain")).toBe("D  a.txt\n");
  expect(() => box.read("a.txt")).toThrow();
});

test("smc rm --cached keeps the file", async () => {
  expect(await box.ok("rm", "-q", "--cached", "b.txt")).toBe("b.txt\n");
  expect(box.read("b.txt")).toBe("b");
  expect(await box.ok("ls-files", "-q")).toBe("dir/c.txt\ndir/d.txt\n");
});

test("smc rm takes folders with -r only, and tells what it would do with -n", async () => {
  expect((await box.refused("rm", "dir")).exit).toBeGreaterThan(1);
  expect(await box.json("rm", "-r", "-n", "dir")).toMatchObject({ removed: ["dir/c.txt", "dir/d.txt"] });
  expect(box.read("dir/c.txt")).toBe("c");
});

test("smc rm refuses a file with changes, and takes it with -f", async () => {
  box.write("dir/c.txt", "changed");
  expect((await box.refused("rm", "dir/c.txt")).exit).toBe(5);
  expect(box.read("dir/c.txt")).toBe("changed");
  await box.ok("rm", "-f", "dir/c.txt");
  expect(() => box.read("dir/c.txt")).toThrow();
});

test("smc rm needs a path that is tracked", async () => {
  expect(await box.refused("rm")).toMatchObject({ exit: 2, code: "USAGE" });
  expect(await box.refused("rm", "absent")).toMatchObject({ exit: 3, code: "PATH_NOT_FOUND" });
});
