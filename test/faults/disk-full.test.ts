/** A disk that is full in the middle of a commit, and space that comes back. The disk is a small tmpfs. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { JobsResult } from "@smc/store";
import { createSandbox, Sandbox, sha256 } from "../e2e/sandbox.ts";

const DISK_MIB = 48;

function mountSmallDisk(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  return (
    spawnSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m,mode=700`, "tmpfs", folder]).status === 0
  );
}

/** A sandbox whose store is on a disk of 48 MiB. */
class SmallDisk implements AsyncDisposable {
  readonly sandbox = new Sandbox();
  readonly disk = join(this.sandbox.root, "disk");
  readonly filler = join(this.disk, "filler");

  constructor() {
    Object.assign(this.sandbox.env, { SMC_HOME: join(this.disk, "store") });
    if (mountSmallDisk(this.disk)) return;
    rmSync(this.sandbox.root, { recursive: true });
    throw new Error("this test mounts a tmpfs of 48 MiB and needs root for that");
  }

  /** Leaves so many bytes of space. */
  fill(freeBytes: number): void {
    const { stdout } = spawnSync("df", ["--output=avail", "-B1", this.disk], { encoding: "utf8" });
    const available = Number(stdout.trim().split("\n").at(-1));
    writeFileSync(this.filler, Buffer.alloc(Math.max(0, available - freeBytes)));
  }

  free(): void {
    rmSync(this.filler, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox.smc(["daemon", "stop"], { in: "." });
    spawnSync("umount", ["-l", this.disk]);
    await this.sandbox[Symbol.asyncDispose]();
  }
}

/** CI has root. */
const cannotMount = process.getuid?.() !== 0;
const NEEDS_ROOT = "needs root, to mount a tmpfs of 48 MiB";

test("add on a full disk says so, changes nothing, and works when there is space again", async ({ skip }) => {
  skip(cannotMount, NEEDS_ROOT);
  await using small = new SmallDisk();
  const { sandbox } = small;
  await sandbox.ok("init");
  const first = await sandbox.commit("one", { a: "a" });
  const blob = sandbox.write("big.bin", randomBytes(20 * 1024 * 1024));
  small.fill(6 * 1024 * 1024);
  const pid = (await sandbox.json<{ daemon: { pid: number } }>("daemon", "status")).daemon.pid;
  const refused = await sandbox.refused("add", "big.bin");
  expect(refused).toMatchObject({ code: "DISK_FULL", exit: 11 });
  expect(refused.stderr).not.toMatch(/\n\s+at /);
  expect((await sandbox.ok("rev-parse", "HEAD")).trim()).toBe(first);
  expect(await sandbox.json("status")).toMatchObject({ staged: [], untracked: ["big.bin"] });
  expect(readdirSync(join(sandbox.env.SMC_HOME ?? "", "incoming")), "nothing is left behind").toEqual([]);
  small.free();
  await sandbox.ok("add", "big.bin");
  await sandbox.ok("commit", "-m", "two");
  expect(
    (await sandbox.json<{ daemon: { pid: number } }>("daemon", "status")).daemon.pid,
    "without a restart",
  ).toBe(pid);
  rmSync(sandbox.path("big.bin"));
  await sandbox.ok("restore", "big.bin");
  expect(sandbox.digest("big.bin")).toBe(blob);
  expect((await sandbox.smc(["fsck", "--full"])).code).toBe(0);
});

test(
  "commit at every amount of space from none upwards is done or refused, never half",
  { timeout: 1_200_000 },
  async ({ skip }) => {
    skip(cannotMount, NEEDS_ROOT);
    await using small = new SmallDisk();
    const { sandbox } = small;
    await sandbox.ok("init");
    let head = await sandbox.commit("start", { a: "a" });
    let refusals = 0;
    for (const freeBytes of [0, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144, 1_048_576]) {
      sandbox.write("a", `with ${freeBytes} bytes\n`);
      small.fill(freeBytes);
      const ran = await sandbox.smc(["commit", "-a", "-m", `with ${freeBytes} bytes`, "--json"]);
      expect([0, 11], ran.stdout + ran.stderr).toContain(ran.code);
      if (ran.code === 0) head = (JSON.parse(ran.stdout) as { digest: string }).digest;
      else refusals += 1;
      expect((await sandbox.ok("rev-parse", "HEAD")).trim()).toBe(head);
      small.free();
      const after = await sandbox.smc(["commit", "--allow-empty", "-m", "space again", "-q"]);
      expect(after.code, after.stderr).toBe(0);
      head = after.stdout.trim();
    }
    expect(refusals).toBeGreaterThan(0);
    const fsck = await sandbox.smc(["fsck", "--full"]);
    expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
  },
);

test("S4.18 smc backup: one place is full, the other one has its copy, and the status is 6", async ({
  skip,
}) => {
  skip(cannotMount, NEEDS_ROOT);
  await using small = new SmallDisk();
  const { sandbox } = small;
  await sandbox.ok("init");
  const digest = sandbox.write("best.pt", randomBytes(8 * 1024 * 1024));
  small.fill(4 * 1024 * 1024);
  const full = join(small.disk, "place");
  const other = join(sandbox.root, "other");
  const ran = await sandbox.smc(["backup", "best.pt", "copy.pt", "--to", full, "--to", other]);
  expect(ran.code, ran.stderr).toBe(6);
  expect(ran.stderr).toMatch(/no backup at .*disk\/place\/copy\.pt: .*no space left/);
  expect(readdirSync(full), "nothing is left behind").toEqual([]);
  expect(readdirSync(other)).toEqual(["copy.pt", "copy.pt.json"]);
  expect(sha256(readFileSync(join(other, "copy.pt")))).toBe(digest);
});

test("a daemon that starts on a full disk reads, and writes when there is space", async ({ skip }) => {
  skip(cannotMount, NEEDS_ROOT);
  await using small = new SmallDisk();
  const { sandbox } = small;
  await sandbox.ok("init");
  const head = await sandbox.commit("one", { a: "a" });
  await sandbox.ok("daemon", "stop");
  small.fill(0);
  const reading = await sandbox.smc(["log", "--json"]);
  expect([0, 11], reading.stderr).toContain(reading.code);
  small.free();
  expect((await sandbox.ok("rev-parse", "HEAD")).trim()).toBe(head);
  await sandbox.commit("two", { a: "b" });
});

test("checkout into a full disk leaves each file old or new", async ({ skip }) => {
  skip(cannotMount, NEEDS_ROOT);
  await using small = new SmallDisk();
  const { sandbox } = small;
  await using other = await createSandbox({ init: false });
  const store = { env: { SMC_HOME: other.home } };
  const inDisk = (...words: string[]) => sandbox.smc(["-C", join(small.disk, "tree"), ...words], store);
  mkdirSync(join(small.disk, "tree"));
  expect((await inDisk("init")).code).toBe(0);
  for (const version of ["old", "new"]) {
    for (let file = 0; file < 4; file++)
      writeFileSync(join(small.disk, "tree", `f${file}`), randomBytes(4 * 1024 * 1024));
    expect((await inDisk("add", "-A")).code).toBe(0);
    expect((await inDisk("commit", "-m", version)).code).toBe(0);
    expect((await inDisk("tag", version)).code).toBe(0);
  }
  small.fill(6 * 1024 * 1024);
  const ran = await inDisk("checkout", "old", "--json");
  expect(ran.code, ran.stderr).toBe(11);
  const left = readdirSync(join(small.disk, "tree")).filter((name) => !/^(f\d|\.smc)$/.test(name));
  expect(left, "no temporary files").toEqual([]);
  small.free();
  expect((await inDisk("checkout", "-f", "old")).code).toBe(0);
  expect((await inDisk("status", "--json")).stdout).toMatch(/"modified": ?\[\]/);
});

test("fetch onto a full disk, and push from and to one, say so and move no ref; with space they are done", async ({
  skip,
}) => {
  skip(cannotMount, NEEDS_ROOT);
  await using small = new SmallDisk();
  const { sandbox } = small;
  await using other = await createSandbox();
  const nas = join(other.root, "nas");
  const far = join(small.disk, "nas");
  for (const folder of [nas, far]) mkdirSync(folder);
  const blob = other.write("big.bin", randomBytes(12 * 1024 * 1024));
  await other.ok("add", "big.bin");
  await other.ok("commit", "-m", "one");
  await other.ok("remote", "add", "origin", `file://${nas}`);
  await other.ok("remote", "add", "far", `file://${far}`);
  await other.ok("push", "origin");
  await sandbox.ok("init");
  await sandbox.ok("remote", "add", "origin", `file://${nas}`);
  small.fill(3 * 1024 * 1024);
  expect(await sandbox.refused("fetch", "origin")).toMatchObject({ code: "DISK_FULL", exit: 11 });
  expect(readdirSync(join(sandbox.env.SMC_HOME ?? "", "incoming")), "nothing is left behind").toEqual([]);
  expect(await other.refused("push", "far")).toMatchObject({ code: "DISK_FULL", exit: 11 });
  expect(await other.ok("ls-remote", "far")).toBe("");
  small.free();
  await other.ok("push", "far");
  expect(await other.ok("ls-remote", "far")).toContain("refs/heads/main");
  await sandbox.ok("fetch", "origin");
  small.fill(64 * 1024);
  expect(
    (await sandbox.smc(["push", "origin", "origin/main:copy"])).code,
    "what is there needs no space",
  ).toBe(0);
  small.free();
  await sandbox.ok("checkout", "--detach", "origin/main");
  expect(sandbox.digest("big.bin")).toBe(blob);
  expect((await sandbox.smc(["fsck", "--full"])).code).toBe(0);
});

/** Waits for the first file, then prints a lot, ends, and makes the second file just before. */
const PROGRAM = `
const fs = require("node:fs");
const [, , go, gone] = process.argv;
fs.writeFileSync(process.env.SMC_OUTPUT + "/model.bin", "trained");
console.log('{"epoch":1,"metrics":{"loss":1}}');
const waiting = setInterval(() => {
  if (!fs.existsSync(go)) return;
  clearInterval(waiting);
  process.stdout.write(("x".repeat(1000) + "\\n").repeat(3000), () => {
    fs.writeFileSync(gone, "");
    process.exit(0);
  });
}, 20);
`;

test("a job goes on beside a full disk, and is finished and committed as soon as there is room", async ({
  skip,
}) => {
  skip(cannotMount, NEEDS_ROOT);
  await using small = new SmallDisk();
  const { sandbox } = small;
  const [go, gone] = [join(sandbox.root, "go"), join(sandbox.root, "gone")];
  await sandbox.ok("init");
  await sandbox.commit("script", { "train.cjs": PROGRAM });
  const words = ["train", "-d", "-q", "--name", "night", "--", process.execPath, "train.cjs", go, gone];
  const id = (await sandbox.ok(...words)).trim();
  while (!(await sandbox.ok("jobs", "logs", id)).includes('"epoch":1'));
  small.fill(0);
  writeFileSync(go, "");
  while (!existsSync(gone)) await new Promise((resolve) => setTimeout(resolve, 20));
  const { folder, state } = (await sandbox.json<JobsResult>("jobs", "show", id)).jobs[0] ?? {};
  expect([state, existsSync(join(folder ?? "", "end.json"))]).toEqual(["running", false]);
  small.free();
  expect((await sandbox.smc(["jobs", "wait", id])).code).toBe(0);
  expect(await sandbox.ok("cat", "jobs/night:model.bin")).toBe("trained");
  expect(await sandbox.ok("jobs", "epochs", id, "-q")).toBe("1\n");
  await sandbox.ok("fsck", "--full");
});
