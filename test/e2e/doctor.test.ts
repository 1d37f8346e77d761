import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

import { writeFileSync } from "node:fs";

test("smc doctor of a sound machine ends with 0", async () => {
  await box.commit("one", { "a.txt": "a" });
  const text = await box.ok("doctor");
  for (const check of ["node", "store", "refs"])
    expect(text).toMatch(new RegExp(`^(ok|warn) +${check} `, "m"));
  expect(await box.json("doctor")).toMatchObject({ ok: true });
  expect(await box.ok("doctor", "-q")).toBe("");
});

test("smc doctor ends with 1 when the worktree is broken", async () => {
  writeFileSync(box.path(".smc/HEAD"), "nonsense\n");
  const ran = await box.smc(["doctor"]);
  expect(ran.code).toBe(1);
  expect(ran.stdout).toMatch(/^fail +worktree/m);
  expect((await box.smc(["doctor", "-q"])).stdout).toContain("worktree");
});

test("smc doctor takes no words", async () => {
  expect(await box.refused("doctor", "x")).toMatchObject({ exit: 2, code: "USAGE" });
});
