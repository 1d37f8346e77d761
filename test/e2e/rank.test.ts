import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("S3.21 smc rank --weights puts the better trade-off first", async () => {
  await box.commit("one", { m: "1" }, "--metric", "mag=98.36", "--metric", "azi=50.66", "--tag", "v1.0.0");
  await box.commit("two", { m: "2" }, "--metric", "mag=97.63", "--metric", "azi=71.28", "--tag", "v1.0.1");
  expect(await box.ok("rank", "--weights", "mag=1,azi=1", "-q")).toBe("v1.0.1\nv1.0.0\n");
  expect(await box.ok("rank", "--metric", "mag", "-q")).toBe("v1.0.0\nv1.0.1\n");
  expect(await box.ok("rank", "--weights", "mag=1,azi=1")).toMatch(
    /^RANK +VERSION +SCORE +mag +azi +STATUS\n +1 +v1\.0\.1 +84\.455 +97\.63 +71\.28 +candidate\n/,
  );
});

test.each([
  [["rank"], 2, "USAGE"],
  [["rank", "--weights", "mag=x"], 2, "ARGUMENT_INVALID"],
  [["rank", "--metric", "nothing"], 2, "ARGUMENT_INVALID"],
  [["rank", "--metric", "mag", "v9"], 3, "REVISION_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});
