import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Db, openDb } from "./db.ts";
import { watchLock } from "./db-lock.ts";
import { damageRow } from "../testing/damage.ts";
import { withFolder } from "../testing/folder.ts";

const storeId = "0123456789abcdef0123456789abcdef";
const BUILT = new URL("../../dist/db/db.js", import.meta.url).href;

function key(number: number): Uint8Array {
  return Buffer.from(`x${String(number).padStart(6, "0")}`);
}

async function put(db: Db, from: number, to: number, sync = true): Promise<void> {
  for (let number = from; number < to; number++) {
    await db.batch([{ type: "put", key: key(number), value: Buffer.from(`value ${number}`) }], { sync });
  }
}

async function count(db: Db): Promise<number> {
  let found = 0;
  for await (const row of db.iterate({ gte: Buffer.from("x"), lt: Buffer.from("y") }))
    found += row.length / 2;
  return found;
}

function writeAndWait(path: string, rows: number): string {
  return `
    const db = await openDb(${JSON.stringify(path)}, { storeId, create: false });
    for (let n = 0; n < ${rows}; n++) {
      await db.batch([{ type: "put", key: Buffer.from("x" + String(n).padStart(6, "0")), value: Buffer.from("v") }], { sync: true });
    }
    process.send("written"); setInterval(() => undefined, 1000);`;
}

test("openDb() makes a database, keeps what is written, and iterates in the order of the bytes", () =>
  withFolder(async (folder) => {
    const path = join(folder, "db");
    {
      await using db = await openDb(path, { storeId, create: true });
      await put(db, 0, 30);
      await db.batch([{ type: "del", key: key(3) }], { sync: false });
      expect(db.wasUnclean).toBe(false);
    }
    expect((await readdir(folder)).sort()).toEqual(["db", "db.clean"]);
    await using db = await openDb(path, { storeId, create: false });
    expect((await readdir(folder)).sort()).toEqual(["db", "db.open"]);
    expect(db.wasUnclean).toBe(false);
    const values = await db.getMany([key(1), key(3), key(5)]);
    expect(values.map((value) => value && Buffer.from(value).toString())).toEqual([
      "value 1",
      undefined,
      "value 5",
    ]);
    const keys: string[] = [];
    for await (const [found] of db.iterate({ gte: key(2), lt: key(10), reverse: true, limit: 3 })) {
      keys.push(Buffer.from(found).toString());
    }
    expect(keys).toEqual(["x000009", "x000008", "x000007"]);
    expect(await count(db)).toBe(29);
    expect(await db.applied()).toBeUndefined();
  }));

test("openDb() opens a path once in this process, and a closed database answers nothing", () =>
  withFolder(async (folder) => {
    const path = join(folder, "db");
    const db = await openDb(path, { storeId, create: true });
    const second = openDb(`${folder}/./db`, { storeId, create: false });
    await expect(second).rejects.toMatchObject({ code: "STORE_LOCKED" });
    await put(db, 0, 1);
    await db[Symbol.asyncDispose]();
    await db[Symbol.asyncDispose]();
    await expect(db.get(key(0))).rejects.toMatchObject({ code: "DAEMON_STOPPING" });
    await using again = await openDb(path, { storeId, create: false });
    expect(await count(again)).toBe(1);
  }));

test(
  "openDb() refuses a database that another process has open",
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "db");
      await (await openDb(path, { storeId, create: true }))[Symbol.asyncDispose]();
      const child = spawn(
        process.execPath,
        [
          "--input-type=module",
          "-e",
          `import { openDb } from ${JSON.stringify(BUILT)}; const storeId = "${storeId}"; ${writeAndWait(path, 1)}`,
        ],
        { stdio: ["ignore", "inherit", "inherit", "ipc"] },
      );
      try {
        await once(child, "message");
        await expect(openDb(path, { storeId, create: false })).rejects.toMatchObject({
          code: "STORE_LOCKED",
        });
      } finally {
        child.kill("SIGKILL");
      }
      await using db = await openDb(path, { storeId, create: false });
      expect(db.wasUnclean).toBe(true);
      expect(await count(db)).toBe(1);
    }),
  20_000,
);

test("openDb() says INDEX_CORRUPT for a missing database, one without CURRENT, and one of another store", () =>
  withFolder(async (folder) => {
    const path = join(folder, "db");
    const corrupt = { code: "INDEX_CORRUPT" };
    await expect(openDb(path, { storeId, create: false })).rejects.toMatchObject(corrupt);
    expect(await readdir(folder)).toEqual([]);
    {
      await using db = await openDb(path, { storeId, create: true });
      await put(db, 0, 3);
    }
    await expect(openDb(path, { storeId: "f".repeat(32), create: false })).rejects.toMatchObject(corrupt);
    const tables = (await readdir(path)).length;
    await rename(join(path, "CURRENT"), join(folder, "CURRENT"));
    await expect(openDb(path, { storeId, create: false })).rejects.toMatchObject(corrupt);
    expect((await readdir(path)).length).toBe(tables - 1);
    await rename(join(folder, "CURRENT"), join(path, "CURRENT"));
    await using db = await openDb(path, { storeId, create: false });
    expect(await count(db)).toBe(3);
  }));

test.runIf(process.platform === "linux")(
  "batch() takes LevelDB's lock again after something in this process dropped it",
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "db");
      await using db = await openDb(path, { storeId, create: true });
      await put(db, 0, 1);
      const isLocked = () => watchLock(path) !== undefined;
      expect(isLocked()).toBe(true);
      await readFile(join(path, "LOCK"));
      expect(isLocked()).toBe(false);
      await put(db, 1, 2);
      expect(isLocked()).toBe(true);
      expect(await count(db)).toBe(2);
    }),
);

test(
  "a flipped bit is found at open or when the value is read, never returned",
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "db");
      const rows = 40;
      {
        await using db = await openDb(path, { storeId, create: true });
        await put(db, 0, rows);
      }
      const names = (await readdir(path)).filter((name) => /\.(log|ldb)$|^MANIFEST|^CURRENT/.test(name));
      const files = await Promise.all(
        names.map(async (name) => ({ name, bytes: await readFile(join(path, name)) })),
      );
      let flips = 0;
      for (const { name, bytes } of files) {
        for (let at = 1; at < bytes.length; at += 1 + Math.floor(bytes.length / 12)) {
          await rm(path, { recursive: true });
          await mkdir(path);
          for (const each of files) await writeFile(join(path, each.name), each.bytes);
          const file = await open(join(path, name), "r+");
          await file.write(Buffer.of((bytes[at] ?? 0) ^ 0x10), 0, 1, at);
          await file.close();
          await rm(`${path}.clean`, { force: true });
          if (flips++ % 2 === 0) await writeFile(`${path}.clean`, "");
          const outcome = await readAll(path).catch((error: { code?: string }) => error.code);
          if (outcome !== "INDEX_CORRUPT") expect(outcome, `${name} ${at}`).toBe(rows);
        }
      }
      expect(flips).toBeGreaterThan(20);
    }),
  60_000,
);

async function readAll(path: string): Promise<number> {
  await using db = await openDb(path, { storeId, create: false });
  let found = 0;
  for await (const [rowKey, value] of db.iterate({ gte: Buffer.from("x"), lt: Buffer.from("y") })) {
    expect(Buffer.from(value).toString()).toBe(`value ${Number(Buffer.from(rowKey).toString().slice(1))}`);
    found += 1;
  }
  return found;
}

test("a log that lost its tail gives the rows before it", () =>
  withFolder(async (folder) => {
    const path = join(folder, "db");
    {
      await using db = await openDb(path, { storeId, create: true });
      await put(db, 0, 20);
    }
    const log = (await readdir(path)).find((name) => name.endsWith(".log")) ?? "";
    const { length } = await readFile(join(path, log));
    await truncate(join(path, log), Math.floor(length / 2));
    await rm(`${path}.clean`);
    await using db = await openDb(path, { storeId, create: false });
    const found = await count(db);
    expect(found).toBeGreaterThan(5);
    expect(found).toBeLessThan(20);
  }));

test.runIf(process.platform === "linux")(
  "batch() works again when a file may grow again, and reads go on meanwhile",
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "db");
      await (await openDb(path, { storeId, create: true }))[Symbol.asyncDispose]();
      // The limit on file sizes is a full disk that needs no root: writes fail with EFBIG until it is lifted.
      const program = `
      import { execFileSync } from "node:child_process";
      import { openDb } from ${JSON.stringify(BUILT)};
      const limit = (value) => execFileSync("prlimit", ["--pid", String(process.pid), "--fsize=" + value + ":unlimited"]);
      const put = (n) => db.batch([{ type: "put", key: Buffer.from("x" + n), value: Buffer.alloc(3000, n) }], { sync: true });
      const db = await openDb(${JSON.stringify(path)}, { storeId: "${storeId}", create: false });
      let acked = 0;
      limit(20000);
      const errors = [];
      for (let n = 0; n < 30; n++) {
        try { await put(n); acked++; } catch (error) { errors.push(error.code); }
      }
      const readable = (await db.get(Buffer.from("x0")))?.length;
      limit("unlimited");
      await put(98);
      await put(99);
      const after = [];
      for await (const [key] of db.iterate({ gte: Buffer.from("x"), lt: Buffer.from("y") })) after.push(Buffer.from(key).toString());
      await db[Symbol.asyncDispose]();
      console.log(JSON.stringify({ acked, errors, readable, after }));`;
      const out = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
        encoding: "utf8",
      });
      const report = JSON.parse(out) as {
        acked: number;
        errors: string[];
        readable: number;
        after: string[];
      };
      expect(new Set(report.errors)).toEqual(new Set(["IO_FAILED"]));
      expect(report.acked).toBeGreaterThan(0);
      expect(report.readable).toBe(3000);
      expect(report.after).toEqual(expect.arrayContaining(["x0", "x98", "x99"]));
      await using db = await openDb(path, { storeId, create: false });
      expect(db.wasUnclean).toBe(false);
      expect(await count(db)).toBe(report.after.length);
      expect(await count(db)).toBeGreaterThanOrEqual(report.acked + 2);
    }),
  30_000,
);

/** A database with one row whose checksum does not fit, closed well. */
async function withDamagedRow(run: (path: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "db");
    const db = await openDb(path, { storeId, create: true });
    await put(db, 0, 3);
    await db[Symbol.asyncDispose]();
    await damageRow(folder, key(1));
    await run(path);
  });
}

test("who met a damaged row does not close the database well, so the next open reads all of it", () =>
  withDamagedRow(async (path) => {
    const db = await openDb(path, { storeId, create: false });
    expect(db).toMatchObject({ wasUnclean: false, isDamaged: false });
    await expect(db.get(key(1))).rejects.toMatchObject({ code: "INDEX_CORRUPT" });
    expect(db.isDamaged).toBe(true);
    await db[Symbol.asyncDispose]();
    await expect(openDb(path, { storeId, create: false })).rejects.toMatchObject({ code: "INDEX_CORRUPT" });
  }));

test("renew() sets a damaged database aside and goes on with an empty one", () =>
  withDamagedRow(async (path) => {
    await using db = await openDb(path, { storeId, create: false });
    await expect(count(db)).rejects.toMatchObject({ code: "INDEX_CORRUPT" });
    const [, found] = await Promise.all([db.renew(), db.get(key(0)).catch(() => undefined)]);
    expect([undefined, "value 0"]).toContain(found === undefined ? undefined : Buffer.from(found).toString());
    expect(db.isDamaged).toBe(false);
    expect(await count(db)).toBe(0);
    await put(db, 5, 6);
    expect(await count(db)).toBe(1);
    expect(await readdir(join(path, ".."))).toContain("db.damaged-1");
  }));
