import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc branch makes, lists, renames and deletes", async () => {
  const head = await box.commit("one", { "a.txt": "1" });
  expect(await box.ok("branch", "fix")).toBe(`Made branch 'fix' (${head.slice(0, 9)})\n`);
  expect(await box.ok("branch")).toBe("  fix\n* main\n");
  expect(await box.ok("branch", "-v")).toContain(`* main  ${head.slice(0, 9)}  one\n`);
  expect(await box.ok("branch", "-q")).toBe("fix\nmain\n");
  expect(await box.ok("branch", "-m", "fix", "better")).toContain("Renamed to branch 'better'");
  expect(await box.json("branch")).toMatchObject({
    current: "main",
    branches: [
      { name: "better", digest: head, current: false },
      { name: "main", current: true },
    ],
  });
  expect(await box.ok("branch", "-d", "better")).toContain("Deleted branch 'better'");
  expect(await box.ok("branch", "-q")).toBe("main\n");
});

test("smc branch -d refuses what is not merged, -D does not", async () => {
  await box.ok("switch", "-q", "-c", "side");
  await box.commit("side", { "b.txt": "b" });
  await box.ok("switch", "-q", "main");
  expect(await box.refused("branch", "-d", "side")).toMatchObject({ exit: 5, code: "NOT_MERGED" });
  await box.ok("branch", "-D", "side");
  expect(await box.ok("branch", "-q")).toBe("main\n");
});

test("smc branch -m renames the current branch", async () => {
  await box.ok("branch", "-m", "trunk");
  expect(await box.ok("rev-parse", "--abbrev-ref", "HEAD")).toBe("trunk\n");
  await box.ok("branch", "-m", "main");
});

test.each([
  [["branch", "main"], 5, "ALREADY_EXISTS"],
  [["branch", "Main"], 5, "REF_CONFLICT"],
  [["branch", "main/sub"], 5, "REF_CONFLICT"],
  [["branch", "-d", "main"], 5, "BRANCH_IN_USE"],
  [["branch", "-d", "absent"], 3, "REVISION_NOT_FOUND"],
  [["branch", "x", "v9"], 3, "REVISION_NOT_FOUND"],
  [["branch", "-d"], 2, "USAGE"],
  [["branch", "-d", "-m", "x"], 2, "USAGE"],
  [["branch", "a", "b", "c"], 2, "USAGE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

const BAD_NAMES =
  "../../x refs/heads/../HEAD a..b a//b /a a/ .a a.lock a. @ a@{1} a~1 a^ a:b a? a* a[ a\\b HEAD"
    .split(" ")
    .concat([
      "a b",
      "main\r",
      "ma\u001b]0;x\u0007in",
      "ma\u202ein",
      "main\u200b",
      "x".repeat(300),
      Array.from({ length: 64 }, () => "a").join("/"),
    ]);

test.each(BAD_NAMES)("smc branch refuses the name %j", async (name) => {
  const { code, exit, stderr } = await box.refused("branch", name);
  expect({ code, exit }).toEqual({ code: "REF_NAME_INVALID", exit: 2 });
  // oxlint-disable-next-line no-control-regex
  expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u200b\u202e]/);
});

test("smc branch -- -f is refused: a name never starts with a dash", async () => {
  const ran = await box.smc(["branch", "--json", "--", "-f"]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("starts with '-'");
});
