/** Pushing and fetching while daemons are killed: the next run goes on, and every byte arrives. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { randomFillSync } from "node:crypto";
import { expect, test } from "vitest";
import { createSandbox, Sandbox, sha256 } from "../e2e/sandbox.ts";

const SIZE_BYTES = 200 << 20;
/** What is moved again beside the data: commits, trees and lists lie in packs of their own. */
const SMALL_BYTES = 1 << 20;

/** Sizes of the packs below a folder by their names; none when it is not there yet. */
function packsIn(folder: string): Map<string, number> {
  const sizes = new Map<string, number>();
  try {
    for (const entry of readdirSync(folder, { recursive: true })) {
      const name = String(entry);
      if (name.endsWith(".pack")) sizes.set(basename(name).slice(0, 64), statSync(join(folder, name)).size);
    }
  } catch (error) {
    // Also of a file that was there a moment ago.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return sizes;
}

const sum = (sizes: Iterable<number>): number => [...sizes].reduce((total, size) => total + size, 0);

/**
 * Runs the words, and kills the daemon once `isTime()` or when they have ended. True when it was killed before they
 * ended.
 */
async function killDuring(
  sandbox: Sandbox,
  words: readonly string[],
  isTime: () => boolean,
): Promise<boolean> {
  const pid = await sandbox.daemonPid();
  const progress = { ended: false };
  const running = sandbox.smc(words).then((ran) => {
    progress.ended = true;
    return ran;
  });
  while (!progress.ended && !isTime()) await new Promise(setImmediate);
  process.kill(pid, "SIGKILL");
  const ran = await running;
  return ran.code !== 0;
}

interface Moved {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly refs: readonly unknown[];
  readonly objects: number;
  readonly resumed: { readonly objects: number; readonly total: number } | null;
}

/** A commit of incompressible bytes, and an empty folder as its remote. */
async function commitModel(sandbox: Sandbox): Promise<{ nas: string; bytes: Buffer }> {
  const nas = join(sandbox.root, "nas");
  mkdirSync(nas);
  const bytes = randomFillSync(Buffer.alloc(SIZE_BYTES));
  writeFileSync(sandbox.path("model.bin"), bytes);
  await sandbox.ok("add", "model.bin");
  await sandbox.ok("commit", "-q", "-m", "model");
  await sandbox.ok("remote", "add", "origin", `file://${nas}`);
  return { nas, bytes };
}

test("a push whose daemon is killed again and again sends each pack once, and the clone is the same", async () => {
  await using mine = await createSandbox();
  const { nas, bytes } = await commitModel(mine);
  let killed = 0;
  for (let count = 1; count <= 3; count += 1) {
    const isTime = (): boolean => packsIn(join(nas, "packs")).size >= count;
    if (await killDuring(mine, ["push", "origin"], isTime)) killed += 1;
    await mine.ok("daemon", "start");
  }
  expect(killed).toBeGreaterThan(0);
  // A pack counts once its index is there.
  const indexed = new Set(readdirSync(join(nas, "index")).map((name) => name.split("-")[0]));
  const there = [...packsIn(join(nas, "packs"))].filter(([name]) => indexed.has(name));
  const rest = await mine.json<Moved>("push", "origin");
  // Unless the last kill came behind the last ref, or each before the first pack was known.
  const isResumed = there.length > 0 && rest.refs.length > 0;
  const { objects, total: all } = rest.resumed ?? { objects: 0, total: rest.objects };
  expect(objects > 0).toBe(isResumed);
  expect(rest.objects).toBe(all - objects);
  const total = sum(packsIn(join(mine.home, "packs")).values());
  expect(rest.sentBytes).toBeLessThanOrEqual(total - sum(there.map(([, size]) => size)) + SMALL_BYTES);

  await using theirs = new Sandbox();
  await theirs.ok("clone", `file://${nas}`, "model");
  expect(sha256(readFileSync(theirs.path("model/model.bin")))).toBe(sha256(bytes));
});

test("a fetch whose daemon is killed goes on where it was, moves no ref before, and leaves a sound store", async () => {
  await using mine = await createSandbox();
  const { nas, bytes } = await commitModel(mine);
  await mine.ok("push", "origin");

  await using theirs = await createSandbox();
  await theirs.ok("remote", "add", "origin", `file://${nas}`);
  const packs = join(theirs.home, "packs");
  const first = packsIn(packs);
  let killed = 0;
  for (let count = 1; count <= 3; count += 1) {
    const isTime = (): boolean => packsIn(packs).size >= first.size + count;
    if (await killDuring(theirs, ["fetch", "origin"], isTime)) {
      killed += 1;
      expect(await theirs.ok("refs")).not.toContain("refs/remotes/origin");
    }
    await theirs.ok("daemon", "start");
  }
  expect(killed).toBeGreaterThan(0);
  const arrivedBytes = sum(packsIn(packs).values()) - sum(first.values());
  const rest = await theirs.json<Moved>("fetch", "origin");
  const total = sum(packsIn(join(nas, "packs")).values());
  expect(rest.receivedBytes).toBeLessThanOrEqual(total - arrivedBytes + SMALL_BYTES);
  expect(await theirs.ok("fsck", "--full")).toContain("ok");
  await theirs.ok("checkout", "--detach", "origin/main");
  expect(sha256(readFileSync(theirs.path("model.bin")))).toBe(sha256(bytes));
});
