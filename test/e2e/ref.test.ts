import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("ask 21 smc ref protects branches and tags, tells what is protected, and takes it back", async () => {
  await box.commit("one", { "a.bin": "1" }, "--tag", "v1.0.0");
  expect(await box.ok("ref", "protect", "main")).toBe("Protected  main  1 ref\n");
  await box.ok("ref", "protect", "refs/tags/*");
  expect(await box.ok("ref", "list", "-q")).toBe("refs/registry/*\nrefs/archive/*\nmain\nrefs/tags/*\n");
  await box.commit("two", { "a.bin": "2" });
  for (const words of [
    ["reset", "--hard", "HEAD~1"],
    ["commit", "--amend", "-m", "other"],
    ["branch", "-m", "main", "other"],
    ["tag", "-f", "v1.0.0"],
    ["tag", "-d", "v1.0.0"],
  ])
    expect(await box.refused(...words)).toMatchObject({ exit: 5, code: "REF_PROTECTED" });
  await box.ok("ref", "unprotect", "main");
  await box.ok("branch", "-m", "main", "other");
  expect(await box.ok("audit", "--op", "ref", "-n", "1")).toContain("ref: unprotected main");
});

test.each([
  [["ref", "protect"], 2, "ARGUMENT_INVALID"],
  [["ref", "protect", "a..b"], 2, "REF_NAME_INVALID"],
  [["ref", "lock", "main"], 2, "USAGE"],
  [["ref", "unprotect", "nope"], 3, "REVISION_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
