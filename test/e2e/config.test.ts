import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test("smc config set, get, unset and list", async () => {
  expect(await box.ok("config", "set", "user.name", "Grace Hopper")).toContain("written to ");
  await box.ok("config", "set", "user.email", "grace@example.org");
  const own = await box.smc(["config", "get", "user.name"], { env: { SMC_AUTHOR: undefined } });
  expect(own.stdout).toBe("Grace Hopper\n");
  expect(await box.ok("config", "get", "user.name")).toBe("Ada\n");
  expect(await box.ok("config", "get", "-q", "init.defaultBranch")).toBe("main\n");
  expect(await box.ok("config", "list", "--show-origin")).toMatch(/^environment +user\.name = Ada$/m);
  await box.ok("config", "unset", "user.email");
  expect(await box.refused("config", "unset", "user.email")).toMatchObject({
    exit: 3,
    code: "CONFIG_NOT_FOUND",
  });
});

test("smc config --worktree wins over the store, below the environment", async () => {
  await box.ok("config", "set", "checkout.symlinks", "never");
  await box.ok("config", "set", "--worktree", "checkout.symlinks", "safe");
  expect(await box.json("config", "get", "checkout.symlinks")).toMatchObject({
    entries: [{ value: "safe", origin: "worktree" }],
  });
  const ran = await box.smc(["config", "get", "log.level", "--json"], { env: { SMC_LOG: "debug" } });
  expect(JSON.parse(ran.stdout)).toMatchObject({ entries: [{ value: "debug", origin: "environment" }] });
});

test("the author comes from the settings when the environment names none", async () => {
  await box.ok("config", "set", "user.email", "grace@example.org");
  await box.smc(["commit", "--allow-empty", "-m", "x"], { env: { SMC_AUTHOR: undefined } });
  expect(await box.json("log", "-1")).toMatchObject([{ author: "Grace Hopper <grace@example.org>" }]);
});

test.each([
  [["config"], 2, "USAGE"],
  [["config", "show"], 2, "USAGE"],
  [["config", "get"], 2, "USAGE"],
  [["config", "set", "user.name"], 2, "USAGE"],
  [["config", "list", "x"], 2, "USAGE"],
  [["config", "get", "user.nme"], undefined, undefined],
  [["config", "set", "daemon.idleMinutes", "-1"], 2, undefined],
  [["config", "set", "daemon.idleMinutes", "0x10"], 2, "CONFIG_INVALID"],
  [["config", "set", "core.editor", "/bin/sh"], undefined, undefined],
  [["config", "set", "--worktree", "user.name", "Mallory"], 2, "CONFIG_INVALID"],
] as const)("smc %j is refused", async (words, exit, code) => {
  const found = await box.refused(...words);
  expect([2, 3]).toContain(found.exit);
  if (exit !== undefined) expect(found.exit).toBe(exit);
  if (code !== undefined) expect(found.code).toBe(code);
});
