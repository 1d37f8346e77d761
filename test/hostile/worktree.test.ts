/** Checkout over what is the user's, links that lead out, stores and settings of others: rows B5 to B9, B16 to B18. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createTarget, fingerprint, type Target } from "./target.ts";

let target: Target;
beforeEach(async () => {
  target = await createTarget();
});
afterEach(async () => {
  await target[Symbol.asyncDispose]();
});

/** Two commits: at `old` the folder `out` with the file `x`, at `main` without it. */
async function commitOut(): Promise<void> {
  const { sandbox } = target;
  await sandbox.commit("with out", { "out/x": "x" });
  await sandbox.ok("tag", "old");
  rmSync(sandbox.path("out"), { recursive: true });
  await sandbox.commit("without out");
}

test("B5: checkout does not write through a link of the user where a folder must be", async () => {
  await commitOut();
  symlinkSync(target.canary, target.sandbox.path("out"));
  const ran = await target.sandbox.smc(["checkout", "old", "--json"]);
  expect(ran.code, ran.stdout).toBe(5);
  expect(JSON.parse(ran.stdout)).toMatchObject({
    error: { code: expect.stringMatching(/^(UNSAFE_PATH|WOULD_OVERWRITE)$/) },
  });
  expect(lstatSync(target.sandbox.path("out")).isSymbolicLink()).toBe(true);
});

test("B5: restoring a file below a link of the user does not follow the link", async () => {
  await commitOut();
  symlinkSync(target.canary, target.sandbox.path("out"));
  const before = fingerprint(target.canary);
  const ran = await target.sandbox.smc(["checkout", "old", "--json", "--", "out/x"]);
  expect(ran.code, ran.stdout).toBe(5);
  expect(fingerprint(target.canary)).toBe(before);
});

test("B5: a link that a commit brings is not made unless settings ask for it", async () => {
  const { sandbox } = target;
  symlinkSync(target.canary, sandbox.path("out"));
  await sandbox.commit("a link that leads out");
  await sandbox.ok("tag", "link");
  await sandbox.ok("rm", "--cached", "-q", "out");
  await sandbox.ok("commit", "-q", "-m", "without");
  rmSync(sandbox.path("out"));
  for (const choice of ["never", "safe"]) {
    await sandbox.ok("config", "set", "checkout.symlinks", choice);
    const before = fingerprint(target.canary);
    await sandbox.smc(["checkout", "link"]);
    expect(existsSync(sandbox.path("out")), choice).toBe(false);
    expect(fingerprint(target.canary)).toBe(before);
    await sandbox.smc(["checkout", "main"]);
  }
});

test("B6: a chain of links that leads out is not made", async () => {
  const { sandbox } = target;
  symlinkSync("b", sandbox.path("start"));
  symlinkSync("c", sandbox.path("b"));
  symlinkSync("../..", sandbox.path("c"));
  await sandbox.commit("a chain");
  await sandbox.ok("tag", "chain");
  for (const name of ["start", "b", "c"]) rmSync(sandbox.path(name));
  await sandbox.commit("no chain");
  await sandbox.ok("config", "set", "checkout.symlinks", "safe");
  await sandbox.smc(["checkout", "chain"]);
  expect(existsSync(sandbox.path("start"))).toBe(false);
  expect(existsSync(sandbox.path("c"))).toBe(false);
});

const SWAP = `
const fs = require("fs");
const [folder, canary] = process.argv.slice(1);
process.stdout.write("ready");
for (;;) {
  try { fs.renameSync(folder, folder + ".away"); fs.symlinkSync(canary, folder); } catch {}
  try { fs.unlinkSync(folder); } catch {}
  try { fs.renameSync(folder + ".away", folder); } catch {}
  try { fs.rmSync(folder + ".away", { recursive: true, force: true }); } catch {}
}`;

test(
  "B7: a folder that another process keeps swapping for a link leads nothing out",
  { timeout: 240_000 },
  async () => {
    const { sandbox } = target;
    const files = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`deep/f${n}`, `old ${n}`]));
    await sandbox.commit("old", files);
    await sandbox.ok("tag", "old");
    for (const name of Object.keys(files)) sandbox.write(name, `new ${name}`);
    await sandbox.commit("new");
    const before = fingerprint(target.canary);
    const swapper = spawn(process.execPath, ["-e", SWAP, sandbox.path("deep"), target.canary], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(swapper, "exit");
    try {
      await once(swapper.stdout, "data");
      for (let round = 0; round < 50; round++) {
        const ran = await sandbox.smc(["checkout", "-f", round % 2 === 0 ? "old" : "main"]);
        expect([0, 3, 5, 11], ran.stderr).toContain(ran.code);
        expect(fingerprint(target.canary), `round ${round}`).toBe(before);
      }
    } finally {
      swapper.kill("SIGKILL");
      await ended;
    }
  },
);

test("B8: checkout keeps changed, untracked and ignored files, and lists them", async () => {
  const { sandbox } = target;
  await sandbox.commit("more", { a: "a2\n", b: "b\n", c: "c\n" });
  await sandbox.ok("tag", "more");
  await sandbox.ok("checkout", "-q", "HEAD~1");
  sandbox.write("a", "mine\n");
  sandbox.write("b", "mine\n");
  sandbox.write("c", "mine\n");
  sandbox.write(".smcignore", "c\n");
  const ran = await target.refused(["checkout", "more"], { code: "WOULD_OVERWRITE", says: /3 files/ });
  for (const name of ["a", "b", "c"]) {
    expect(ran.stderr).toMatch(new RegExp(`\\b${name}\\b`));
    expect(sandbox.read(name)).toBe("mine\n");
  }
  await target.refused(["switch", "main"], { code: "WOULD_OVERWRITE" });
  await target.refused(["merge", "more"], { code: "WOULD_OVERWRITE" });
});

test("B9: an untracked folder stays where a file must go", async () => {
  const { sandbox } = target;
  await sandbox.commit("a file", { place: "file" });
  await sandbox.ok("tag", "file");
  await sandbox.ok("checkout", "-q", "HEAD~1");
  sandbox.write("place/mine", "mine");
  await target.refused(["checkout", "file"], { code: "WOULD_OVERWRITE" });
  expect(sandbox.read("place/mine")).toBe("mine");
});

test("B9: an untracked file stays where a folder must go", async () => {
  const { sandbox } = target;
  await sandbox.commit("a folder", { "place/x": "x" });
  await sandbox.ok("tag", "folder");
  await sandbox.ok("checkout", "-q", "HEAD~1");
  sandbox.write("place", "mine");
  await target.refused(["checkout", "folder"], { code: "WOULD_OVERWRITE" });
  expect(sandbox.read("place")).toBe("mine");
});

test("B9: a folder to be deleted keeps the user's files in it", async () => {
  const { sandbox } = target;
  await sandbox.commit("a folder", { "place/x": "x" });
  sandbox.write("place/mine", "mine");
  await sandbox.ok("checkout", "-q", "HEAD~1");
  expect(sandbox.read("place/mine")).toBe("mine");
  expect(existsSync(sandbox.path("place/x"))).toBe(false);
});

const isRoot = process.getuid?.() === 0;

test("B16: a worktree or store that another user planted is not used", async ({ skip }) => {
  skip(!isRoot, "needs root, to give folders to another user");
  const { sandbox } = target;
  mkdirSync(sandbox.path("below"));
  const planted = join(sandbox.work, ".smc");
  spawnSync("chown", ["65534:65534", planted]);
  const found = await sandbox.smc(["-C", "below", "log", "--json"]);
  spawnSync("chown", ["0:0", planted]);
  expect({ code: found.code, error: JSON.parse(found.stdout) }).toMatchObject({
    code: 5,
    error: { error: { code: "UNSAFE_OWNER", message: expect.stringContaining("65534") } },
  });
  await sandbox.ok("daemon", "stop");
  spawnSync("chown", ["65534:65534", sandbox.home]);
  const ran = await sandbox.smc(["log", "--json"]);
  spawnSync("chown", ["0:0", sandbox.home]);
  expect({ code: ran.code, error: JSON.parse(ran.stdout) }).toMatchObject({
    code: 5,
    error: { error: { code: "UNSAFE_OWNER" } },
  });
});

test("B16: a store that others may write to is not used", async () => {
  const { sandbox } = target;
  await sandbox.ok("daemon", "stop");
  chmodSync(sandbox.home, 0o777);
  const ran = await sandbox.smc(["log", "--json"]);
  chmodSync(sandbox.home, 0o700);
  expect({ code: ran.code, error: JSON.parse(ran.stdout) }).toMatchObject({
    code: 5,
    error: { error: { code: "UNSAFE_OWNER" } },
  });
});

test("B17: a pack that is a link to something else is not followed", async () => {
  const { sandbox } = target;
  await sandbox.ok("daemon", "stop");
  const folder = join(sandbox.home, "packs");
  const packs = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  expect(packs.length).toBeGreaterThan(0);
  for (const { parentPath, name } of packs) {
    const pack = join(parentPath, name);
    const moved = join(sandbox.root, name);
    renameSync(pack, moved);
    symlinkSync(moved, pack);
  }
  const ran = await sandbox.smc(["show", "HEAD"]);
  expect([4, 5], ran.stderr).toContain(ran.code);
  const fsck = await sandbox.smc(["fsck", "--full"]);
  expect(fsck.code, fsck.stdout).toBe(4);
  await sandbox.ok("daemon", "stop");
  for (const { parentPath, name } of packs) {
    rmSync(join(parentPath, name));
    copyFileSync(join(sandbox.root, name), join(parentPath, name));
  }
  await sandbox.ok("show", "HEAD");
});

test("B18: settings that a worktree may not have are ignored, and doctor names them", async () => {
  const { sandbox } = target;
  const settings = {
    "remote.cmd": "touch /tmp/never",
    "core.hooks": "hooks",
    "core.editor": "vi",
    "include.path": "/etc/passwd",
    "user.name": "Mallory",
    "daemon.idleMinutes": 0,
  };
  writeFileSync(join(sandbox.work, ".smc", "config.json"), JSON.stringify(settings));
  const env = { SMC_AUTHOR: undefined };
  const committed = await sandbox.smc(["commit", "--allow-empty", "-q", "-m", "x"], { env });
  expect(committed.code, committed.stderr).toBe(0);
  expect(await sandbox.ok("log", "-n", "1")).not.toContain("Mallory");
  const doctor = await sandbox.smc(["doctor"]);
  for (const key of Object.keys(settings)) expect(doctor.stdout + doctor.stderr).toContain(key);
  for (const key of Object.keys(settings)) {
    const ran = await sandbox.smc(["config", "set", "--worktree", key, "1"]);
    expect(ran.code, key).toBe(2);
  }
});
