import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { flip } from "@smc/store/testing";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const bucket = join(box.root, "bucket");

function packsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".pack"))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(b).size - statSync(a).size);
}

test("smc fsck --remote of a whole remote ends with 0", async () => {
  box.write("weights.bin", randomBytes(300_000));
  await box.commit("one");
  mkdirSync(bucket);
  await box.ok("remote", "add", "origin", `file://${bucket}`);
  await box.ok("push", "origin", "main");
  expect(await box.ok("fsck", "--remote")).toMatch(/^origin: checked 1 commit, 1 tree, 1 blob, .*\nok\n$/);
  expect(await box.ok("fsck", "--remote", "origin", "--full")).toMatch(/ read and hashed\nok\n$/);
  expect(await box.json("fsck", "--remote", "origin")).toMatchObject({
    ok: true,
    full: false,
    remote: { name: "origin", url: `file://${bucket}` },
  });
});

test("smc fsck --remote --full names a pack of the remote with a flipped byte and ends with 4", async () => {
  const [largest = ""] = packsIn(bucket);
  const whole = readFileSync(largest);
  flip(largest, Math.floor(whole.length / 2));
  expect(await box.ok("fsck", "--remote")).toMatch(/ok\n$/);
  const ran = await box.smc(["fsck", "--remote", "origin", "--full"]);
  expect(ran.code).toBe(4);
  expect(ran.stdout).toMatch(/needed by origin refs\/heads\/main commit [0-9a-f]{12} \/weights\.bin/);
  expect(ran.stderr).toContain("hint: a push does not mend it");
  const told = await box.smc(["fsck", "--remote", "origin", "--full", "--json"]);
  expect(told.stdout).toContain(basename(largest).slice(0, 64));
  writeFileSync(largest, whole);
});

test("smc fsck --remote finds a pack that is gone there and ends with 4", async () => {
  const [largest = ""] = packsIn(bucket);
  const whole = readFileSync(largest);
  rmSync(largest);
  const ran = await box.smc(["fsck", "--remote"]);
  expect({ code: ran.code, told: ran.stdout.includes("the pack is gone") }).toEqual({ code: 4, told: true });
  writeFileSync(largest, whole);
  expect(await box.ok("fsck", "--remote", "--full")).toMatch(/ok\n$/);
});

test("smc fsck --repair --remote heals a damaged store from the remote", async () => {
  rmSync(box.path("weights.bin"));
  await box.ok("daemon", "stop");
  const [largest = ""] = packsIn(join(box.home, "packs"));
  flip(largest, Math.floor(statSync(largest).size / 2));
  expect((await box.smc(["fsck", "--repair"])).code).toBe(4);
  const mended = await box.ok("fsck", "--repair", "--remote", "origin");
  expect(mended).toMatch(/^repaired [0-9a-f]{9} {2}from the remote file:\/\/.*\n[\s\S]*ok\n$/);
  expect(await box.json("fsck", "--full")).toMatchObject({ ok: true, problems: [] });
});

test.each([
  [["fsck", "--remote", "nowhere"], 3],
  [["fsck", "--remote", "origin", "--rebuild"], 2],
  [["fsck", "origin"], 2],
] as const)("smc %j is refused", async (words, exit) => {
  expect((await box.refused(...words)).exit).toBe(exit);
});
