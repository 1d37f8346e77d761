/**
 * The repositories are made by the real `git`; what Git LFS and DVC keep outside of them is written as they write it.
 */
import { createHash } from "node:crypto";
import { appendFileSync, chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSandbox, runProgram, sha256 } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

function md5(bytes: string): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** A repository of git beside the worktree. */
class Source {
  readonly root: string;
  #day = 0;

  constructor(name: string) {
    this.root = join(box.root, name);
    mkdirSync(this.root);
  }

  async git(...words: string[]): Promise<string> {
    this.#day += 1;
    const date = `2024-01-${String(this.#day).padStart(2, "0")}T10:00:00+0100`;
    const who = { GIT_AUTHOR_NAME: "Gus", GIT_AUTHOR_EMAIL: "gus@example.org", GIT_AUTHOR_DATE: date };
    const made = {
      GIT_COMMITTER_NAME: "Hub",
      GIT_COMMITTER_EMAIL: "hub@example.org",
      GIT_COMMITTER_DATE: date,
    };
    const env = { ...box.env, ...who, ...made };
    const ran = await runProgram("git", ["-c", "core.autocrlf=false", ...words], { cwd: this.root, env });
    if (ran.code !== 0) throw new Error(`git ${words.join(" ")}: ${ran.stderr}`);
    return ran.stdout.trim();
  }

  write(path: string, text: string): void {
    const whole = join(this.root, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
  }

  /** A pointer in the worktree, and the object where Git LFS keeps it. */
  writeLfs(path: string, text: string): string {
    const oid = sha256(text);
    const object = `.git/lfs/objects/${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`;
    this.write(object, text);
    this.write(path, `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${text.length}\n`);
    return join(this.root, object);
  }

  async commit(message: string): Promise<string> {
    await this.git("add", "-A");
    await this.git("commit", "-q", "-m", message);
    return this.git("rev-parse", "HEAD");
  }
}

const lfs = new Source("lfs");
await lfs.git("init", "-q", "-b", "main");

test("smc import git-lfs brings commits, people, dates, tags and files in; again it adds what is new", async () => {
  const big = "x".repeat(5 * 1024 * 1024);
  lfs.writeLfs("w/model.bin", "weights one");
  lfs.write("run.sh", "#!/bin/sh\n");
  chmodSync(join(lfs.root, "run.sh"), 0o755);
  symlinkSync("run.sh", join(lfs.root, "link"));
  const first = await lfs.commit("first");
  await lfs.git("tag", "v1.0.0");
  lfs.writeLfs("w/model.bin", "weights two");
  lfs.write("big.txt", big);
  await lfs.commit("second\n\nwith a body");
  await lfs.git("tag", "-a", "v1.1.0", "-m", "the second release");
  const plan = await box.ok("import", "git-lfs", "-n", "../lfs");
  expect(plan).toMatch(/v1\.0\.0 +3 files +27 B +first\n[^]*2 versions would be imported to main\n$/);
  expect(await box.ok("import", "git-lfs", "../lfs")).toMatch(/2 versions imported to main\n$/);
  expect(box.read("w/model.bin")).toBe("weights two");
  expect(box.digest("big.txt")).toBe(sha256(big));
  const [, oldest] = await box.json<Record<string, unknown>[]>("log");
  expect(oldest).toMatchObject({
    author: "Gus <gus@example.org>",
    date: "2024-01-03T10:00:00+01:00",
    committer: "Hub <hub@example.org>",
    message: "first\n",
    meta: { lineage: { import: "git-lfs", id: first } },
  });
  expect(await box.ok("tag")).toMatch(/v1\.0\.0 +\w+ +first\nv1\.1\.0 +\w+ +the second release\n/);
  expect(await box.ok("ls-tree", "v1.0.0")).toMatch(/120000 [^\n]*link\n100755 [^\n]*run\.sh\n/);
  lfs.writeLfs("w/model.bin", "weights three");
  await lfs.commit("third");
  expect(await box.ok("import", "git-lfs", "../lfs")).toContain("1 version imported to main, 2 were there\n");
  expect(await box.ok("cat", "v1.0.0:w/model.bin")).toBe("weights one");
  expect(await box.ok("import", "git-lfs", "../lfs", "--rev", "v1.0.0")).toContain(
    "0 versions imported to main",
  );
});

test("bytes that are nowhere are named and nothing is imported; damaged ones are refused", async () => {
  const before = await box.ok("rev-parse", "main");
  const object = lfs.writeLfs("w/model.bin", "weights four");
  await lfs.commit("fourth");
  writeFileSync(object, "WEIGHTS FOUR");
  const damaged = await box.refused("import", "git-lfs", "../lfs");
  expect(damaged).toMatchObject({ exit: 4, code: "OBJECT_CORRUPT" });
  rmSync(object);
  expect(await box.refused("import", "git-lfs", "../lfs")).toMatchObject({
    exit: 3,
    code: "PATH_NOT_FOUND",
    message: expect.stringContaining(`'w/model.bin' of `),
  });
  expect(await box.ok("rev-parse", "main")).toBe(before);
  const partly = await box.smc(["import", "git-lfs", "../lfs", "--allow-missing"]);
  expect(partly).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("'fourth' is without w/model.bin"),
  });
  expect(await box.refused("cat", "main:w/model.bin")).toMatchObject({ exit: 3 });
  await lfs.git("commit", "-q", "--amend", "-m", "rewritten");
  expect(await box.refused("import", "git-lfs", "../lfs", "--allow-missing")).toMatchObject({
    exit: 5,
    code: "NOT_FAST_FORWARD",
  });
});

test("smc import dvc resolves .dvc files, dvc.lock and folders from the cache, old and new", async () => {
  const dvc = new Source("dvc");
  await dvc.git("init", "-q", "-b", "main");
  const cached = (text: string, place = "files/md5/", suffix = ""): string => {
    const hash = md5(text);
    dvc.write(`.dvc/cache/${place}${hash.slice(0, 2)}/${hash.slice(2)}${suffix}`, text);
    return hash + suffix;
  };
  dvc.write(".dvc/.gitignore", "/cache\n");
  dvc.write(".dvc/config", "");
  const old = md5("old\ntext\n");
  dvc.write(`.dvc/cache/${old.slice(0, 2)}/${old.slice(2)}`, "old\r\ntext\r\n");
  dvc.write("models/old.txt.dvc", `outs:\n- md5: ${old}\n  size: 11\n  path: old.txt\n`);
  await dvc.commit("by DVC 2");
  dvc.write("models/m.pt.dvc", `outs:\n- md5: ${cached("weights")}\n  size: 7\n  hash: md5\n  path: m.pt\n`);
  const rows = [{ md5: cached("a"), relpath: "sub/a.bin" }];
  const list = cached(JSON.stringify(rows), "files/md5/", ".dir");
  const stage = `  train:\n    cmd: python train.py\n    outs:\n    - {path: out, hash: md5, md5: ${list}, size: 1, nfiles: 1}\n`;
  dvc.write("dvc.lock", `schema: '2.0'\nstages:\n${stage}`);
  dvc.write("dvc.yaml", "stages:\n  train:\n    cmd: python train.py\n    outs: [out]\n");
  await dvc.commit("by DVC 3");
  await box.ok("import", "dvc", "../dvc", "--branch", "from-dvc");
  expect(await box.ok("ls-tree", "-r", "--name-only", "from-dvc")).toBe(
    "dvc.lock\ndvc.yaml\nmodels/m.pt\nmodels/old.txt\nout/sub/a.bin\n",
  );
  expect(await box.ok("cat", "from-dvc:out/sub/a.bin")).toBe("a");
  expect(await box.ok("cat", "from-dvc~1:models/old.txt")).toBe("old\r\ntext\r\n");
  appendFileSync(join(dvc.root, "dvc.yaml"), "# changed\n");
  dvc.write("models/m.pt.dvc", `outs:\n- md5: ${md5("gone")}\n  size: 4\n  hash: md5\n  path: m.pt\n`);
  await dvc.commit("third");
  expect(await box.refused("import", "dvc", "../dvc", "--branch", "from-dvc")).toMatchObject({
    exit: 3,
    message: expect.stringContaining(`DVC object ${md5("gone")}`),
  });
});

test("smc import folder makes versions of dated files", async () => {
  for (const [name, text] of [
    ["yolo_v1_20240101.pt", "one"],
    ["yolo_v1.1.0_20240201.pt", "two"],
  ] as const) {
    mkdirSync(join(box.root, "files"), { recursive: true });
    writeFileSync(join(box.root, "files", name), text);
  }
  const { versions } = await box.json<{ versions: { tags: string[]; date: string }[] }>(
    "import",
    "folder",
    "../files",
    "--branch",
    "yolo",
  );
  expect(versions.map(({ tags, date }) => [tags, date.slice(0, 10)])).toEqual([
    [["v1"], "2024-01-01"],
    [["v1.1.0"], "2024-02-01"],
  ]);
  expect(await box.ok("cat", "yolo:yolo.pt")).toBe("two");
});

test("smc import folder tells what it could not use of a metadata.json, and takes the rest", async () => {
  for (const [role, text] of [
    ["champion", '{"created": "yesterday", "performance": {"azi": 50.5, "mag": "high"}}'],
    ["challenger", "azi: 51"],
  ] as const) {
    const folder = join(box.root, "roles", role);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "model.pt"), role);
    writeFileSync(join(folder, "metadata.json"), text);
  }
  const { leftOut, versions } = await box.json<{ leftOut: unknown[]; versions: { commit: string }[] }>(
    "import",
    "folder",
    "../roles",
    "--branch",
    "roles",
  );
  expect(leftOut).toEqual(
    expect.arrayContaining([
      { what: "what challenger/metadata.json says", why: "it is no JSON object" },
      { what: "champion/metadata.json: performance.mag", why: expect.stringContaining("no number") },
      { what: "champion/metadata.json: yesterday", why: "it is no date from 1970 on" },
    ]),
  );
  const shown = await Promise.all(
    versions.map(({ commit }) => box.json<{ commit: { metrics?: object } }>("show", commit)),
  );
  expect(shown.map(({ commit }) => commit.metrics)).toContainEqual({ azi: 50.5 });
});

test.each([
  [["import", "svn", ".."], 2, "USAGE"],
  [["import", "folder"], 2, "USAGE"],
  [["import", "git-lfs", "../files"], 2, "ARGUMENT_INVALID"],
  [["import", "git-lfs", "../lfs", "--rev", "nope"], 3, "REVISION_NOT_FOUND"],
  [["import", "git-lfs", "../lfs", "--rev", "--help"], 3, "REVISION_NOT_FOUND"],
  [["import", "folder", "../nowhere"], 3, "PATH_NOT_FOUND"],
] as const)("smc %j is refused", async (words, exit, code) => {
  expect(await box.refused(...words)).toMatchObject({ exit, code });
});

test("without git it says so", async () => {
  const { SMC_HOME } = box.env;
  await box.ok("daemon", "stop");
  const env = { PATH: "/nowhere", SMC_HOME };
  const ran = await box.smc(["import", "git-lfs", "../lfs"], { env });
  expect(ran).toMatchObject({ code: 3, stderr: expect.stringContaining("there is no program 'git'") });
});
