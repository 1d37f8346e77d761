import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

beforeAll(async () => {
  await box.commit(
    "one",
    { "m.bin": "1" },
    "--metric",
    "mag=98.36",
    "--metric",
    "azi=50.66",
    "--tag",
    "v1.0.0",
  );
  await box.commit(
    "two",
    { "m.bin": "22" },
    "--metric",
    "mag=97.63",
    "--metric",
    "azi=71.28",
    "--tag",
    "v1.0.1",
  );
});

test("S3.10 smc versions --json lists every version with its metrics and status", async () => {
  expect(await box.json("versions", "--sort", "version")).toMatchObject({
    versions: [
      { version: "v1.0.0", status: "candidate", metrics: { azi: 50.66 }, sizeBytes: 1, archived: null },
      { version: "v1.0.1", status: "candidate", metrics: { azi: 71.28 }, sizeBytes: 2 },
    ],
  });
  const lines = (await box.ok("versions", "--sort", "azi")).split("\n");
  expect(lines[0]).toMatch(/^VERSION +STATUS +DATE +SIZE +azi +mag$/);
  expect(lines[1]).toMatch(/^v1\.0\.1 +candidate +\d{4}-\d\d-\d\d +2 B +71\.28 +97\.63$/);
});

test("S3.19 smc versions -q gives names for loops; --all gives commits without a name too", async () => {
  await box.commit("three", { "m.bin": "333" });
  expect((await box.ok("versions", "-q", "--sort", "version")).split("\n")).toEqual(["v1.0.0", "v1.0.1", ""]);
  const all = (await box.ok("versions", "-q", "--all")).trim().split("\n");
  expect(all).toHaveLength(3);
  for (const name of all) await box.ok("cat", `${name}:m.bin`);
});

test("smc versions --filter and --columns", async () => {
  expect(await box.ok("versions", "--filter", "azi > 60", "--columns", "version,azi,subject")).toMatch(
    /^VERSION +azi +SUBJECT\nv1\.0\.1 +71\.28 +two\n$/,
  );
  expect(await box.refused("versions", "--filter", "azi >")).toMatchObject({
    exit: 2,
    code: "EXPRESSION_INVALID",
  });
  expect(await box.refused("versions", "--sort", "nothing")).toMatchObject({
    exit: 2,
    code: "ARGUMENT_INVALID",
  });
  expect(await box.refused("versions", "v1")).toMatchObject({ exit: 2, code: "USAGE" });
});
