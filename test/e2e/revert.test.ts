import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc revert undoes a commit with a new one", async () => {
  await box.commit("one", { "a.txt": "one" });
  const two = await box.commit("two", { "a.txt": "two", "b.txt": "b" });
  const reverted = await box.json<{ digest: string; parents: string[] }>("revert", "HEAD");
  expect(reverted.parents).toEqual([two]);
  expect(box.read("a.txt")).toBe("one");
  expect(() => box.read("b.txt")).toThrow();
  const [row] = await box.json<{ message: string }[]>("log", "-1");
  expect(row?.message).toContain("two");
  expect(row?.message).toContain(two);
});

test("smc revert -m and -q", async () => {
  const digest = (await box.ok("revert", "-q", "-m", "again", "HEAD")).trim();
  expect(await box.json("log", "-1")).toMatchObject([{ digest, message: "again" }]);
  expect(box.read("a.txt")).toBe("two");
});

test("smc revert refuses what would conflict or overwrite", async () => {
  await box.commit("three", { "a.txt": "three" });
  expect((await box.refused("revert", "HEAD~1")).exit).toBe(5);
  box.write("a.txt", "local");
  expect((await box.refused("revert", "HEAD")).exit).toBe(5);
  expect(box.read("a.txt")).toBe("local");
});

test("ask 22 smc revert that cannot do what was meant points to checkout and rollback", async () => {
  const points = /as they were in HEAD~1: smc checkout HEAD~1; the champion before: smc rollback/;
  expect((await box.refused("revert", "HEAD~1")).stderr).toMatch(points);
  box.write("a.txt", "three");
  await box.ok("revert", "HEAD");
  expect(await box.refused("revert", "HEAD~1")).toMatchObject({
    code: "NOTHING_TO_COMMIT",
    stderr: expect.stringMatching(points),
  });
});

test.each([
  [["revert"], 2, "USAGE"],
  [["revert", "v9"], 3, "REVISION_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
