import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox({ init: false });
afterAll(() => box[Symbol.asyncDispose]());

import { existsSync } from "node:fs";

test("smc version prints the version and starts no daemon", async () => {
  expect(await box.ok("version")).toMatch(/^smc \d+\.\d+\.\d+\n$/);
  expect(await box.ok("--version")).toBe(await box.ok("version"));
  expect(await box.json("version")).toMatchObject({ node: process.versions.node });
  expect(await box.ok("version", "-q")).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(existsSync(box.home)).toBe(false);
});

test("smc version takes no words", async () => {
  expect(await box.refused("version", "x")).toMatchObject({ exit: 2, code: "USAGE" });
});
