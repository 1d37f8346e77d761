import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withFolder } from "@smc/store/testing";
import { expect, test } from "vitest";
import { type Client, createClient } from "./client.ts";
import { until } from "./testing.ts";

const SLOW_MS = 60_000;
const BYTES = 512 * 1024 * 1024;

/** Runs with a worktree that holds a file which takes a while to read. */
async function withLargeFile<T>(
  run: (client: Client, at: { folder: string }, file: string) => Promise<T>,
): Promise<T> {
  return withFolder(async (folder) => {
    const client = createClient({ storePath: join(folder, "store") });
    const at = { folder: join(folder, "work") };
    await mkdir(at.folder);
    await client.call("init", { at, input: {} });
    const file = join(at.folder, "large");
    await writeFile(file, "");
    await truncate(file, BYTES);
    try {
      return await run(client, at, file);
    } finally {
      await client.stop();
    }
  });
}

async function killWhenBusy(client: Client): Promise<void> {
  await until(async () => {
    const status = await client.daemonStatus();
    if (status === undefined || status.activeRequests === 0) return false;
    process.kill(status.pid, "SIGKILL");
    return true;
  });
}

test("a reading verb is sent again when its daemon is killed", { timeout: SLOW_MS }, async () => {
  await withLargeFile(async (client, at, file) => {
    const call = client.call("hash-object", { at, input: { files: [file] } });
    await killWhenBusy(client);
    expect(await call).toMatchObject([{ path: file, sizeBytes: BYTES }]);
  });
});

test(
  "a changing verb whose daemon is killed says that the outcome is not known",
  { timeout: SLOW_MS },
  async () => {
    await withLargeFile(async (client, at) => {
      const call = client.call("add", { at, input: { paths: ["large"] } });
      const [outcome] = await Promise.allSettled([call, killWhenBusy(client)]);
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: { code: "DAEMON_UNREACHABLE", hint: expect.stringContaining("may or may not have happened") },
      });
      expect(await client.call("add", { at, input: { paths: ["large"] } })).toMatchObject({
        added: ["large"],
      });
    });
  },
);
