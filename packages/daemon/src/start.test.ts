import { readdirSync, readFileSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";
import { presenceOf } from "./presence.ts";
import { startDaemon } from "./run.ts";
import { tryStart } from "./start.ts";
import { until } from "./testing.ts";

const never = new AbortController().signal;

/** The process that was started for this store; undefined before it runs our program. */
function findDaemon(storePath: string): number | undefined {
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      if (words.includes(storePath) && words.includes("--ready-fd")) return Number(name);
    } catch {
      // It ended meanwhile.
    }
  }
  return undefined;
}

/** Starts a daemon and stops its process before it has done anything. */
async function startHung(storePath: string): Promise<{ tried: Promise<boolean>; pid: number }> {
  const tried = tryStart(presenceOf(storePath), never);
  let pid: number | undefined;
  await until(() => (pid = findDaemon(storePath)) !== undefined);
  process.kill(pid ?? 0, "SIGSTOP");
  return { tried, pid: pid ?? 0 };
}

test.skipIf(process.platform !== "linux")(
  "on Linux, where /proc tells: a daemon that hangs before it has the store is ended, and the next try starts another",
  async () => {
    await withFolder(async (folder) => {
      const storePath = join(await realpath(folder), "store");
      const { tried } = await startHung(storePath);
      expect(await tried).toBe(false);
      await until(() => findDaemon(storePath) === undefined);
      expect(await tryStart(presenceOf(storePath), never)).toBe(true);
      process.kill(findDaemon(storePath) ?? 0, "SIGTERM");
      await until(() => findDaemon(storePath) === undefined);
    });
  },
);

test.skipIf(process.platform !== "linux")(
  "on Linux, where /proc tells: whoever waits for a daemon goes on when the socket answers, whatever its process says",
  async () => {
    await withFolder(async (folder) => {
      const storePath = join(await realpath(folder), "store");
      const { tried, pid } = await startHung(storePath);
      const daemon = await startDaemon({ storePath, logger: createLogger("silent"), idleMs: 0 });
      try {
        expect(await tried).toBe(true);
      } finally {
        process.kill(pid, "SIGKILL");
        await daemon.stop("test done", true);
      }
    });
  },
);
