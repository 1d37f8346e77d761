import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc restore throws changes of the folder away", async () => {
  await box.commit("one", { "a.txt": "one", "dir/b.txt": "one" });
  await box.commit("two", { "a.txt": "two", "dir/b.txt": "two" });
  box.write("a.txt", "changed");
  expect(await box.ok("restore", "a.txt")).toBe("1 file restored\n");
  expect(box.read("a.txt")).toBe("two");
});

test("smc restore --staged changes the stage only", async () => {
  box.write("a.txt", "staged");
  await box.ok("add", "a.txt");
  expect(await box.ok("restore", "-q", "--staged", "a.txt")).toBe("a.txt\n");
  expect(await box.ok("status", "--porcelain")).toBe(" M a.txt\n");
  expect(box.read("a.txt")).toBe("staged");
  await box.ok("restore", "a.txt");
});

test("smc restore -s takes files of another revision, folders too", async () => {
  expect(await box.json("restore", "-s", "HEAD~1", "dir", "a.txt")).toMatchObject({
    restored: ["a.txt", "dir/b.txt"],
  });
  expect(box.read("a.txt") + box.read("dir/b.txt")).toBe("oneone");
  await box.ok("restore", "-S", "-W", "a.txt", "dir");
  expect(await box.ok("status", "--porcelain")).toBe("");
});

test.each([
  [["restore"], 2, "USAGE"],
  [["restore", "absent"], 3, "PATH_NOT_FOUND"],
  [["restore", "-s", "v9", "a.txt"], 3, "REVISION_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
