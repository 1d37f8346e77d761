/** Bad command lines and bad surroundings: rows A15 to A22. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSandbox, Sandbox } from "../e2e/sandbox.ts";
import { ROOT } from "../source.ts";
import { createTarget, expectNoStack, type Expected, type Target } from "./target.ts";

const SMC = join(ROOT, "bin", "smc");
let target: Target;
beforeAll(async () => {
  target = await createTarget();
});
afterAll(async () => {
  await target[Symbol.asyncDispose]();
});

/** Runs a line of shell in the worktree, with `smc` as a function. */
function shell(
  line: string,
  env: NodeJS.ProcessEnv = {},
): { code: number | null; stdout: string; stderr: string } {
  const { sandbox } = target;
  const ran = spawnSync("bash", ["-c", `smc() { "${SMC}" "$@"; }; ${line}`], {
    cwd: sandbox.work,
    env: { ...sandbox.env, ...env },
    encoding: "utf8",
    timeout: 180_000,
  });
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
}

test("A15: a store that is not there, a file, or no path at all", async () => {
  const { sandbox } = target;
  writeFileSync(join(sandbox.root, "file.txt"), "no store");
  await target.refused(["--store=/nonexistent/store", "log"], { code: "STORE_NOT_FOUND" });
  await target.refused(["--store=", "log"], { code: "ARGUMENT_INVALID" });
  await target.refused([`--store=${join(sandbox.root, "file.txt")}`, "log"], { code: "STORE_NOT_FOUND" });
});

test("A15: the folder the user stands in was deleted", () => {
  const gone = shell("mkdir gone && cd gone && rmdir ../gone && smc status");
  expect(gone.code).toBe(3);
  expectNoStack({ ...gone, code: 3 });
  expect(gone.stderr).toMatch(/^error: /);
});

test("A16: init in a half-made store makes it whole", async () => {
  await using sandbox = new Sandbox();
  mkdirSync(join(sandbox.home, "packs"), { recursive: true });
  mkdirSync(join(sandbox.home, "journal"));
  await sandbox.ok("init");
  await sandbox.commit("one", { a: "a" });
  expect(await sandbox.ok("fsck", "--full", "-q")).toBe("");
});

test("A16: init on a file system that takes no writes, and on a path that is too long", async () => {
  const before = await target.state();
  const readOnly = await target.sandbox.smc(["-C", "/sys", "init", "--json"]);
  expect(readOnly.code, readOnly.stdout).toBe(11);
  expectNoStack(readOnly);
  const long = await target.sandbox.smc(["init", `${"a/".repeat(3000)}b`]);
  expect(long.code, long.stderr).toBe(2);
  expectNoStack(long);
  expect(await target.state()).toBe(before);
});

test("A16: of eight inits at once in one folder all answer and one store is there", async () => {
  await using sandbox = new Sandbox();
  const ends = await Promise.all(Array.from({ length: 8 }, () => sandbox.smc(["init", "--json"])));
  for (const end of ends) expectNoStack(end);
  expect(ends.filter(({ code }) => code === 0).length).toBeGreaterThan(0);
  expect(ends.filter(({ code }) => code !== 0 && code !== 5).map(({ stdout }) => stdout)).toEqual([]);
  await sandbox.commit("one", { a: "a" });
  const stores = ends
    .filter(({ code }) => code === 0)
    .map(({ stdout }) => (JSON.parse(stdout) as { storeId?: string }).storeId);
  expect(new Set(stores).size).toBe(1);
});

test.for(["99999999999999999999d", "-1", "NaN", "1e9d"])("A17: the time %j is refused", async (text) => {
  await target.refused(["log", `--since=${text}`], { code: "DATE_INVALID" });
});

test.for(["-1", "1e99", "0x10", "１", "", "1.5", "99999999999999999999"])(
  "A18: the number %j is refused",
  async (text) => {
    await target.refused(["log", `--max-count=${text}`], { code: "ARGUMENT_INVALID" });
  },
);

test("A19: a reader that goes away ends the command quietly", async () => {
  for (let count = 0; count < 20; count++)
    await target.sandbox.ok("commit", "--allow-empty", "-q", "-m", `line ${count}`);
  const piped = shell("set -o pipefail; smc log | head -1");
  expect([0, 141]).toContain(piped.code);
  expect(piped.stderr).toBe("");
});

test("A19: a full standard output is an error, a closed standard error is none", () => {
  const full = shell("smc log > /dev/full");
  expect(full.code, full.stderr).toBe(11);
  expectNoStack({ ...full, code: 11 });
  expect(shell("smc log 2>&-").code).toBe(0);
  expect(shell("smc log nothing 2>&-").code).toBe(3);
});

const SURROUNDINGS: readonly [what: string, env: NodeJS.ProcessEnv][] = [
  ["HOME is not set", { HOME: undefined }],
  ["HOME is a device", { HOME: "/dev/null" }],
  ["TMPDIR is missing", { TMPDIR: "/nonexistent/tmp" }],
  ["LANG is C", { LANG: "C", LC_ALL: "C" }],
  ["TERM is dumb", { TERM: "dumb" }],
  ["the terminal has one column", { COLUMNS: "1" }],
  ["NO_COLOR is set", { NO_COLOR: "1" }],
];

test.for(SURROUNDINGS)("A20: smc works when %s", async ([, env]) => {
  const ran = await target.sandbox.smc(["log", "-n", "1"], { env });
  expect(ran.code, ran.stderr).toBe(0);
  expectNoStack(ran);
});

test("A20: control characters in the path of the store are shown, not obeyed", async () => {
  const { sandbox } = target;
  const env = { SMC_HOME: join(sandbox.root, "\u001b[2J") };
  const shown = await sandbox.smc(["env"], { env });
  expect(shown.stdout).toContain("\\x1b[2J");
  const refused = await sandbox.smc(["log"], { env });
  expect(refused.code, "the worktree is of another store").not.toBe(0);
  expect(shown.stdout + shown.stderr + refused.stderr).not.toContain("\u001b[2J");
  await sandbox.smc(["daemon", "stop"], { env });
});

test("A20: without HOME and SMC_HOME the version is told all the same", async () => {
  const ran = await target.sandbox.smc(["version"], { env: { HOME: undefined, SMC_HOME: undefined } });
  expect(ran.code, ran.stderr).toBe(0);
});

test("A21: 100,000 paths go through standard input", { timeout: 120_000 }, async () => {
  const { sandbox } = target;
  mkdirSync(sandbox.path("many"));
  for (let file = 0; file < 2000; file++) writeFileSync(sandbox.path(`many/${file}`), String(file));
  const paths = Array.from({ length: 100_000 }, (_, index) => `many/${index % 2000}`).join("\0");
  const ran = await sandbox.smc(["add", "-q", "--pathspec-from-file=-"], { stdin: `${paths}\0` });
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stdout.trim().split("\n")).toHaveLength(2000);
  await sandbox.ok("reset", "-q");
  rmSync(sandbox.path("many"), { recursive: true });
});

test("A21: an argument of 120 KiB is handled, and -- with nothing behind it is nothing", async () => {
  const ran = await target.sandbox.smc(["add", "a".repeat(120_000)]);
  expect([2, 3]).toContain(ran.code);
  expectNoStack(ran);
  await target.refused(["add", "--"], { code: "USAGE" });
});

const BAD_WORDS: readonly [words: readonly string[], code: Expected["code"], hint: RegExp][] = [
  [["comit", "-m", "x"], "USAGE", /commit/],
  [["comit"], "USAGE", /commit/],
  [["log", "--onelin"], "USAGE", /--oneline/],
  [["commit", "--allow-empty", "-m", "x", "--nonsense"], "USAGE", /./],
  [["commit", "--allow-empty", "--allow-empty", "-m", "x"], "USAGE", /./],
  [["commit", "--allow-empty", "--no-message", "-m", "x"], "USAGE", /./],
  [["tag", "--bump"], "USAGE", /./],
  [["tag", "--bump", "huge"], "ARGUMENT_INVALID", /major/],
  [["__proto__"], "USAGE", /./],
  [["constructor"], "USAGE", /./],
  [["log", "--constructor"], "USAGE", /./],
];

test.for(BAD_WORDS)("A22: %j is refused with a hint, and nothing is run", async ([words, code, hint]) => {
  const ran = await target.refused(words, { code });
  expect(ran.stderr).toMatch(hint);
});

test("A16: the store and its folders belong to their user alone", async () => {
  await using sandbox = await createSandbox();
  for (const folder of ["", "packs", "journal", "run"]) {
    expect(statSync(join(sandbox.home, folder)).mode & 0o077).toBe(0);
  }
});
