import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc reflog tells where HEAD and branches have been", async () => {
  const one = await box.commit("one", { "a.txt": "1" });
  const two = await box.commit("two", { "a.txt": "2" });
  const text = await box.ok("reflog", "main");
  expect(text).toMatch(
    new RegExp(`^${two.slice(0, 9)} {2}main@\\{0\\} .*two\\n${one.slice(0, 9)} {2}main@\\{1\\} .*one\\n$`),
  );
  expect(await box.ok("reflog", "-q", "main", "-1")).toBe(`${two}\n`);
  expect(await box.ok("reflog", "-q")).toContain(`${two}\n${one}\n`);
});

test("smc reflog --json keeps a deleted branch", async () => {
  await box.ok("branch", "gone");
  await box.ok("branch", "-D", "gone");
  const answer = await box.json<{ entries: { to: string | null; actor: string; op: string }[] }>(
    "reflog",
    "gone",
  );
  expect(answer.entries).toHaveLength(2);
  expect(answer.entries[0]).toMatchObject({ to: null, op: "branch" });
  expect(answer.entries[1]?.actor).toBe("Ada <ada@example.org>");
});

test("smc reflog --at tells what was in force then", async () => {
  const at = new Date().toISOString();
  const before = (await box.ok("rev-parse", "main")).trim();
  await box.commit("three", { "a.txt": "3" });
  expect(await box.ok("reflog", "-q", "main", "--at", at)).toBe(`${before}\n`);
});

test.each([
  [["reflog", "absent"], 3, "REVISION_NOT_FOUND"],
  [["reflog", "main", "--at", "soon"], 2, "DATE_INVALID"],
  [["reflog", "main", "-n", "x"], 2, "ARGUMENT_INVALID"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
