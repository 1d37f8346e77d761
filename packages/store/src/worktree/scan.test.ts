import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Call } from "../call.ts";
import { processorMs } from "../testing/testing.ts";
import { makeSocket } from "../testing/worktree.ts";
import { parseRules } from "./ignore.ts";
import { scan, type ScanOptions, TrackedPaths } from "./scan.ts";

const CALL: Call = { signal: new AbortController().signal, onProgress: () => undefined };

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "smc-scan-"));
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

async function write(path: string, text = path): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

function look(options: Partial<ScanOptions> & { trackedPaths?: string[] } = {}) {
  const tracked = new TrackedPaths(new Map((options.trackedPaths ?? []).map((path) => [path, true])));
  return scan(root, { from: [""], tracked, leaveOut: "/nowhere", ...options }, CALL);
}

async function paths(options: Partial<ScanOptions> & { trackedPaths?: string[] } = {}): Promise<string[]> {
  return [...(await look(options)).files.keys()].sort();
}

test("scan() finds files and links at any depth and leaves .smc and .git out", async () => {
  for (const path of ["a", "b/c", "b/d/e", ".smc/HEAD", ".git/HEAD", "b/.git/x", "b/.smc/x"])
    await write(path);
  await symlink("/etc", join(root, "b", "link"));
  expect(await paths()).toEqual(["a", "b/c", "b/d/e", "b/link"]);
  expect((await look()).files.get("b/link")?.kind).toBe("link");
});

test("scan() leaves the store and worktrees of others out", async () => {
  for (const path of ["a", "store/packs/x", "other/.smc/worktree.json", "other/file"]) await write(path);
  expect(await paths({ leaveOut: join(root, "store") })).toEqual(["a"]);
});

test("scan() starts where it is told and keeps the rules of the folders above", async () => {
  for (const path of ["x/y/keep", "x/y/drop.log", "x/other", "top"]) await write(path);
  await write(".smcignore", "*.log\n");
  expect(await paths({ from: ["x/y", "top"] })).toEqual(["top", "x/y/keep"]);
});

test("scan() honours .smcignore: patterns, negation, folders, anchors, deeper files", async () => {
  await write(".smcignore", "*.log\n!keep.log\n/build/\ncache/\n# comment\n\\#hash\n");
  await write("sub/.smcignore", "!*.log\nsecret\n");
  for (const path of [
    "a.log",
    "keep.log",
    "build/x",
    "sub/build/x",
    "sub/b.log",
    "sub/secret",
    "x/cache/y",
    "#hash",
  ]) {
    await write(path);
  }
  expect(await paths()).toEqual([".smcignore", "keep.log", "sub/.smcignore", "sub/b.log", "sub/build/x"]);
});

test("scan() sees what is tracked in an ignored folder, and nothing else of it", async () => {
  await write(".smcignore", "data/\n*.bin\n");
  for (const path of ["data/in/kept", "data/in/new", "data/new", "m.bin", "n.bin"]) await write(path);
  expect(await paths({ trackedPaths: ["data/in/kept", "m.bin"] })).toEqual([
    ".smcignore",
    "data/in/kept",
    "m.bin",
  ]);
  expect(await paths({ withIgnored: true })).toContain("data/new");
});

test("scan() stats only what is asked for", async () => {
  await write("a");
  await write("b");
  const { files } = await look({ wantsStat: (path) => path === "a" });
  expect(files.get("a")?.stat?.sizeBytes).toBe(1);
  expect(files.get("b")?.stat).toBeUndefined();
});

test("scan() compares names in normal form C and remembers how the disk spells them", async () => {
  await write("e\u0301/o\u0308");
  const { files } = await look({ trackedPaths: ["\u00e9/\u00f6"] });
  expect(files.get("\u00e9/\u00f6")).toMatchObject({ disk: "e\u0301/o\u0308", kind: "file" });
});

test("scan() reports one name in two normal forms", async () => {
  await write("e\u0301");
  await write("\u00e9");
  expect((await look()).faults).toMatchObject([{ path: "\u00e9", error: { code: "NAME_COLLISION" } }]);
});

test("scan() reports a name that is not UTF-8 with its bytes", async () => {
  await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]), "x");
  const { faults } = await look();
  expect(faults).toMatchObject([{ error: { code: "PATH_INVALID" } }]);
  expect(faults[0]?.error.message).toContain("not valid UTF-8 (bytes ff fe)");
});

test("scan() reports fifos and sockets by kind and does not wait on them", async () => {
  execFileSync("mkfifo", [join(root, "pipe")]);
  makeSocket(join(root, "socket"));
  const { faults, files } = await look();
  const kinds = faults.map(({ path, error }) => [path, error.code, error.details.kind]).sort();
  expect(kinds).toEqual([
    ["pipe", "FILE_UNSUPPORTED", "fifo"],
    ["socket", "FILE_UNSUPPORTED", "socket"],
  ]);
  expect(files.size).toBe(0);
});

test("scan() names the folder that it may not list", async () => {
  await write("closed/file");
  await chmod(join(root, "closed"), 0o000);
  await chmod(root, 0o755);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    await expect(look()).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringContaining("'closed'"),
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
    await chmod(join(root, "closed"), 0o755);
  }
});

test("scan() follows no link, not even in a loop", async () => {
  await write("a/file");
  await symlink("..", join(root, "a", "up"));
  await symlink("loop", join(root, "loop"));
  expect(await paths()).toEqual(["a/file", "a/up", "loop"]);
});

test("parseRules() names the line of a rule that would take for ever", () => {
  expect(() => parseRules(`ok\n${"**/a/".repeat(6)}b\n`, ".smcignore")).toThrow(/line 2: more than 2 '\*\*'/);
  expect(() => parseRules("x".repeat(2000), ".smcignore")).toThrow(/line 1/);
  expect(() => parseRules("a\n".repeat(3000), ".smcignore")).toThrow(/lines/);
});

test("parseRules() matches the worst allowed rules in milliseconds", () => {
  const deep = `${"a/".repeat(510)}c`;
  const long = "a".repeat(255);
  for (const rule of ["**/a/**/b", "*?*?*?*?*?*b", "*a*a*a*a*a*b", "[a-z]*[a-z]*[a-z]*[a-z]*b", "a**a**b"]) {
    const rules = parseRules(rule, ".smcignore");
    const start = processorMs();
    rules.test(long);
    rules.test(deep);
    expect(processorMs() - start).toBeLessThan(1000);
  }
});

test("scan() stops when the call is canceled", async () => {
  await write("a");
  const stopped = { ...CALL, signal: AbortSignal.abort() };
  const options = { from: [""], tracked: new TrackedPaths(new Map()), leaveOut: "" };
  await expect(scan(root, options, stopped)).rejects.toMatchObject({ code: "CANCELED" });
});

test("scan() takes in what a deeper .smcignore takes back, folders with their files", async () => {
  await write(".smcignore", "d.*\n*.log\n");
  await write("m/.smcignore", "!d.[bx]*\n");
  for (const path of ["d.bin/x", "m/d.bin/x", "m/d.bin/a.log", "m/d.bin/d.csv", "m/d.bin/sub/y"])
    await write(path);
  expect(await paths()).toEqual([".smcignore", "m/.smcignore", "m/d.bin/sub/y", "m/d.bin/x"]);
});
