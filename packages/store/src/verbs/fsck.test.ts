import { mkdirSync, chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Digest } from "../objects/digest.ts";
import { openStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import { fill } from "../testing/fill.ts";
import { QUIET, withFolder } from "../testing/testing.ts";
import { fsck } from "./fsck.ts";

test("fsck() of a whole store finds nothing and counts what it read", async () => {
  await withFolder(async (folder) => {
    await using store = await openStore(join(folder, "store"), { create: true });
    await fill(store, folder);
    const quick = await fsck(store, {}, QUIET);
    expect(quick).toMatchObject({ ok: true, full: false, rebuilt: false, problems: [], notes: [] });
    const { checked } = await fsck(store, { full: true, rebuild: true }, QUIET);
    expect(checked).toMatchObject({ refs: 1, trees: 1, blobs: 1, packs: store.index.packs().length });
    expect(checked.bytes).toBeGreaterThan(3 * 1024 * 1024);
  });
});

test("fsck() lists what lies among the packs and is not ours, and leaves it", async () => {
  await withFolder(async (place) => {
    await using store = await openStore(join(place, "store"), { create: true });
    const stray = join(store.path, "packs", "ab", "notes.txt");
    const folder = join(store.path, "packs", "notes");
    for (const path of [join(stray, ".."), folder]) mkdirSync(path);
    writeFileSync(stray, "mine");
    const { ok, notes } = await fsck(store, {}, QUIET);
    expect(ok).toBe(true);
    expect(notes).toEqual([folder, stray].map((path) => `not ours, left alone: ${path}`));
    expect(readFileSync(stray, "utf8")).toBe("mine");
  });
});

test("fsck() names a damaged object, its pack and what needs it", async () => {
  await withFolder(async (folder) => {
    await using store = await openStore(join(folder, "store"), { create: true });
    const { blob } = await fill(store, folder);
    const [pack] = store.index.packs();
    if (pack === undefined) throw new Error("no pack");
    const file = packPath(store.path, pack.name);
    chmodSync(file, 0o600);
    const bytes = readFileSync(file);
    bytes.writeUInt8(bytes.readUInt8(1_000_000) ^ 1, 1_000_000);
    writeFileSync(file, bytes);
    expect((await fsck(store, {}, QUIET)).ok).toBe(true);
    const { ok, problems } = await fsck(store, { full: true }, QUIET);
    expect(ok).toBe(false);
    expect(problems.some(({ pack: name }) => name === pack.name)).toBe(true);
    expect(problems.flatMap(({ affects }) => affects).join("\n")).toContain("weights");
    expect(problems.map(({ digest }) => digest)).toContain(blob);
  });
});

test("fsck() names a pack that is gone and what needs it", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "store");
    const store = await openStore(path, { create: true });
    await fill(store, folder);
    const [pack] = store.index.packs();
    rmSync(packPath(path, pack?.name ?? ("" as Digest)));
    expect((await fsck(store, {}, QUIET)).ok).toBe(false);
    await store[Symbol.asyncDispose]();
    await using again = await openStore(path);
    const { ok, problems } = await fsck(again, {}, QUIET);
    expect(ok).toBe(false);
    expect(problems[0]?.affects[0]).toContain("demo refs/heads/main");
  });
});
