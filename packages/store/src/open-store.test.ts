import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isSmcError } from "./errors.ts";
import { refName } from "./objects/names.ts";
import { openStore, type OwnedStore } from "./open-store.ts";
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
