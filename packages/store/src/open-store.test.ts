import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDb } from "./db/db.ts";
import { ObjectIndex } from "./db/object-index.ts";
import { encodePack, key, packBytes, TAG } from "./db/object-rows.ts";
import { isSmcError } from "./errors.ts";
import { refName } from "./objects/names.ts";
import { openStore, type OwnedStore } from "./open-store.ts";
import { packPath } from "./pack/folder.ts";
import { flip } from "./testing/damage.ts";
import { QUIET, withFolder } from "./testing/testing.ts";
import { fsck } from "./verbs/fsck.ts";
import { fill } from "./testing/fill.ts";
import type { Digest } from "./objects/digest.ts";

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
    return "nothing thrown";
  } catch (error) {
    return isSmcError(error) ? error.code : String(error);
  }
}

async function assertWhole(store: OwnedStore, tree: Digest): Promise<void> {
  expect(await store.refs.read("demo", refName("refs/heads/", "main"))).toBe(tree);
  const result = await fsck(store, { full: true }, QUIET);
  expect(result.problems).toEqual([]);
  expect(result.checked).toMatchObject({ refs: 1, trees: 1, blobs: 1 });
}

test("a store that was closed opens again with everything", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const { tree } = await openStore(path, { create: true }).then(async (store) => {
      const filled = await fill(store, folder);
      await store[Symbol.asyncDispose]();
      return filled;
    });
    await using again = await openStore(path);
    await assertWhole(again, tree);
    expect(again.recovery.rebuilt).toBeUndefined();
  });
});

test("db/ deleted whole comes back from packs and journal, by itself and by rebuild()", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const first = await openStore(path, { create: true });
    const { tree } = await fill(first, folder);
    await first[Symbol.asyncDispose]();
    rmSync(join(path, "db"), { recursive: true });
    await using again = await openStore(path);
    expect(again.recovery.rebuilt).toBeDefined();
    await assertWhole(again, tree);
    await again.rebuild();
    await assertWhole(again, tree);
  });
});

test("a pack that LevelDB forgot is indexed again at the next start", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const first = await openStore(path, { create: true });
    await first[Symbol.asyncDispose]();
    renameSync(join(path, "db"), join(folder, "old-db"));
    const second = await openStore(path);
    const { tree } = await fill(second, folder);
    await second[Symbol.asyncDispose]();
    rmSync(join(path, "db"), { recursive: true });
    renameSync(join(folder, "old-db"), join(path, "db"));
    await using again = await openStore(path);
    await assertWhole(again, tree);
  });
});

/** Takes rows of the packs away, as if the process had been killed while it added or forgot them. */
async function leaveInPart(path: string): Promise<Digest[]> {
  const { storeId } = JSON.parse(readFileSync(join(path, "format.json"), "utf8")) as { storeId: string };
  await using db = await openDb(join(path, "db"), { storeId, create: false });
  const index = await ObjectIndex.open(db);
  for (const pack of index.packs()) {
    const value = encodePack({ ...pack, isWhole: false });
    await db.batch([{ type: "put", key: key(TAG.pack, packBytes(pack.no)), value }], { sync: false });
  }
  const rows: Uint8Array[] = [];
  for await (const [rowKey] of db.iterate({ gte: key(TAG.place), lt: key(TAG.place + 1) })) rows.push(rowKey);
  const gone = rows.filter((_, position) => position % 2 === 0);
  await db.batch(
    gone.map((rowKey) => ({ type: "del", key: rowKey })),
    { sync: false },
  );
  return index.packs().map(({ name }) => name);
}

test("packs that LevelDB has in part are added whole at the next start, and nothing else is built anew", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const first = await openStore(path, { create: true });
    const { tree } = await fill(first, folder);
    await first[Symbol.asyncDispose]();
    await leaveInPart(path);
    await using again = await openStore(path);
    expect(again.recovery).toMatchObject({ rebuilt: undefined, damaged: [] });
    expect(again.index.partialPacks()).toEqual([]);
    await assertWhole(again, tree);
  });
});

test("of a pack that LevelDB has in part and that cannot be read, no row stays", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const first = await openStore(path, { create: true });
    await fill(first, folder);
    await first[Symbol.asyncDispose]();
    const names = await leaveInPart(path);
    for (const name of names) flip(packPath(path, name), -1);
    await using again = await openStore(path);
    expect(again.recovery.damaged.map(({ name }) => name).sort()).toEqual([...names].sort());
    expect(again.index.partialPacks()).toEqual([]);
    expect(await again.index.countRows()).toEqual(new Map());
  });
});

test("rows that were being removed when the process was killed are all made again", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const first = await openStore(path, { create: true });
    const { tree } = await fill(first, folder);
    const mark = { type: "put", key: key(TAG.cleared), value: Uint8Array.of(1) } as const;
    await first.db.batch([mark], { sync: false });
    await first[Symbol.asyncDispose]();
    await using again = await openStore(path);
    expect(again.recovery.rebuilt).toBe("rows of the object index were missing");
    expect(await again.db.get(key(TAG.cleared))).toBeUndefined();
    await assertWhole(again, tree);
  });
});

test("leftovers of a killed command are removed at the next start", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const first = await openStore(path, { create: true });
    const { tree } = await fill(first, folder);
    await first[Symbol.asyncDispose]();
    mkdirSync(join(path, "incoming", "add-dead"));
    writeFileSync(join(path, "incoming", "add-dead", "1-1.pack"), "half a pack");
    await using again = await openStore(path);
    expect(readdirSync(join(path, "incoming"))).toEqual([]);
    await assertWhole(again, tree);
  });
});

test("openStore() refuses what is not its store, changing nothing", async () => {
  await withFolder(async (folder) => {
    expect(await codeOf(openStore(join(folder, "none")))).toBe("STORE_NOT_FOUND");
    expect(existsSync(join(folder, "none"))).toBe(false);
    writeFileSync(join(folder, "file"), "");
    expect(await codeOf(openStore(join(folder, "file")))).toBe("STORE_NOT_FOUND");
    expect(await codeOf(openStore(""))).toBe("ARGUMENT_INVALID");
    const path = join(folder, "store");
    await (await openStore(path, { create: true }))[Symbol.asyncDispose]();
    const format = readFileSync(join(path, "format.json"), "utf8");
    const write = (change: object): void =>
      writeFileSync(
        join(path, "format.json"),
        JSON.stringify({ ...(JSON.parse(format) as object), ...change }),
      );
    write({ version: 999 });
    expect(await codeOf(openStore(path))).toBe("FORMAT_UNSUPPORTED");
    write({ features: ["time-travel"] });
    expect(await codeOf(openStore(path))).toBe("FORMAT_UNSUPPORTED");
    writeFileSync(join(path, "format.json"), "{");
    expect(await codeOf(openStore(path))).toBe("STORE_CORRUPT");
    writeFileSync(join(path, "format.json"), format);
    await (await openStore(path))[Symbol.asyncDispose]();
  });
});

test("a half-made store is made anew; packs without format.json are never taken for one", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    mkdirSync(join(path, "db"), { recursive: true });
    mkdirSync(join(path, "journal"));
    writeFileSync(join(path, "db", "CURRENT"), "half");
    const store = await openStore(path, { create: true });
    const { tree } = await fill(store, folder);
    await assertWhole(store, tree);
    await store[Symbol.asyncDispose]();
    rmSync(join(path, "format.json"));
    expect(await codeOf(openStore(path, { create: true }))).toBe("STORE_CORRUPT");
    expect(readdirSync(join(path, "journal"))).not.toEqual([]);
  });
});
