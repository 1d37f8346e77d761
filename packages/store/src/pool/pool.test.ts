import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { PACK_RECORDS_MAX } from "../pack/format.ts";
import { withFolder } from "../testing/folder.ts";
import { Pool } from "./pool.ts";

const NEVER = new AbortController().signal;

test("tasks of more files than workers come back each with its own result", async () => {
  await withFolder(async (folder) => {
    await using pool = new Pool();
    const contents = Array.from({ length: 40 }, (_, index) => Buffer.from(`file ${index}`));
    const results = await Promise.all(
      contents.map((bytes, index) => {
        writeFileSync(join(folder, `${index}`), bytes);
        return pool.run("hash", { paths: [join(folder, `${index}`)] }, { signal: NEVER });
      }),
    );
    expect(results.map(([file]) => file?.digest)).toEqual(contents.map(hashBytes));
  });
});

test("a failed task does not keep its worker from the next one", async () => {
  await withFolder(async (folder) => {
    await using pool = new Pool();
    writeFileSync(join(folder, "there"), "x");
    const tasks = Array.from({ length: 20 }, (_, index) =>
      pool.run("hash", { paths: [join(folder, index % 2 === 0 ? "there" : "gone")] }, { signal: NEVER }).then(
        () => "done",
        (error: { code?: string }) => error.code,
      ),
    );
    expect(await Promise.all(tasks)).toEqual(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? "done" : "PATH_NOT_FOUND")),
    );
  });
});

test("a signal ends a running task and those that wait", async () => {
  await withFolder(async (folder) => {
    await using pool = new Pool();
    const file = join(folder, "large");
    writeFileSync(file, randomBytes(32 * 1024 * 1024));
    const stop = new AbortController();
    const codes = Array.from({ length: 6 }, () =>
      pool
        .run(
          "hash",
          { paths: Array.from({ length: 50 }, () => file) },
          { signal: stop.signal, onProgress: () => stop.abort() },
        )
        .then(
          () => "done",
          (error: { code?: string }) => error.code,
        ),
    );
    expect(await Promise.all(codes)).toEqual(Array(6).fill("CANCELED"));
  });
});

test("a session's packs hold what it put, and are gone when it is dropped", async () => {
  await withFolder(async (folder) => {
    await using pool = new Pool();
    mkdirSync(join(folder, "op"));
    const session = { op: "op", folder: join(folder, "op"), storeId: "ab".repeat(16) };
    const raw = Buffer.from("a tree");
    const objects = [{ kind: "tree" as const, digest: hashBytes(raw), raw }];
    const packs: string[][] = [];
    const options = {
      signal: NEVER,
      worker: 0,
      onPack: (pack: { rows: readonly { digest: string }[] }) =>
        packs.push(pack.rows.map(({ digest }) => digest)),
    };
    await pool.run("put", { ...session, objects }, options);
    await pool.run("seal", { op: "op" }, options);
    expect(packs).toEqual([[hashBytes(raw)]]);
    await pool.run("put", { ...session, objects }, options);
    await pool.run("drop", { op: "op" }, options);
    await pool.run("seal", { op: "op" }, options);
    expect(packs).toHaveLength(1);
  });
});

test("a pack that the last file of a task fills is told before the task ends", async () => {
  await withFolder(async (folder) => {
    await using pool = new Pool();
    mkdirSync(join(folder, "op"));
    const session = { op: "op", folder: join(folder, "op"), storeId: "ab".repeat(16) };
    const objects = Array.from({ length: PACK_RECORDS_MAX - 1 }, (_, index) => {
      const raw = Buffer.from(`object ${index}`);
      return { kind: "tree" as const, digest: hashBytes(raw), raw };
    });
    const packs: number[] = [];
    const options = {
      signal: NEVER,
      worker: 0,
      onPack: (pack: { rows: readonly unknown[] }) => packs.push(pack.rows.length),
    };
    await pool.run("put", { ...session, objects }, options);
    writeFileSync(join(folder, "last"), "the last record");
    // While this thread stands still, whatever both threads of the worker say piles up.
    const standStill = (): void => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    };
    const ask = (digests: readonly unknown[]): Promise<Uint8Array> => {
      setImmediate(standStill);
      return Promise.resolve(new Uint8Array(digests.length).fill(1));
    };
    await pool.run(
      "add",
      { ...session, files: [{ path: join(folder, "last"), parents: [] }] },
      { ...options, ask },
    );
    expect(packs).toEqual([PACK_RECORDS_MAX]);
  });
});

test("a closed pool refuses tasks and rejects those it had", async () => {
  const pool = new Pool();
  const running = pool
    .run("hash", { paths: ["/dev/null"] }, { signal: NEVER })
    .catch((error: { code?: string }) => error.code);
  await pool[Symbol.asyncDispose]();
  expect(await running).toBe("DAEMON_STOPPING");
  await expect(pool.run("hash", { paths: [] }, { signal: NEVER })).rejects.toMatchObject({
    code: "DAEMON_STOPPING",
  });
});

test.runIf(process.platform === "linux")(
  "on Linux, threads that work step back behind the one that answers",
  async () => {
    await withFolder(async (folder) => {
      await using pool = new Pool();
      writeFileSync(join(folder, "file"), "x");
      await pool.run("hash", { paths: [join(folder, "file")] }, { signal: NEVER });
      // proc(5): the nineteenth number of a thread's stat is its nice value.
      const nice = (thread: string): number => {
        const stat = readFileSync(`/proc/self/task/${thread}/stat`, "latin1");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
      };
      const own = nice(String(process.pid));
      expect(readdirSync("/proc/self/task").map(nice)).toContain(Math.min(own + 2, 19));
    });
  },
);
