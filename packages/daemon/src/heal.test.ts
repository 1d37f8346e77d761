import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "@smc/store";
import { damageRow, withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";
import { startDaemon } from "./run.ts";
import { createClient } from "./client.ts";

/** A store whose index says nothing of one blob that can be read. */
async function damaged(storePath: string): Promise<string> {
  const store = await openStore(storePath, { create: true });
  await using session = store.write("test");
  const { digest } = await session.putBlob(Buffer.from("a blob"));
  await session.finish();
  const reason = { op: "init", reason: "init", actor: "Ada <ada@example.org>" };
  await store.refs.createRepository("demo", reason);
  await store[Symbol.asyncDispose]();
  await damageRow(storePath, Buffer.concat([Buffer.from("o"), Buffer.from(digest, "hex")]));
  return digest;
}

test(
  "a verb that meets a damaged row of LevelDB has it made anew and answers",
  { timeout: 60_000 },
  async () => {
    await withFolder(async (folder) => {
      const storePath = join(folder, "store");
      const digest = await damaged(storePath);
      const daemon = await startDaemon({ storePath, logger: createLogger("silent"), idleMs: 0, quietMs: 0 });
      const client = createClient({ storePath });
      const at = { folder, repository: "demo" };
      const found = await client.call("cat-file", { at, input: { revision: digest } });
      expect(found).toMatchObject({ digest, kind: "blob" });
      expect(readdirSync(storePath)).toContain("db.damaged-1");
      await daemon.stop("test done");
    });
  },
);
