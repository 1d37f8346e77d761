import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc unarchive makes a version a candidate again", async () => {
  await box.commit("one", { "a.bin": "1" }, "--tag", "v1.0.0");
  await box.ok("archive", "v1.0.0", "--reason", "old");
  expect(await box.ok("unarchive", "v1.0.0", "--reason", "wanted")).toBe("Unarchived v1.0.0\n");
  expect(await box.refused("unarchive", "v1.0.0")).toMatchObject({ exit: 3, code: "REVISION_NOT_FOUND" });
  await box.ok("tag", "-d", "v1.0.0");
});
