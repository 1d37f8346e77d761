import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc env tells versions, store, variables and settings; secrets are masked", async () => {
  const ran = await box.smc(["env"], { env: { SMC_TOKEN: "hunter2" } });
  expect(ran.code).toBe(0);
  expect(ran.stdout).toMatch(/^smc +0\.\d+\.\d+\nnode +\d+\./);
  expect(ran.stdout).toContain(`${box.home} (`);
  expect(ran.stdout).toMatch(/^SMC_TOKEN +\*+$/m);
  expect(ran.stdout).not.toContain("hunter2");
  expect(ran.stdout).toContain("init.defaultBranch");
});

test("smc env --json and -q", async () => {
  expect(await box.json("env")).toMatchObject({
    node: process.versions.node,
    store: { path: box.home, readOnlyReason: null },
  });
  expect(await box.ok("env", "-q")).toMatch(/^0\.\d+\.\d+\n$/);
});

test("smc env takes no words", async () => {
  expect(await box.refused("env", "x")).toMatchObject({ exit: 2, code: "USAGE" });
});
