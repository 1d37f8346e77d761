import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("S3.14 smc champion tells what is live, since when, by whom and why", async () => {
  const none = await box.smc(["champion"]);
  expect([none.code, none.stdout, none.stderr]).toEqual([1, "", expect.stringContaining("smc promote")]);
  const commit = await box.commit("one", { "a.bin": "1" }, "--metric", "azi=50.66", "--tag", "v1.0.0");
  await box.ok("promote", "HEAD", "--reason", "the first", "--yes");
  expect(await box.json("champion")).toMatchObject({
    role: "champion",
    version: "v1.0.0",
    commit,
    metrics: { azi: 50.66 },
    sizeBytes: 1,
    by: "Ada <ada@example.org>",
    reason: "promote: the first",
  });
  expect(await box.ok("champion", "-q")).toBe(`${commit}\n`);
  const text = await box.ok("champion");
  expect(text).toContain(`v1.0.0  ${commit.slice(0, 9)}  one\n`);
  for (const part of ["since", "promote: the first", "1 B", "azi    50.66"]) expect(text).toContain(part);
});
