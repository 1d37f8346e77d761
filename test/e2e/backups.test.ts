import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

box.write("best.pt", "weights");

test("smc backups lists, verifies and removes", async () => {
  expect(await box.ok("backups")).toBe("");
  await box.ok("backup", "best.pt", "one.pt");
  await box.ok("backup", "best.pt", "two.pt");
  expect(await box.ok("backups")).toMatch(/^7 B +\d{4}-\d\d-\d\d \d\d:\d\d +one\.pt +file +\S+best\.pt\n/);
  expect(await box.ok("backups", "verify")).toContain("2 backups verified\n");
  box.write("data/models/backups/two.pt", "WEIGHTS");
  const ran = await box.smc(["backups", "verify", "two.pt"]);
  expect(ran.code).toBe(4);
  expect(ran.stderr).toContain("SHA-256");
  expect(await box.ok("backups", "rm", "two.pt")).toMatch(/^Removed .*two\.pt\nfreed \d+ B \(1 backup\)\n$/);
  expect(await box.ok("backups", "list", "-q")).toBe("one.pt\n");
});

test.each([
  [["backups", "burn"], 2, "ARGUMENT_INVALID"],
  [["backups", "rm"], 2, "USAGE"],
  [["backups", "rm", "nope.pt"], 3, "PATH_NOT_FOUND"],
  [["backups", "list", "one.pt"], 2, "USAGE"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
