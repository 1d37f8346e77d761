import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("S3.14 smc champion tells what is live, since when, by whom and why", async () => {
  const none = await box.smc(["champion"]);
  expect([none.code, none.stdout, none.stderr]).toEqual([1, "", expect.stringContaining("smc promote")]);
  const unknown = await box.smc(["compare", "champion", "champion"]);
  expect(unknown.code).toBe(3);
  expect(unknown.stderr).toMatch(
    /^error: there is no champion yet\nhint: make one with "smc promote VERSION/,
  );
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

test("ask 1: what was champion on a day, by champion --at and by any verb that takes a revision", async () => {
  const moment = new Date().toISOString();
  await box.commit("two", { "a.bin": "2" }, "--tag", "v1.1.0");
  await box.ok("promote", "v1.1.0", "--reason", "better", "--yes");
  expect(await box.ok("show", `champion@{${moment}}`)).toMatch(/\(tag: v1\.0\.0/);
  expect(await box.ok("cat", `champion@{${moment}}:a.bin`)).toBe("1");
  expect(await box.json("champion", "--at", moment)).toMatchObject({ version: "v1.0.0" });
  expect(await box.json("champion")).toMatchObject({ version: "v1.1.0" });
  const before = await box.smc(["show", "champion@{2020-01-15}"]);
  expect(before.code).toBe(3);
  expect(before.stderr).toContain("'champion' was not there at 2020-01-15");
  expect(before.stderr).toContain('hint: see "smc reflog champion"\n');
  const none = await box.smc(["champion", "--at", "2020-01-15"]);
  expect([none.code, none.stderr]).toEqual([
    1,
    expect.stringContaining("nothing was champion at 2020-01-15"),
  ]);
});
