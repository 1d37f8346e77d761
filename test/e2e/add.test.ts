import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc add stages files by their digest", async () => {
  const digest = box.write("weights/best.pt", "weights");
  expect(await box.ok("add", "weights")).toBe("1 file staged\n");
  expect(await box.ok("ls-files", "-s")).toBe(`100644  ${digest}  weights/best.pt\n`);
});

test("smc add --json and -q name what was staged", async () => {
  box.write("a.txt", "a");
  box.write("weights/best.pt", "new weights");
  expect(await box.json("add", "-A")).toMatchObject({
    added: ["a.txt"],
    modified: ["weights/best.pt"],
    deleted: [],
  });
  box.write("b.txt", "b");
  expect(await box.ok("add", "-q", "b.txt")).toBe("b.txt\n");
});

test("smc add --dry-run stages nothing", async () => {
  box.write("dry.txt", "dry");
  expect(await box.ok("add", "-n", "dry.txt")).toBe("add dry.txt\n1 file would be staged\n");
  expect(await box.ok("ls-files", "dry.txt", "-o")).toContain("dry.txt");
});

test("smc add -u stages only what is tracked", async () => {
  box.write("a.txt", "changed");
  expect(await box.json("add", "-u")).toMatchObject({ added: [], modified: ["a.txt"], deleted: [] });
});

test("smc add honours .smcignore unless forced", async () => {
  box.write(".smcignore", "*.log\n");
  box.write("run.log", "log");
  await box.ok("add", "-A");
  expect(await box.ok("ls-files")).not.toContain("run.log");
  await box.ok("add", "-f", "run.log");
  expect(await box.ok("ls-files")).toContain("run.log");
});

test.each(["\0", "\n"])("smc add --pathspec-from-file=- reads paths separated by %j", async (separator) => {
  const names = ["x", "y", "z z"].map((name) => `list${separator.charCodeAt(0)}/${name}`);
  for (const name of names) box.write(name, name);
  const ran = await box.smc(["add", "-q", "--pathspec-from-file=-"], { stdin: names.join(separator) });
  expect(ran).toEqual({ code: 0, stdout: `${names.join("\n")}\n`, stderr: "" });
});

test.each([
  [["add"], 2, "USAGE"],
  [["add", "--"], 2, "USAGE"],
  [["add", ""], 2, "ARGUMENT_INVALID"],
  [["add", "absent.txt"], 3, "PATH_NOT_FOUND"],
  [["add", "/dev/zero"], undefined, undefined],
  [["add", "../outside"], undefined, undefined],
] as const)("smc %j is refused", async (words, exit, code) => {
  const found = await box.refused(...words);
  expect(found.exit).toBeGreaterThan(1);
  if (exit !== undefined) expect(found).toMatchObject({ exit, code });
});
