/** kill -9 in the middle of repack: every version of every file is there, byte by byte, and nothing needs a hand. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import { fsck, openStore, repack } from "@smc/store";
import { commitSeries, QUIET, type Version } from "@smc/store/testing";
import { expect, test } from "vitest";

const ROUNDS = 30;
const VERSIONS = 5;
const SEED = Number(process.env.KILL_SEED ?? randomInt(2 ** 31));
const CHILD = fileURLToPath(new URL("repack-child.mjs", import.meta.url));

/** A repack in a process of its own; resolves with true when it came to its end before it was killed. */
async function repackAndKill(path: string, afterMs: number): Promise<boolean> {
  const child: ChildProcess = spawn(process.execPath, [CHILD, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit") as Promise<[number | null, string | null]>;
  if (child.stdout !== null) await once(child.stdout, "data");
  await Promise.race([wait(afterMs), ended]);
  child.kill("SIGKILL");
  const [code, signal] = await ended;
  if (code !== null && code !== 0) throw new Error(`repack ended with ${code}`);
  return signal === null;
}

async function assertAllThere(path: string, versions: readonly Version[]): Promise<void> {
  await using store = await openStore(path);
  for (const [index, { blob, bytes }] of versions.entries()) {
    const out = join(path, "..", `out${index}`);
    rmSync(out, { force: true });
    await store.objects.exportFiles([{ digest: blob, path: out, executable: false }], QUIET);
    expect(Buffer.compare(readFileSync(out), bytes), `version ${index}`).toBe(0);
  }
  expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
}

test(`${ROUNDS} kills of repack lose nothing (KILL_SEED=${SEED})`, { timeout: 600_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "smc-repack-"));
  try {
    const pristine = join(folder, "pristine");
    const path = join(folder, "store");
    let versions: readonly Version[];
    let smallest: number;
    {
      await using store = await openStore(pristine, { create: true });
      ({ versions } = await commitSeries(store, folder, VERSIONS));
    }
    cpSync(pristine, path, { recursive: true });
    const startedMs = performance.now();
    {
      await using store = await openStore(path);
      smallest = (await repack(store, {}, QUIET)).bytes.after;
    }
    const spanMs = performance.now() - startedMs;
    let state = SEED;
    let kills = 0;
    // After a repack that came to its end the next one would have nothing to do.
    let isDone = true;
    while (kills < ROUNDS) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      if (isDone || (state & 3) === 0) {
        rmSync(path, { recursive: true });
        cpSync(pristine, path, { recursive: true });
      }
      isDone = await repackAndKill(path, (state / 2 ** 32) * spanMs);
      if (isDone) rmSync(join(path, "db"), { recursive: true, force: true });
      else kills += 1;
      await assertAllThere(path, versions);
    }
    await using store = await openStore(path);
    await repack(store, { again: true }, QUIET);
    const { bytes } = await repack(store, { again: true }, QUIET);
    expect(bytes.after).toBeLessThan(smallest * 1.5);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
