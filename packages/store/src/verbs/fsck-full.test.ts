import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore, type OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import { flip, offsetsOf } from "../testing/damage.ts";
import { withFolder } from "../testing/folder.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { type Bench, openBench } from "../testing/worktree.ts";
import { add } from "./add.ts";
import { fsck } from "./fsck.ts";

const SLOW_MS = 120_000;

/** A store with two commits, a blob of several chunks, a difference, and small objects. */
async function filled(store: OwnedStore, folder: string): Promise<Bench> {
  const bench = await openBench(store, join(folder, "model"));
  const weights = new Float32Array(400_000).map((_, index) => Math.sin(index * index));
  await bench.commit({ "w.bin": new Uint8Array(weights.buffer), "notes.txt": "one" });
  for (let index = 0; index < weights.length; index += 3) weights[index] = (weights[index] ?? 0) * 1.0001;
  await bench.commit({ "w.bin": new Uint8Array(weights.buffer), "notes.txt": "two" });
  return bench;
}

/** Changes a byte, checks, and puts the byte back. */
async function findsEach(store: OwnedStore, path: string, offsets: readonly number[]): Promise<number[]> {
  const missed: number[] = [];
  for (const offset of offsets) {
    flip(path, offset, offset % 8);
    const { ok } = await fsck(store, { full: true }, QUIET);
    if (ok) missed.push(offset);
    flip(path, offset, offset % 8);
  }
  return missed;
}

test("fsck --full finds a changed byte anywhere in a pack", { timeout: SLOW_MS }, async () => {
  await withStore(async (store, folder) => {
    await filled(store, folder);
    const packs = store.index.packs().sort((a, b) => b.sizeBytes - a.sizeBytes);
    for (const { name, sizeBytes } of [packs[0], packs.at(-1)].filter((pack) => pack !== undefined)) {
      const path = packPath(store.path, name);
      const ends = [
        0,
        8,
        17,
        33,
        50,
        61,
        64,
        69,
        72,
        79,
        112,
        124,
        sizeBytes - 1,
        sizeBytes - 20,
        sizeBytes - 60,
      ];
      expect(await findsEach(store, path, [...ends, ...offsetsOf(path, 12)])).toEqual([]);
    }
    expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, healed: [] });
  });
});

test("fsck --full finds a changed byte anywhere in the journal", { timeout: SLOW_MS }, async () => {
  await withStore(async (store, folder) => {
    await filled(store, folder);
    const path = join(store.path, "journal", "000001.log");
    const header = [0, 8, 12, 20, 33, 41, 45, 50, 90, 125];
    expect(await findsEach(store, path, [...header, ...offsetsOf(path, 25)])).toEqual([]);
    expect((await fsck(store, { full: true }, QUIET)).checked.journalRecords).toBeGreaterThan(3);
  });
});

test("fsck --full finds every changed byte of format.json", { timeout: SLOW_MS }, async () => {
  await withStore(async (store) => {
    const path = join(store.path, "format.json");
    expect(await findsEach(store, path, offsetsOf(path, 1000))).toEqual([]);
  });
});

test("fsck takes a format.json from before it had a checksum", async () => {
  await withStore(async (store) => {
    const path = join(store.path, "format.json");
    const { checksum, ...fields }: Record<string, unknown> = JSON.parse(readFileSync(path, "utf8"));
    expect(checksum).toMatch(/^[0-9a-f]{64}$/);
    writeFileSync(path, `${JSON.stringify(fields, undefined, 2)}\n`);
    expect((await fsck(store, { full: true }, QUIET)).ok).toBe(true);
  });
});

const DIGEST = "ab".repeat(32);

/** What a bad row looks like to its reader: right checksum, wrong content; or no row. */
const ROWS: [string, string, (value: Uint8Array) => Uint8Array | undefined][] = [
  ["a place in another pack", "o", (value) => Buffer.concat([Buffer.of(0, 0, 0, 99), value.subarray(4)])],
  ["a place at another offset", "o", (value) => value.map((byte, at) => (at === 9 ? byte ^ 64 : byte))],
  ["a place of another kind", "o", (value) => value.map((byte, at) => (at === 18 ? byte ^ 1 : byte))],
  ["a lost place", "o", () => undefined],
  ["a lost blob", "b", () => undefined],
  ["a blob of another list", "b", (value) => Buffer.concat([Buffer.from(DIGEST, "hex"), value.subarray(32)])],
  ["a blob of another size", "b", (value) => value.map((byte, at) => (at === 37 ? byte ^ 1 : byte))],
  ["a pack of another size", "p", (value) => value.map((byte, at) => (at === 37 ? byte ^ 1 : byte))],
  ["a lost pack", "p", () => undefined],
  ["a ref at another commit", "r", (value) => value.map((byte, at) => (at === 0 ? byte ^ 1 : byte))],
  ["a lost ref", "r", () => undefined],
  ["a lost entry of a reflog", "R", () => undefined],
  ["another entry of a reflog", "R", (value) => value.map((byte, at) => (at === 40 ? byte ^ 1 : byte))],
  ["a lost event", "e", () => undefined],
  ["a lost folded name", "f", () => undefined],
  ["a lost repository", "q", () => undefined],
  ["a repository of another time", "q", (value) => value.map((byte, at) => (at === 7 ? byte ^ 1 : byte))],
  ["a lost worktree", "w", () => undefined],
];

function setAside(store: OwnedStore): string[] {
  return readdirSync(store.path).filter((name) => name.startsWith("db.damaged-"));
}

/** All rows; packs get other numbers when the index is made anew. */
async function everyRow(store: OwnedStore): Promise<string[]> {
  const rows: string[] = [];
  for await (const [key, value] of store.db.iterate({ gte: Buffer.of(0), lt: Buffer.of(0xff) })) {
    const tag = String.fromCharCode(key[0] ?? 0);
    // When packs were read last is not made anew.
    if (tag === "c") continue;
    const numbered = tag === "o" ? [key, value.subarray(4)] : tag === "p" ? [value] : [key, value];
    rows.push(Buffer.concat(numbered).toString("hex"));
  }
  return rows.sort();
}

test("fsck --full finds every wrong row in LevelDB and makes it anew", { timeout: SLOW_MS }, async () => {
  await withStore(async (store, folder) => {
    await filled(store, folder);
    const before = await everyRow(store);
    for (const [number, [what, tag, change]] of ROWS.entries()) {
      const range = { gte: Buffer.from(tag), lt: Buffer.of(tag.charCodeAt(0) + 1), limit: 1, reverse: true };
      for await (const [key, value] of store.db.iterate(range)) {
        const changed = change(value);
        await store.db.batch(
          [changed === undefined ? { type: "del", key } : { type: "put", key, value: changed }],
          { sync: true },
        );
      }
      const found = await fsck(store, { full: true }, QUIET);
      expect(found, what).toMatchObject({ ok: true, problems: [] });
      expect(found.healed.length, what).toBeGreaterThan(0);
      // Told as a number: the rows themselves would fill pages.
      const after = await everyRow(store);
      expect(after.length, what).toBe(before.length);
      expect(after.filter((row, index) => row !== before[index]).length, what).toBe(0);
      expect(setAside(store), what).toHaveLength(number + 1);
    }
    expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, healed: [] });
  });
});

test("a ref that no record of the journal made is found and gone", async () => {
  await withStore(async (store, folder) => {
    await filled(store, folder);
    const key = Buffer.from("rmodel\0refs/heads/never");
    const value = Buffer.concat([Buffer.from(DIGEST, "hex"), Buffer.alloc(8)]);
    await store.db.batch([{ type: "put", key, value }], { sync: true });
    const found = await fsck(store, { full: true }, QUIET);
    expect(found.ok).toBe(true);
    expect(found.healed.length).toBeGreaterThan(0);
    expect((await store.refs.list("model")).map(({ name }) => name)).not.toContain("refs/heads/never");
  });
});

test("LevelDB is not made anew from a damaged journal", async () => {
  await withStore(async (store, folder) => {
    await filled(store, folder);
    flip(join(store.path, "journal", "000001.log"), 300);
    await store.db.batch([{ type: "del", key: Buffer.from("rmodel\0refs/heads/main") }], { sync: true });
    await store.db.batch([{ type: "del", key: Buffer.from("j") }], { sync: true });
    const { ok, problems } = await fsck(store, { full: true }, QUIET);
    expect(ok).toBe(false);
    expect(problems.map(({ message }) => message).join()).toContain("000001.log' is damaged at byte");
    expect(setAside(store)).toEqual([]);
  });
});

test(
  "a row damaged on the disk is met by a reader, and the next start makes LevelDB anew",
  { timeout: SLOW_MS },
  async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "store");
      const store = await openStore(path, { create: true });
      const bench = await filled(store, folder);
      await store[Symbol.asyncDispose]();
      const database = join(path, "db");
      for (const name of readdirSync(database).filter((file) => /\.(log|ldb)$/.test(file))) {
        const offsets = offsetsOf(join(database, name), 60).slice(5, -5);
        for (const offset of offsets) flip(join(database, name), offset, 3);
      }
      await using again = await openStore(path);
      expect(again.recovery.rebuilt).toBeDefined();
      expect(await fsck(again, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
      expect(await again.refs.list("model")).toHaveLength(2);
      expect(bench.root).toContain("model");
    });
  },
);

test("fsck names a lost blob of a stage and the file that needs it", async () => {
  await withStore(async (store, folder) => {
    const bench = await filled(store, folder);
    const before = new Set(store.index.packs().map(({ name }) => name));
    await bench.write({ "staged.bin": "only staged" });
    await add(bench.repository, { paths: ["staged.bin"] }, QUIET);
    const pack = store.index.packs().find(({ name }) => !before.has(name));
    if (pack === undefined) throw new Error("no new pack");
    rmSync(packPath(store.path, pack.name));
    const { problems } = await fsck(store, {}, QUIET);
    expect(problems.map(({ message }) => message).join()).toContain("the pack is gone");
    expect(problems.flatMap(({ affects }) => affects)).toContain(`stage of ${bench.root} /staged.bin`);
  });
});

test("fsck says that the stage of a worktree is damaged", async () => {
  await withStore(async (store, folder) => {
    const bench = await filled(store, folder);
    flip(join(bench.root, ".smc", "stage"), 90);
    const { problems } = await fsck(store, {}, QUIET);
    expect(problems.map(({ message }) => message).join()).toContain("the stage is damaged");
  });
});

test("quick and full exclude each other", async () => {
  await withStore(async (store) => {
    const both = fsck(store, { quick: true, full: true }, QUIET);
    await expect(both).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});
