import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { refName } from "../objects/names.ts";
import { branchOf, readHeadFile, writeHead } from "./head.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "smc-head-"));
  await mkdir(join(root, ".smc"));
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

const MAIN = refName("refs/heads/", "main");
const DIGEST = hashBytes(Buffer.from("commit"));

test("writeHead() and readHeadFile() agree on a branch and on a commit", async () => {
  await writeHead({ root }, { kind: "branch", ref: MAIN });
  expect(await readFile(join(root, ".smc", "HEAD"), "utf8")).toBe("ref: refs/heads/main\n");
  expect(await readHeadFile(root)).toEqual({ kind: "branch", ref: MAIN });
  await writeHead({ root }, { kind: "detached", digest: DIGEST });
  expect(await readHeadFile(root)).toEqual({ kind: "detached", digest: DIGEST });
});

test("branchOf() gives the short name, or null for a detached HEAD", () => {
  expect(branchOf({ kind: "branch", ref: MAIN })).toBe("main");
  expect(branchOf({ kind: "detached", digest: DIGEST })).toBeNull();
});

const DAMAGED = ["", "\n", "ref: refs/tags/v1\n", "ref: main\n", "a".repeat(63), `${"A".repeat(64)}\n`];
DAMAGED.push("ref: refs/heads/a\nref: refs/heads/b\n");

test.each(DAMAGED)("readHeadFile() refuses a file with %j", async (text) => {
  await writeFile(join(root, ".smc", "HEAD"), text);
  await expect(readHeadFile(root)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
});

test("readHeadFile() refuses a bad branch name, a large file and a link", async () => {
  const path = join(root, ".smc", "HEAD");
  await writeFile(path, "ref: refs/heads/../../x\n");
  await expect(readHeadFile(root)).rejects.toMatchObject({ code: "REF_NAME_INVALID" });
  await writeFile(path, "x".repeat(2000));
  await expect(readHeadFile(root)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  await rm(path);
  await symlink("/etc/hostname", path);
  await expect(readHeadFile(root)).rejects.toMatchObject({ code: "UNSAFE_PATH" });
});
