import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "@smc/store";
import { withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";
import { startDaemon } from "./run.ts";
import { until } from "./testing.ts";

const PACKS = 12;

function packs(storePath: string): string[] {
  return readdirSync(join(storePath, "packs"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".pack"),
  );
}

/** A store with many small packs. */
async function fill(storePath: string): Promise<void> {
  await using store = await openStore(storePath, { create: true });
  for (let number = 0; number < PACKS; number += 1) {
    await using session = store.write("test");
    await session.putBlob(Buffer.from(`blob ${number}`));
    await session.finish();
  }
}

test(
  "a daemon that nobody asks for anything puts small packs together; with 0 it never does",
  { timeout: 90_000 },
  async () => {
    await withFolder(async (folder) => {
      const storePath = join(folder, "store");
      await fill(storePath);
      expect(packs(storePath)).toHaveLength(PACKS);
      const logger = createLogger("silent");
      const never = await startDaemon({ storePath, logger, idleMs: 0, quietMs: 0 });
      await never.stop("test done");
      expect(packs(storePath)).toHaveLength(PACKS);
      const daemon = await startDaemon({ storePath, logger, idleMs: 0, quietMs: 20 });
      await until(() => packs(storePath).length === 1, 60_000);
      await daemon.stop("test done");
      await using store = await openStore(storePath);
      expect(store.index.packs()).toHaveLength(1);
    });
  },
);
