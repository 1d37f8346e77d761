import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

function packs(): string[] {
  const root = join(box.home, "packs");
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".pack"))
    .map((name) => join(root, name));
}

test("smc fsck of a sound store ends with 0", async () => {
  await box.commit("one", { "a.txt": "a".repeat(1000) });
  expect(await box.ok("fsck")).toMatch(/^checked 1 commit, 1 tree, 1 blob, .*\nok\n$/);
  expect(await box.json("fsck", "--full")).toMatchObject({ ok: true, full: true, problems: [] });
  expect(await box.ok("fsck", "-q")).toBe("");
});

test("smc fsck --rebuild brings index and refs back from packs and journal", async () => {
  const head = await box.ok("rev-parse", "HEAD");
  await box.ok("daemon", "stop");
  rmSync(join(box.home, "db"), { recursive: true });
  expect(await box.json("fsck", "--rebuild", "--full")).toMatchObject({ ok: true, rebuilt: true });
  expect(await box.ok("rev-parse", "HEAD")).toBe(head);
  expect(await box.ok("cat", "HEAD:a.txt")).toBe("a".repeat(1000));
});

test("smc fsck --full finds a flipped byte and ends with 4", async () => {
  await box.ok("daemon", "stop");
  const [largest = ""] = packs().sort((a, b) => statSync(b).size - statSync(a).size);
  const file = openSync(largest, "r+");
  writeSync(file, Buffer.from([0xff, 0x00, 0xff, 0x00]), 0, 4, Math.floor(statSync(largest).size / 2));
  closeSync(file);
  const ran = await box.smc(["fsck", "--full", "--json"]);
  expect(ran.code).toBe(4);
  const answer: { ok: boolean; problems: unknown[] } = JSON.parse(ran.stdout);
  expect(answer.ok).toBe(false);
  expect(answer.problems.length).toBeGreaterThan(0);
});

test.each([
  [["fsck", "x"], 2],
  [["fsck", "--no-full"], 2],
] as const)("smc %j is refused", async (words, exit) => {
  expect((await box.refused(...words)).exit).toBe(exit);
});
