import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { withWorktree } from "../testing/worktree.ts";
import { QUIET } from "../testing/testing.ts";
import { branch } from "./branch.ts";
import { du, type DuRow } from "./du.ts";
import { tag } from "./tag.ts";

const MIB = 1024 * 1024;

function rowOf(rows: readonly DuRow[], name: string): DuRow {
  const row = rows.find(({ names }) => names.includes(name));
  if (row === undefined) throw new Error(`no row ${name}`);
  return row;
}

test("du() tells what each version needs alone and what it shares", async () => {
  await withWorktree(async (bench) => {
    const { repository } = bench;
    const shared = randomBytes(2 * MIB);
    await bench.commit({ "shared.bin": shared, "own.bin": randomBytes(MIB), "twice.bin": shared });
    await tag(repository, { name: "v1.0.0" }, QUIET);
    await bench.commit({ "own.bin": randomBytes(3 * MIB) });
    const { rows, total, store } = await du(repository, {}, QUIET);
    expect(rows.map(({ names }) => names).sort()).toEqual([["main"], ["v1.0.0"]]);
    const [old, latest] = [rowOf(rows, "v1.0.0"), rowOf(rows, "main")];
    expect(old).toMatchObject({ fileCount: 3, sizeBytes: 5 * MIB });
    expect(latest).toMatchObject({ fileCount: 3, sizeBytes: 7 * MIB });
    // What is random cannot be stored shorter; a file that is there twice is stored once.
    expect(old.sharedBytes).toBe(2 * MIB);
    expect(latest.sharedBytes).toBe(2 * MIB);
    expect(old.uniqueBytes).toBe(MIB);
    expect(latest.uniqueBytes).toBe(3 * MIB);
    expect(old.storedBytes).toBe(3 * MIB);
    expect(total).toEqual({ sizeBytes: 12 * MIB, storedBytes: 6 * MIB });
    expect(store.packs.sizeBytes).toBeGreaterThan(6 * MIB);
    expect(store.freeBytes).toBeGreaterThan(0);
  });
});

test("du() puts all names of one version into one row", async () => {
  await withWorktree(async (bench) => {
    const { repository } = bench;
    await bench.commit({ "a.txt": "a" });
    await tag(repository, { name: "v1.0.0" }, QUIET);
    await branch(repository, { name: "side" }, QUIET);
    const { rows } = await du(repository, {}, QUIET);
    expect(rows.map(({ names }) => [...names].sort())).toEqual([["main", "side", "v1.0.0"]]);
    expect(rows[0]).toMatchObject({
      uniqueBytes: 1,
      sharedBytes: 0,
      committed: expect.stringMatching(/^20/),
    });
  });
});

test("du() measures only what is named; a chunk that only other versions need is unique no more", async () => {
  await withWorktree(async (bench) => {
    const { repository } = bench;
    await bench.commit({ "w/a.bin": randomBytes(MIB) });
    await bench.commit({ "w/b.bin": randomBytes(MIB) });
    const one = await du(repository, { revisions: ["HEAD"] }, QUIET);
    expect(one.rows).toMatchObject([{ names: ["HEAD"], uniqueBytes: 2 * MIB, sharedBytes: 0 }]);
    const both = await du(repository, { revisions: ["HEAD", "HEAD~1", "main", "HEAD:w"] }, QUIET);
    expect(both.rows.map(({ names, uniqueBytes }) => [names, uniqueBytes])).toEqual([
      [["HEAD", "main"], 0],
      [["HEAD~1"], 0],
      [["HEAD:w"], 0],
    ]);
    expect(both.rows[2]?.committed).toBeNull();
  });
});

// Less than the shortest chunk, so that chance cannot cut it.
const NOISE_BYTES = 200 * 1024;

test("du() sums the store by codec", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "zeros.bin": new Uint8Array(MIB), "noise.bin": randomBytes(NOISE_BYTES) });
    const { store } = await du(bench.repository, {}, QUIET);
    const byName = new Map(store.codecs.map((row) => [row.codec, row]));
    expect(byName.get("RAW")).toMatchObject({
      chunkCount: 1,
      rawBytes: NOISE_BYTES,
      storedBytes: NOISE_BYTES,
    });
    expect(byName.get("FILL")?.rawBytes).toBe(MIB);
    expect(byName.get("FILL")?.storedBytes).toBeLessThan(16);
    expect(store.objects.count).toBeGreaterThanOrEqual(2);
  });
});

test("du() of a repository without commits has no rows, and refuses what is no version", async () => {
  await withWorktree(async (bench) => {
    expect(await du(bench.repository, {}, QUIET)).toMatchObject({ rows: [], total: { sizeBytes: 0 } });
    await bench.commit({ "a.txt": "a" });
    await expect(du(bench.repository, { revisions: ["v9"] }, QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    await expect(du(bench.repository, { revisions: ["HEAD:a.txt"] }, QUIET)).rejects.toMatchObject({
      code: "REVISION_INVALID",
    });
  });
});

test("du() stops when it is canceled", async () => {
  await withWorktree(async (bench) => {
    await bench.commit({ "a.txt": "a" });
    const stopped = { signal: AbortSignal.abort(), onProgress: () => undefined };
    await expect(du(bench.repository, {}, stopped)).rejects.toMatchObject({ code: "CANCELED" });
  });
});
