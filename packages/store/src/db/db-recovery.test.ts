import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDb } from "./db.ts";
import { markOpen } from "./db-recovery.ts";
import { flip } from "../testing/damage.ts";
import { withFolder } from "../testing/folder.ts";

const storeId = "0123456789abcdef0123456789abcdef";
const BUILT = new URL("../../dist/db/db.js", import.meta.url).href;
const ROWS = 500;
const NOTHING_COUNTED = new Map();
const FLIPS = 40;

function key(number: number): Uint8Array {
  return Buffer.from(`x${String(number).padStart(6, "0")}`);
}

/** A process of its own writes rows, not synced, and is killed. */
async function writeAndDie(path: string): Promise<void> {
  const program = `
    import { openDb } from ${JSON.stringify(BUILT)};
    const db = await openDb(${JSON.stringify(path)}, { storeId: "${storeId}", create: false });
    for (let n = 0; n < ${ROWS}; n++) {
      await db.batch([{ type: "put", key: Buffer.from("x" + String(n).padStart(6, "0")), value: Buffer.from("v") }], { sync: false });
    }
    process.send("written"); setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  await once(child, "message");
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** What the next owner sees: how the check went, and the rows. */
async function look(path: string): Promise<{ counted: unknown; rows: number }> {
  await using db = await openDb(path, { storeId, create: false });
  expect(db.wasUnclean).toBe(true);
  let rows = 0;
  for await (const _ of db.iterate({ gte: Buffer.from("x"), lt: Buffer.from("y") })) rows += 1;
  for (const number of [0, ROWS - 1]) if (rows === ROWS) expect(await db.get(key(number))).toBeDefined();
  return { counted: db.placeCounts, rows };
}

/** A LevelDB whose owner was killed: all rows in a log, or in a table. */
async function withKilled(where: "log" | "table", run: (path: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "db");
    await (await openDb(path, { storeId, create: true }))[Symbol.asyncDispose]();
    await writeAndDie(path);
    if (where === "table") {
      await (await openDb(path, { storeId, create: false }))[Symbol.asyncDispose]();
      await (await openDb(path, { storeId, create: false }))[Symbol.asyncDispose]();
      await markOpen(path);
    }
    await run(path);
  });
}

async function fileOf(path: string, ending: string): Promise<string> {
  const names = (await readdir(path)).filter((name) => name.endsWith(ending));
  const sized = await Promise.all(
    names.map(async (name) => ({ name, size: (await stat(join(path, name))).size })),
  );
  return join(path, sized.sort((a, b) => b.size - a.size)[0]?.name ?? "");
}

async function replaceInMarker(path: string, from: RegExp, to: string): Promise<void> {
  const text = await readFile(`${path}.open`, "utf8");
  expect(text).toMatch(from);
  await writeFile(`${path}.open`, text.replace(from, to));
}

const IS_LINUX = process.platform === "linux";

test.runIf(IS_LINUX)(
  "after a kill openDb() finds all that was written, synced or not, and reads no row for that",
  () =>
    withKilled("log", async (path) => {
      expect(await look(path)).toEqual({ counted: undefined, rows: ROWS });
      expect((await readdir(join(path, ".."))).sort()).toEqual(["db", "db.clean"]);
    }),
  20_000,
);

test.runIf(IS_LINUX).each([
  [
    "a power cut",
    (path: string) =>
      replaceInMarker(path, /"bootId": "[^"]*"/, '"bootId": "00000000-0000-4000-8000-000000000000"'),
  ],
  ["a marker that a power cut cut off", (path: string) => truncate(`${path}.open`, 20)],
  ["a stop that no marker tells of", (path: string) => rm(`${path}.open`)],
  [
    "a kill, and a copy of the folder in its place",
    async (path: string) => {
      await rename(path, `${path}.away`);
      await cp(`${path}.away`, path, { recursive: true });
    },
  ],
  [
    "a kill while LevelDB had two logs",
    async (path: string) => writeFile(join(path, "000001.log"), await readFile(await fileOf(path, ".log"))),
  ],
  [
    "a kill that left a table that LevelDB does not know",
    (path: string) => writeFile(join(path, "000999.ldb"), "the begin of a table"),
  ],
])(
  "after %s openDb() reads every row",
  (_, change) =>
    withKilled("log", async (path) => {
      await change(path);
      expect(await look(path)).toEqual({ counted: NOTHING_COUNTED, rows: ROWS });
    }),
  20_000,
);

test.runIf(IS_LINUX)(
  "after a kill a flipped bit of a table is found, wherever it is",
  () =>
    withKilled("table", async (path) => {
      const table = await fileOf(path, ".ldb");
      const bytes = await readFile(table);
      const places = Array.from({ length: FLIPS }, (_, at) => Math.floor((at * bytes.length) / FLIPS));
      // The last 48 bytes are the footer, which has room that means nothing; before it come index and filter.
      for (const at of [...places, bytes.length - 49, bytes.length - 60, bytes.length - 1]) {
        flip(table, at, at % 8);
        const outcome = await look(path).catch((error: { code?: string }) => error.code);
        if (at < bytes.length - 48) expect(outcome, `byte ${at}`).toBe("INDEX_CORRUPT");
        else
          expect(["INDEX_CORRUPT", ROWS], `byte ${at}`).toContain(
            (outcome as { rows?: number }).rows ?? outcome,
          );
        await writeFile(table, bytes);
      }
      await truncate(table, bytes.length - 1);
      await expect(look(path)).rejects.toMatchObject({ code: "INDEX_CORRUPT" });
    }),
  60_000,
);

test.runIf(IS_LINUX).each([
  ["a flipped bit", (bytes: Buffer, at: number) => bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)],
  ["zeros", (bytes: Buffer, at: number) => bytes.fill(0, at, at + 4096)],
])(
  "after a kill %s in the log is found, or every row is read",
  (_, damage) =>
    withKilled("log", async (path) => {
      const log = await fileOf(path, ".log");
      const bytes = await readFile(log);
      damage(bytes, Math.floor(bytes.length / 3));
      await writeFile(log, bytes);
      const outcome = await look(path).catch((error: { code?: string }) => error.code);
      if (outcome !== "INDEX_CORRUPT") expect(outcome).toMatchObject({ counted: NOTHING_COUNTED });
    }),
  20_000,
);

test.runIf(IS_LINUX)(
  "after a kill a log that was cut off gives the rows before, none of them missing",
  () =>
    withKilled("log", async (path) => {
      const log = await fileOf(path, ".log");
      await truncate(log, Math.floor((await stat(log)).size / 2));
      await using db = await openDb(path, { storeId, create: false });
      const found = await db.getMany(Array.from({ length: ROWS }, (_, number) => key(number)));
      const rows = found.indexOf(undefined);
      expect(rows).toBeGreaterThan(ROWS / 4);
      expect(found.slice(rows).every((value) => value === undefined)).toBe(true);
      expect(db.placeCounts).toBeUndefined();
    }),
  20_000,
);
