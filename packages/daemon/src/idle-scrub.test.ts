import { join } from "node:path";
import { openStore } from "@smc/store";
import { flip, withFolder } from "@smc/store/testing";
import { readdirSync } from "node:fs";
import { pino } from "pino";
import { expect, test } from "vitest";
import { createClient } from "./client.ts";
import { idleScrub } from "./idle-scrub.ts";
import { createLogger } from "./logger.ts";
import { startDaemon } from "./run.ts";
import { until } from "./testing.ts";

const PACKS = 3;

async function fill(storePath: string): Promise<string[]> {
  await using store = await openStore(storePath, { create: true });
  for (let number = 0; number < PACKS; number += 1) {
    await using session = store.write("test");
    await session.putBlob(Buffer.from(`blob ${number}`.repeat(100)));
    await session.finish();
  }
  return readdirSync(join(storePath, "packs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".pack"))
    .map((name) => join(storePath, "packs", name));
}

test(
  "a daemon that nobody asks for anything finds a flipped byte in a pack",
  { timeout: 90_000 },
  async () => {
    await withFolder(async (folder) => {
      const storePath = join(folder, "store");
      const [pack = ""] = await fill(storePath);
      flip(pack, 130);
      const lines: string[] = [];
      const logger = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
      const daemon = await startDaemon({ storePath, logger, idleMs: 0, quietMs: 20 });
      // Asking the daemon would keep it from being idle.
      await until(() => lines.some((line) => line.includes("a pack is damaged")), 60_000);
      const client = createClient({ storePath });
      const { checks } = await client.call("doctor", { at: { folder }, input: {} });
      expect(checks.find(({ check }) => check === "scrub")).toMatchObject({ state: "fail" });
      await daemon.stop("test done");
    });
  },
);

test("a scrub keeps to its rate, stops when somebody asks for something, and goes on later", async () => {
  await withFolder(async (folder) => {
    const storePath = join(folder, "store");
    await fill(storePath);
    await using store = await openStore(storePath);
    const logger = createLogger("silent");
    const asked = new AbortController();
    // So slow that it rests for minutes after the first pack.
    const slow = idleScrub(store, logger, { mibPerSecond: 0.000_01, days: 30 })(asked.signal);
    await until(async () => (await store.scrubState()).never === PACKS - 1, 30_000);
    asked.abort();
    await slow;
    expect((await store.scrubState()).never).toBe(PACKS - 1);
    await idleScrub(store, logger, { mibPerSecond: 1000, days: 0 })(new AbortController().signal);
    expect((await store.scrubState()).never).toBe(PACKS - 1);
    await idleScrub(store, logger, { mibPerSecond: 1000, days: 30 })(new AbortController().signal);
    expect((await store.scrubState()).never).toBe(0);
  });
});
