import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flip } from "@smc/store/testing";
import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

const bucket = join(box.root, "bucket");

function largestPack(folder: string): string {
  const [largest = ""] = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".pack"))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(b).size - statSync(a).size);
  return largest;
}

test("smc verify proves a version, file by file", async () => {
  const weights = box.write("weights.bin", randomBytes(300_000));
  const config = box.write("config.json", "{}");
  const commit = await box.commit("one");
  expect(await box.ok("verify", "HEAD")).toMatch(/^verified 2 files, .*\nok\n$/);
  const told = await box.ok("verify", "-v", "main");
  expect(told).toContain(`${config}  config.json\n${weights}  weights.bin\nverified 2 files`);
  expect(await box.json("verify", "main")).toMatchObject({
    ok: true,
    digest: commit,
    bytes: 300_002,
    files: [
      { path: "config.json", digest: config, sizeBytes: 2, problem: null },
      { path: "weights.bin", digest: weights, sizeBytes: 300_000, problem: null },
    ],
  });
  expect(await box.ok("verify", "-q", "main")).toBe("");
});

test("smc verify --remote asks the remote, and with --full reads every byte of it", async () => {
  mkdirSync(bucket);
  await box.ok("remote", "add", "origin", `file://${bucket}`);
  await box.ok("push", "origin", "main");
  expect(await box.ok("verify", "main", "--remote", "origin")).toMatch(/^found 2 files, .* at origin\nok\n$/);
  expect(await box.ok("verify", "main", "--remote", "origin", "--full")).toMatch(/^verified 2 files/);
  const pack = largestPack(bucket);
  const whole = readFileSync(pack);
  flip(pack, Math.floor(whole.length / 2));
  const ran = await box.smc(["verify", "main", "--remote", "origin", "--full"]);
  expect(ran.code).toBe(4);
  expect(ran.stdout).toMatch(/^damaged [0-9a-f]{9} {2}weights\.bin: /);
  rmSync(pack);
  expect((await box.smc(["verify", "main", "--remote", "origin"])).code).toBe(4);
  writeFileSync(pack, whole);
  expect(await box.ok("verify", "main", "--remote", "origin", "--full")).toMatch(/ok\n$/);
});

test("smc verify of a damaged version names the file and ends with 4", async () => {
  await box.ok("daemon", "stop");
  const pack = largestPack(join(box.home, "packs"));
  flip(pack, Math.floor(statSync(pack).size / 2));
  const ran = await box.smc(["verify", "HEAD"]);
  expect(ran.code).toBe(4);
  expect(ran.stdout).toMatch(
    /^damaged [0-9a-f]{9} {2}weights\.bin: [\s\S]*verified 1 file, [\s\S]*1 problem found\n$/,
  );
});

test.each([
  [["verify"], 2],
  [["verify", "HEAD", "--full"], 2],
  [["verify", "nothing"], 3],
  [["verify", "HEAD", "--remote", "nowhere"], 3],
] as const)("smc %j is refused", async (words, exit) => {
  expect((await box.refused(...words)).exit).toBe(exit);
});
