/** A daemon with little: memory, open files, sizes of files, a mask for modes, a folder that nobody may write to. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSandbox, Sandbox } from "../e2e/sandbox.ts";
import { startDaemon } from "./running-daemon.ts";

const MIB = 1024 * 1024;

interface Limit {
  readonly what: string;
  /** Words of bash before the daemon is started. */
  readonly before: string;
  readonly fileMib: number;
  /** Exit statuses that adding a file may have; undefined when the daemon does not even start. */
  readonly exits: readonly number[] | undefined;
  readonly says?: RegExp;
}

const LIMITS: readonly Limit[] = [
  {
    what: "a heap of 64 MiB",
    before: "export NODE_OPTIONS=--max-old-space-size=64",
    fileMib: 200,
    exits: [0],
  },
  { what: "256 open files", before: "ulimit -n 256", fileMib: 8, exits: [0] },
  { what: "64 open files", before: "ulimit -n 64", fileMib: 1, exits: undefined, says: /ulimit -n/ },
  { what: "20 KiB a file", before: "ulimit -f 20", fileMib: 8, exits: [11], says: /ulimit -f/ },
  {
    what: "no byte a file",
    before: "ulimit -f 0",
    fileMib: 1,
    exits: undefined,
    says: /larger than allowed|cannot start/,
  },
];

async function expectSound(sandbox: Sandbox): Promise<void> {
  const ran = await sandbox.smc(["fsck", "--full"]);
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
}

test.for(LIMITS)(
  "a daemon with $what stores all of a file or says why not, and loses nothing",
  async (limit) => {
    await using sandbox = await createSandbox();
    const before = await sandbox.commit("before", { "a.txt": "a" });
    const ended = await startDaemon(sandbox, limit.before);
    const digest = sandbox.write("big.bin", randomBytes(limit.fileMib * MIB));
    let head = before;
    if (limit.exits === undefined) {
      expect(ended?.code).toBe(11);
      expect(ended?.stderr).toMatch(limit.says ?? /./);
    } else {
      expect(ended).toBeUndefined();
      const ran = await sandbox.smc(["add", "big.bin"]);
      expect(limit.exits, ran.stderr).toContain(ran.code);
      if (ran.code !== 0) expect(ran.stderr).toMatch(limit.says ?? /./);
      else head = (await sandbox.ok("commit", "-q", "-m", "big")).trim();
      expect((await sandbox.ok("rev-parse", "HEAD")).trim()).toBe(head);
      rmSync(sandbox.path("big.bin"));
      if (head !== before) await sandbox.ok("restore", "big.bin");
      if (head !== before) expect(sandbox.digest("big.bin")).toBe(digest);
      await sandbox.ok("daemon", "stop");
    }
    await expectSound(sandbox);
    expect((await sandbox.ok("rev-parse", "HEAD")).trim()).toBe(head);
  },
);

test.for(["000", "077"])(
  "with umask %s the store is private, and files get the mode that it says",
  async (mask) => {
    await using sandbox = await createSandbox({ init: false });
    const script = `umask ${mask}; smc init -q && echo a > a && smc add a && smc commit -qm a && rm a && smc restore a`;
    const ran = await sandbox.shell(script);
    expect(ran.code, ran.stderr).toBe(0);
    for (const folder of [sandbox.home, sandbox.path(".smc")]) {
      const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
      const open = entries
        .map((entry) => join(entry.parentPath, entry.name))
        .filter((path) => (statSync(path).mode & 0o077) !== 0);
      expect(open).toEqual([]);
    }
    expect(statSync(sandbox.path("a")).mode & 0o777).toBe(0o666 & ~Number.parseInt(mask, 8));
  },
);

/** A folder on a file system of its own, made read-only and let go. */
class Disk implements AsyncDisposable {
  readonly sandbox = new Sandbox();
  readonly path = join(this.sandbox.root, "disk");

  constructor() {
    mkdirSync(this.path);
    this.#mount("-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs");
  }

  #mount(...words: string[]): void {
    const { status, stderr } = spawnSync("mount", [...words, this.path], { encoding: "utf8" });
    if (status !== 0) throw new Error(`mount ${words.join(" ")}: ${stderr}`);
  }

  remount(mode: "ro" | "rw"): void {
    this.#mount("-o", `remount,${mode}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox.smc(["daemon", "stop"], { in: "." });
    spawnSync("umount", ["-l", this.path]);
    await this.sandbox[Symbol.asyncDispose]();
  }
}

const cannotMount = process.getuid?.() !== 0;
const NEEDS_ROOT = "needs root, to mount a tmpfs that is read-only";

test("a store on a disk that is read-only is refused with that reason, and stays as it is", async ({
  skip,
}) => {
  skip(cannotMount, NEEDS_ROOT);
  await using disk = new Disk();
  const { sandbox } = disk;
  Object.assign(sandbox.env, { SMC_HOME: join(disk.path, "store") });
  await sandbox.ok("init");
  const head = await sandbox.commit("one", { a: "a" });
  await sandbox.ok("daemon", "stop");
  disk.remount("ro");
  expect(await sandbox.refused("commit", "--allow-empty", "-m", "two")).toMatchObject({
    code: "READ_ONLY",
    exit: 11,
  });
  disk.remount("rw");
  expect((await sandbox.ok("rev-parse", "HEAD")).trim()).toBe(head);
  await expectSound(sandbox);
});

test("in a worktree that is read-only a commit is made or refused, never half", async ({ skip }) => {
  skip(cannotMount, NEEDS_ROOT);
  await using disk = new Disk();
  const { sandbox } = disk;
  const run = (...words: string[]) => sandbox.smc(words, { in: "disk" });
  expect(await run("init")).toMatchObject({ code: 0 });
  sandbox.write("../disk/a", "staged");
  expect(await run("add", "a")).toMatchObject({ code: 0 });
  disk.remount("ro");
  expect(await run("add", "a")).toMatchObject({ code: 11, stderr: expect.stringContaining("read-only") });
  const made = await run("commit", "-q", "-m", "what was staged");
  expect(made).toMatchObject({ code: 0, stderr: "" });
  expect(await run("rev-parse", "HEAD")).toMatchObject({ stdout: made.stdout });
  expect(await run("commit", "-m", "again")).toMatchObject({ code: 1 });
  disk.remount("rw");
  expect(await run("status")).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("nothing to commit"),
  });
  await expectSound(sandbox);
});

const ENVIRONMENTS = [
  ["unset HOME SMC_HOME; HOME= smc status", 2],
  ["unset SMC_HOME; HOME=here smc status", 2],
  ["unset SMC_HOME; HOME=/dev/null/x smc refs", 3],
  ["unset HOME; smc status", 0],
  ["export TZ=No/Zone; smc daemon restart && smc commit --allow-empty -m x", 0],
  ["export TZ=UTC+25:99; smc daemon restart && smc commit --allow-empty -m x", 0],
  ["export LC_ALL=C LANG=C; smc daemon restart; echo ü > große.txt; smc add große.txt && smc commit -m ü", 0],
] as const;

test("without a home, in odd time zones and in the language C commands work, or say what is wrong", async () => {
  await using sandbox = await createSandbox();
  const head = await sandbox.commit("one", { "a.txt": "a" });
  for (const [script, code] of ENVIRONMENTS) {
    const ran = await sandbox.shell(script);
    expect(ran.code, `${script}: ${ran.stderr}`).toBe(code);
    if (code !== 0) expect(ran.stderr).toMatch(/^error: .+/);
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  }
  const log = await sandbox.json<{ digest: string; subject: string }[]>("log");
  expect(log.map(({ subject }) => subject)).toEqual(["ü", "x", "x", "one"]);
  expect(log.at(-1)?.digest).toBe(head);
  expect(await sandbox.ok("cat", "HEAD:große.txt")).toBe("ü\n");
  await expectSound(sandbox);
});
