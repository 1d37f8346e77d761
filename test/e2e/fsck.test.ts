import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

import { randomBytes } from "node:crypto";
import { damageRow, flip } from "@smc/store/testing";
import { closeSync, openSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

function packs(): string[] {
  return packsOf(box.home);
}

function packsOf(home: string): string[] {
  const root = join(home, "packs");
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

test("smc fsck --repair takes what is damaged from the worktree; without a copy it names the refs", async () => {
  await using own = await createSandbox();
  const bytes = randomBytes(300_000);
  own.write("weights.bin", bytes);
  await own.commit("one");
  const damage = async (offset: number): Promise<void> => {
    await own.ok("daemon", "stop");
    for (const pack of packsOf(own.home)) if (statSync(pack).size > 200_000) flip(pack, offset);
  };
  await damage(100_000);
  expect((await own.smc(["cat", "HEAD:weights.bin"])).code).toBe(4);
  const mended = await own.ok("fsck", "--repair");
  expect(mended).toMatch(/^repaired [0-9a-f]{9} {2}from the file '.*weights\.bin'\n[\s\S]*ok\n$/);
  await damage(150_000);
  rmSync(own.path("weights.bin"));
  const lost = await own.smc(["fsck", "--repair"]);
  expect(lost.code).toBe(4);
  expect(lost.stdout).toMatch(/needed by work refs\/heads\/main commit [0-9a-f]{12} \/weights\.bin/);
});

test("smc fsck says that it made a damaged index anew", async () => {
  await using own = await createSandbox();
  const commit = await own.commit("one", { "a.txt": "a" });
  await own.ok("daemon", "stop");
  await damageRow(own.home, Buffer.concat([Buffer.from("o"), Buffer.from(commit, "hex")]));
  const healed = await own.ok("fsck", "--full");
  expect(healed).toMatch(/^healed index: .*\n[\s\S]*ok\n$/);
});

test("smc fsck --full finds a flipped byte of the journal", async () => {
  await using own = await createSandbox();
  await own.commit("one", { "a.txt": "a" });
  flip(join(own.home, "journal", "000001.log"), 300);
  const ran = await own.smc(["fsck", "--full"]);
  expect({ code: ran.code, told: ran.stdout.includes("000001.log' is damaged at byte") }).toEqual({
    code: 4,
    told: true,
  });
});

test.each([
  [["fsck", "--quick", "--full"], 2],
  [["fsck", "x"], 2],
  [["fsck", "--no-full"], 2],
] as const)("smc %j is refused", async (words, exit) => {
  expect((await box.refused(...words)).exit).toBe(exit);
});
