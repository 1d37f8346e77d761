/** What comes back by itself: an index that was deleted, an index of another store, a daemon that was killed. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSandbox, type Sandbox } from "../e2e/sandbox.ts";

interface Status {
  readonly daemon: { readonly pid: number };
}

interface Made {
  readonly refs: string;
  readonly log: string;
  readonly blobs: ReadonlyMap<string, string>;
}

/** A store with commits on two branches, tags, and files of several chunks. */
async function make(sandbox: Sandbox): Promise<Made> {
  const blobs = new Map<string, string>();
  for (let version = 0; version < 5; version++) {
    for (const [name, sizeBytes] of [
      ["big.bin", 9_000_000],
      ["small.txt", 100],
      ["folder/x", 0],
    ] as const) {
      blobs.set(`${version} ${name}`, sandbox.write(name, randomBytes(sizeBytes)));
    }
    await sandbox.ok("add", "-A");
    await sandbox.ok("commit", "-m", `version ${version}`, "--metric", `loss=${version}`);
    await sandbox.ok("tag", `v${version}.0.0`);
    if (version === 2) await sandbox.ok("branch", "side");
  }
  return { ...(await seen(sandbox)), blobs };
}

async function seen(sandbox: Sandbox): Promise<{ refs: string; log: string }> {
  return { refs: await sandbox.ok("refs", "--json"), log: await sandbox.ok("log", "--json") };
}

async function expectAllBack(sandbox: Sandbox, made: Made): Promise<void> {
  expect(await seen(sandbox)).toEqual({ refs: made.refs, log: made.log });
  for (const [key, blob] of made.blobs) {
    const [version = "", name = ""] = key.split(" ");
    await sandbox.ok("checkout", "-q", `v${version}.0.0`);
    expect(sandbox.digest(name), key).toBe(blob);
  }
  await sandbox.ok("checkout", "-q", "main");
  const fsck = await sandbox.smc(["fsck", "--full"]);
  expect(fsck.code, fsck.stdout + fsck.stderr).toBe(0);
}

test("db/ that was deleted is built anew at the next start", async () => {
  await using sandbox = await createSandbox();
  const made = await make(sandbox);
  await sandbox.ok("daemon", "stop");
  rmSync(join(sandbox.home, "db"), { recursive: true });
  await expectAllBack(sandbox, made);
  expect(existsSync(join(sandbox.home, "db"))).toBe(true);
});

test("fsck --rebuild builds everything anew from packs and journal", async () => {
  await using sandbox = await createSandbox();
  const made = await make(sandbox);
  await sandbox.ok("fsck", "--rebuild");
  await expectAllBack(sandbox, made);
});

test("a damaged db/ is set aside and built anew", async () => {
  await using sandbox = await createSandbox();
  const made = await make(sandbox);
  await sandbox.ok("daemon", "stop");
  for (const name of ["CURRENT"]) writeFileSync(join(sandbox.home, "db", name), "MANIFEST-999999\n");
  await expectAllBack(sandbox, made);
});

test("db/ of another store is not believed", async () => {
  await using sandbox = await createSandbox();
  await using other = await createSandbox();
  const made = await make(sandbox);
  await other.commit("another store", { a: "a" });
  await sandbox.ok("daemon", "stop");
  await other.ok("daemon", "stop");
  rmSync(join(sandbox.home, "db"), { recursive: true });
  renameSync(join(other.home, "db"), join(sandbox.home, "db"));
  await expectAllBack(sandbox, made);
});

test("after kill -9 the next command takes over by itself", async () => {
  await using sandbox = await createSandbox();
  const made = await make(sandbox);
  const { pid } = (await sandbox.json<Status>("daemon", "status")).daemon;
  process.kill(pid, "SIGKILL");
  await expectAllBack(sandbox, made);
  const next = (await sandbox.json<Status>("daemon", "status")).daemon;
  expect(next.pid).not.toBe(pid);
});

test("a byte that changed in a pack is found, and never handed out", async () => {
  await using sandbox = await createSandbox();
  await make(sandbox);
  const packs = (await import("node:fs")).readdirSync(join(sandbox.home, "packs"), {
    recursive: true,
    withFileTypes: true,
  });
  await sandbox.ok("daemon", "stop");
  const largest = packs
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: readFileSync(path) }))
    .sort((a, b) => b.bytes.length - a.bytes.length)[0];
  if (largest === undefined) throw new Error("no packs");
  const at = Math.floor(largest.bytes.length / 2);
  largest.bytes[at] = (largest.bytes[at] ?? 0) ^ 1;
  writeFileSync(largest.path, largest.bytes);
  const fsck = await sandbox.smc(["fsck", "--full"]);
  expect(fsck.code, fsck.stdout).toBe(4);
  for (let version = 0; version < 5; version++) {
    const ran = await sandbox.smc(["checkout", "-q", "-f", `v${version}.0.0`]);
    expect([0, 4], ran.stderr).toContain(ran.code);
  }
});
