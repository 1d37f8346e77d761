import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc reset empties the stage", async () => {
  await box.commit("one", { "a.txt": "one" });
  await box.commit("two", { "a.txt": "two" });
  box.write("a.txt", "three");
  await box.ok("add", "a.txt");
  await box.ok("reset");
  expect(await box.ok("status", "--porcelain")).toBe(" M a.txt\n");
});

test("smc reset -- path resets one file's stage", async () => {
  box.write("b.txt", "b");
  await box.ok("add", "-A");
  await box.ok("reset", "--", "a.txt");
  expect(await box.ok("status", "--porcelain")).toBe(" M a.txt\nA  b.txt\n");
});

test("smc reset --soft, --mixed and --hard move the branch", async () => {
  const two = (await box.ok("rev-parse", "HEAD")).trim();
  const one = (await box.ok("rev-parse", "HEAD~1")).trim();
  expect(await box.ok("reset", "-q", "--soft", one)).toBe(`${one}\n`);
  expect(await box.ok("status", "--porcelain")).toContain("A  b.txt\n");
  await box.ok("reset", "--hard", two);
  expect(box.read("a.txt")).toBe("two");
  expect(await box.ok("status", "--porcelain", "a.txt")).toBe("");
  const answer = await box.json<{ head: string }>("reset", "--mixed", "HEAD~1");
  expect(answer.head).toBe(one);
  expect(box.read("a.txt")).toBe("two");
  expect(await box.ok("reflog", "-q", "main", "-1")).toBe(`${one}\n`);
});

test.each([
  [["reset", "--soft", "--hard"], 2, "USAGE"],
  [["reset", "--hard", "--", "a.txt"], 2, "USAGE"],
  [["reset", "v9"], 3, "REVISION_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
