import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Db, openDb } from "./db.ts";
import { ObjectIndex } from "./object-index.ts";
import { decodePack, encodePack } from "./object-rows.ts";
import { type Digest, digestFromBytes } from "../objects/digest.ts";
import type { RecordRow } from "../pack/format.ts";
import { withFolder } from "../testing/folder.ts";

const storeId = "0123456789abcdef0123456789abcdef";
const ROWS = 600;

function digest(text: string): Digest {
  return digestFromBytes(createHash("sha256").update(text).digest());
}

function rowsOf(from: number, to: number): RecordRow[] {
  return Array.from({ length: to - from }, (_, index) => ({
    digest: digest(`row ${from + index}`),
    kind: "chunk",
    codec: 0,
    flags: 0,
    offset: 64 + index * 100,
    storedBytes: 50,
    rawBytes: 50,
    headerCrc: 0,
  }));
}

const first = { name: digest("pack 1"), sizeBytes: 100_000, rows: rowsOf(0, ROWS) };
const second = { name: digest("pack 2"), sizeBytes: 100_000, rows: rowsOf(100, ROWS + 100) };

/** The index of a database that takes so many batches and then no more, as if its process were killed there. */
async function cutOff(
  db: Db,
  batches: number,
  work: (index: ObjectIndex) => Promise<void>,
): Promise<boolean> {
  let left = batches;
  const limited = new Proxy(db, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "batch") return value.bind(target) as unknown;
      return (...given: Parameters<Db["batch"]>) => {
        left -= 1;
        return left < 0 ? Promise.reject(new Error("killed")) : target.batch(...given);
      };
    },
  });
  const index = await ObjectIndex.open(limited);
  return work(index).then(
    () => false,
    (error: Error) => {
      if (error.message !== "killed") throw error;
      return true;
    },
  );
}

/** Cuts the work off after every number of batches; `check` sees what the next process does. */
async function everywhere(
  work: (index: ObjectIndex) => Promise<void>,
  check: (index: ObjectIndex) => Promise<void>,
): Promise<number> {
  for (let batches = 0; ; batches += 1) {
    const wasCut = await withFolder(async (folder) => {
      await using db = await openDb(join(folder, "db"), { storeId, create: true });
      await (await ObjectIndex.open(db)).addPack(first, []);
      const cut = await cutOff(db, batches, work);
      await check(await ObjectIndex.open(db));
      return cut;
    });
    if (!wasCut) return batches;
  }
}

async function expectWhole(index: ObjectIndex): Promise<void> {
  expect(index.partialPacks()).toEqual([]);
  const counts = await index.countRows();
  expect(counts).toEqual(new Map(index.packs().map(({ no, count }) => [no, count])));
  const digests = [...first.rows, ...second.rows].map((row) => row.digest);
  for (const place of await index.findMany(digests)) expect(index.packName(place?.pack ?? 0)).toBeDefined();
}

test("a pack whose rows are there in part says so, and adding it again makes it whole", async () => {
  const batches = await everywhere(
    (index) => index.addPack(second, []),
    async (index) => {
      const names = index.packs().map(({ name }) => name);
      expect(names).toContain(first.name);
      expect(index.wasCleared).toBe(false);
      if (!names.includes(second.name)) await index.addPack(second, []);
      await expectWhole(index);
    },
  );
  expect(batches).toBeGreaterThan(3);
});

test("a pack whose removal was cut off is not whole, and adding it again makes it so", async () => {
  const batches = await everywhere(
    async (index) => {
      await index.addPack(second, []);
      const [{ no } = { no: 0 }] = index.packs().filter(({ name }) => name === second.name);
      await index.forgetPack(
        no,
        second.rows.map((row) => row.digest),
        new Map(),
      );
    },
    async (index) => {
      if (!index.packs().some(({ name }) => name === second.name)) await index.addPack(second, []);
      await expectWhole(index);
    },
  );
  expect(batches).toBeGreaterThan(8);
});

test("decodePack() refuses what encodePack() does not write", () => {
  const row = Buffer.from(encodePack({ name: first.name, sizeBytes: 1, count: 2, isWhole: false }));
  expect(decodePack(row)).toEqual({ name: first.name, sizeBytes: 1, count: 2, isWhole: false });
  const corrupt = expect.objectContaining({ code: "INDEX_CORRUPT" }) as Error;
  expect(() => decodePack(row.subarray(1))).toThrow(corrupt);
  row.writeUInt16BE(2, 42);
  expect(() => decodePack(row)).toThrow(corrupt);
});

test("an index whose clearing was cut off says so until it was cleared", async () => {
  await everywhere(
    (index) => index.clear(),
    async (index) => {
      const names = index.packs().map(({ name }) => name);
      if (!index.wasCleared && names.length > 0) return expectAll(index);
      await index.clear();
      expect(await index.countRows()).toEqual(new Map());
      expect(index.packs()).toEqual([]);
    },
  );
});

async function expectAll(index: ObjectIndex): Promise<void> {
  const places = await index.findMany(first.rows.map((row) => row.digest));
  expect(places.every((place) => place !== undefined)).toBe(true);
}
