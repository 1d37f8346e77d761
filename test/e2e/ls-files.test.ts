import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc ls-files lists what is staged", async () => {
  const digest = box.write("a.txt", "a");
  box.write("dir/b.txt", "b");
  await box.ok("add", "-A");
  expect(await box.ok("ls-files")).toBe("a.txt\ndir/b.txt\n");
  expect(await box.ok("ls-files", "-s", "a.txt")).toBe(`100644  ${digest}  a.txt\n`);
  expect(await box.json("ls-files", "dir")).toMatchObject([
    { path: "dir/b.txt", mode: "100644", sizeBytes: 1 },
  ]);
});

test("smc ls-files -m, -d and -o look at the folder", async () => {
  box.write("a.txt", "changed");
  await box.ok("rm", "-q", "--cached", "dir/b.txt");
  expect(await box.ok("ls-files", "-q", "-m")).toBe("a.txt\n");
  expect(await box.ok("ls-files", "-q", "-o")).toContain("dir/b.txt\n");
  expect(await box.ok("ls-files", "-d")).toBe("");
});

test("smc ls-files outside of a worktree is refused", async () => {
  expect(await box.smc(["ls-files"], { in: "." })).toMatchObject({ code: 3, stdout: "" });
});
