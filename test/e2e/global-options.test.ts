import { afterAll, expect, test } from "vitest";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

import { mkdirSync } from "node:fs";
import { join } from "node:path";

test.each([
  [["comit"], '"smc commit"'],
  [["stauts"], '"smc status"'],
  [["commit", "--mesage", "x"], "--message"],
  [["--jsn", "status"], "--json"],
])("smc %j is refused with what is near", async (words, near) => {
  const ran = await box.smc(words);
  expect(ran).toMatchObject({ code: 2, stdout: "" });
  expect(ran.stderr).toContain(near);
});

test("an option that is wrong names the page that tells the right ones", async () => {
  expect((await box.smc(["fsck", "--bogus"])).stderr).toContain('hint: see "smc help fsck"\n');
  expect((await box.smc(["log", "-n"])).stderr).toContain('hint: see "smc help log"\n');
  expect((await box.smc(["import", "models"])).stderr).toContain("hint: smc import folder models\n");
});

test.each([
  [["status", "--json", "--json"]],
  [["status", "-q", "-q"]],
  [["log", "-n", "1", "--max-count", "2"]],
  [["-C", ".", "status", "-C", "."]],
  [["status", "--no-short"]],
  [["status", "--no-json"]],
  [["status", "--short=yes"]],
  [["log", "-n"]],
  [["--", "frobnicate"]],
  [["status", "--progress", "loud"]],
])("smc %j is a usage error and nothing runs", async (words) => {
  const ran = await box.smc(words);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toMatch(/^error: .+\n/);
});

test.each(["0x10", "-1", "1e99", "１", "NaN", "1.5", ""])("smc log -n %j is not a number", async (count) => {
  expect(await box.refused("log", `--max-count=${count}`)).toMatchObject({
    exit: 2,
    code: "ARGUMENT_INVALID",
  });
});

test("-C runs as if started there, and must be a folder", async () => {
  mkdirSync(join(box.work, "sub"));
  const ran = await box.smc(["-C", "work/sub", "rev-parse", "--show-toplevel"], { in: "." });
  expect(ran.stdout).toBe(`${box.work}\n`);
  expect(await box.refused("-C", "absent", "status")).toMatchObject({ exit: 3, code: "PATH_NOT_FOUND" });
  expect(await box.refused("-C", "", "status")).toMatchObject({ exit: 2, code: "ARGUMENT_INVALID" });
  box.write("file", "x");
  expect((await box.refused("-C", "file", "status")).exit).toBe(3);
});

test.each([
  ["", 2],
  ["absent", 3],
  ["file", 3],
  ["file/below", 3],
  ["\u001b[2J", 3],
])("--store %j ends with %i and shows no control characters", async (store, exit) => {
  box.write("file", "x");
  const ran = await box.smc(["--store", store, "status"]);
  expect(ran).toMatchObject({ code: exit, stdout: "" });
  // oxlint-disable-next-line no-control-regex
  expect(ran.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});

test.each([
  [{ SMC_HOME: "" }, 2],
  [{ SMC_HOME: undefined, HOME: "/dev/null" }, 3],
  [{ HOME: undefined }, 3],
  [{ TMPDIR: "/nonexistent", LANG: "C", TERM: "dumb", NO_COLOR: "1", COLUMNS: "1" }, 3],
])("smc with the environment %j ends with %i, without a stack", async (env, exit) => {
  const ran = await box.smc(["log"], { env });
  expect(ran.code).toBe(exit);
  expect(ran.stderr).toMatch(/^error: .+\n/);
  expect(ran.stderr).not.toMatch(/\bat .*\.(js|ts):|uv_cwd/);
});

test("a folder that was deleted is a clear error", async () => {
  const ran = await box.shell("mkdir gone && cd gone && rmdir ../gone && smc status; echo $?; smc version");
  expect(ran.stdout).toMatch(/^3\nsmc \d/);
  expect(ran.stderr).toBe(
    "error: the folder you are in does not exist any more\nhint: go to another folder\n",
  );
});

test("errors go to stderr, and with --json as an object to stdout", async () => {
  const ran = await box.smc(["cat", "HEAD:absent", "--json"]);
  const { error } = JSON.parse(ran.stdout) as { error: { code: string; exit: number; message: string } };
  expect(ran.code).toBe(error.exit);
  expect(ran.stderr).toContain(`error: ${error.message}\n`);
  expect(await box.smc(["cat", "HEAD:absent"])).toMatchObject({ stdout: "" });
});

test("standard error that is closed changes nothing", async () => {
  const ran = await box.shell("smc status -q 2>&-; echo $?; smc frobnicate 2>&-; echo $?");
  expect(ran.stdout).toMatch(/0\n2\n$/);
});

test("Ctrl-C ends with 130, also while standard input is awaited", async () => {
  const script = `
    mkfifo pipe; { head -c 1000000 /dev/zero; touch fed; exec sleep 600; } > pipe & writer=$!
    "$SMC_TEST_NODE" "$SMC_TEST_BIN" hash-object --stdin < pipe & child=$!
    until [ -e fed ]; do sleep 0.1; done
    kill -INT $child; wait $child; echo $?; kill $writer; rm pipe fed`;
  const ran = await box.shell(`set -m;${script}`);
  expect(ran.stdout).toBe("130\n");
  expect(ran.stderr).toContain("error: interrupted\n");
});

test("Ctrl-C stops a verb at work; nothing is staged and the daemon lives on", async () => {
  const { pid } = (await box.json<{ daemon: { pid: number } }>("daemon", "start")).daemon;
  const script = `
    truncate -s 4G huge
    "$SMC_TEST_NODE" "$SMC_TEST_BIN" add huge --progress plain 2> progress & child=$!
    until grep -q add progress; do sleep 0.1; done
    kill -INT $child; wait $child; echo $?; rm huge progress`;
  expect((await box.shell(`set -m;${script}`)).stdout).toBe("130\n");
  expect(await box.ok("ls-files", "-q")).not.toContain("huge");
  expect(await box.json("daemon", "status")).toMatchObject({ daemon: { pid } });
});

test("on a terminal there are colours and a bar, unless they are unwanted", async () => {
  await box.commit("one", { "a.txt": "a" });
  const onTerminal = async (words: string, env = ""): Promise<string> =>
    (await box.shell(`${env} script -qec "'$SMC_TEST_NODE' '$SMC_TEST_BIN' ${words}" /dev/null`)).stdout;
  expect(await onTerminal("log --oneline")).toContain("\u001b[33m");
  for (const [words, env] of [
    ["log --oneline", "NO_COLOR=1"],
    ["log --oneline", "TERM=dumb"],
    ["log --oneline --no-color", ""],
  ] as const) {
    expect(await onTerminal(words, env)).not.toContain("\u001b");
  }
  await box.shell("truncate -s 600M big");
  expect(await onTerminal("add big")).toMatch(/add {2}▕█* *▏ +\d+ % {2}[\d.]+ MiB of 600\.0 MiB/);
  const plain = await box.smc(["fsck", "--full", "--progress", "none"]);
  expect(plain.stderr).toBe("");
});

test("a hundred thousand paths are read from standard input", async () => {
  const names = Array.from({ length: 100_000 }, (_, position) => `absent/${position}`);
  const ran = await box.smc(["add", "--pathspec-from-file=-"], { stdin: names.join("\0") });
  expect(ran.code).toBe(3);
  expect(ran.stderr).toContain("absent/0");
});

test("JSON on stdout hides no characters", async () => {
  const ran = await box.smc(["--json", "rev-parse", "a\u202eb"]);
  expect(ran.stdout).not.toContain("\u202e");
  expect(ran.code).toBeGreaterThan(1);
});
