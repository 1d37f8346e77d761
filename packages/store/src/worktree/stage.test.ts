import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { isSmcError } from "../errors.ts";
import type { FileStat } from "../store.ts";
import { processorMs } from "../testing/testing.ts";
import {
  cacheOf,
  comparePaths,
  decodeStage,
  emptyStage,
  encodeStage,
  isCertainlyUnchanged,
  readStage,
  refreshStage,
  type Stage,
  type StageEntry,
  writeStage,
} from "./stage.ts";

const DIGEST = hashBytes(Buffer.from("content"));
const SECOND = 1_000_000_000n;

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "smc-stage-"));
  await mkdir(join(root, ".smc"));
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

function stageOf(entries: Readonly<Record<string, StageEntry>>, base?: Digest): Stage {
  return { entries: new Map(Object.entries(entries)), base, isExact: base !== undefined, checksum: "" };
}

const PLAIN: StageEntry = { mode: "100644", digest: DIGEST, sizeBytes: 7 };
const CACHED: StageEntry = {
  mode: "100755",
  digest: DIGEST,
  sizeBytes: 2 ** 40 + 3,
  cache: { dev: 2n ** 63n, ino: 9n, mtimeNs: -5n, ctimeNs: 17n * SECOND, cachedAtNs: 20n * SECOND },
};
const SKIPPED: StageEntry = { mode: "120000", digest: DIGEST, sizeBytes: 3, isSkipped: true };

test("readStage() gives back what writeStage() was given, in byte order", async () => {
  const stage = stageOf({ "b/ü": PLAIN, "\u{1f600}": CACHED, "\ufffd": PLAIN, "a b": SKIPPED }, DIGEST);
  await writeStage(root, stage, { durable: true });
  const read = await readStage(root);
  expect([...(read?.entries ?? [])]).toEqual([
    ["a b", SKIPPED],
    ["b/ü", PLAIN],
    ["\ufffd", PLAIN],
    ["\u{1f600}", CACHED],
  ]);
  expect(read).toMatchObject({ base: DIGEST, isExact: true });
});

test("writeStage() clears away what killed writers left, and nothing else", async () => {
  for (const name of ["stage.0123456789ab.tmp", "HEAD", "stage.txt"])
    await writeFile(join(root, ".smc", name), "");
  await writeStage(root, stageOf({ a: PLAIN }), { durable: true });
  expect((await readdir(join(root, ".smc"))).sort()).toEqual(["HEAD", "stage", "stage.txt"]);
});

test("readStage() gives nothing when the file is absent or empty", async () => {
  expect(await readStage(root)).toBeUndefined();
  await writeFile(join(root, ".smc", "stage"), "");
  expect(await readStage(root)).toBeUndefined();
});

test("comparePaths() orders as the bytes of UTF-8 do", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(comparePaths(a, b))).toBe(Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
    }),
  );
});

test("readStage() refuses every flipped bit, every truncation and a byte too many", async () => {
  const bytes = Buffer.from(await encodeStage(stageOf({ a: PLAIN, "b/c": CACHED }, DIGEST)));
  for (let at = 0; at < bytes.length; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 4, at);
    await expect(decodeStage(damaged)).rejects.toSatisfy(isDamage);
    await expect(decodeStage(bytes.subarray(0, at))).rejects.toSatisfy(isDamage);
  }
  await expect(decodeStage(Buffer.concat([bytes, Buffer.from([0])]))).rejects.toSatisfy(isDamage);
});

function isDamage(error: unknown): boolean {
  return isSmcError(error, "STAGE_CORRUPT") || isSmcError(error, "FORMAT_UNSUPPORTED");
}

function sealed(bytes: Buffer): Buffer {
  const body = bytes.subarray(0, bytes.length - 32);
  return Buffer.concat([body, Buffer.from(hashBytes(body), "hex")]);
}

test("readStage() refuses bad content under a fitting checksum", async () => {
  const change = async (edit: (bytes: Buffer) => void): Promise<void> => {
    const bytes = Buffer.from(await encodeStage(stageOf({ aa: PLAIN, bb: PLAIN })));
    edit(bytes);
    await expect(decodeStage(sealed(bytes))).rejects.toMatchObject({ code: "STAGE_CORRUPT" });
  };
  const first = 64 + 84;
  const second = first + 2 + 84;
  await change((bytes) => bytes.write("..", first));
  await change((bytes) => bytes.write("/a", first));
  await change((bytes) => bytes.write("a/", first));
  await change((bytes) => bytes.write("\xff\xfe", first, "latin1"));
  await change((bytes) => bytes.write("aa", second));
  await change((bytes) => bytes.writeUInt32LE(1, 12));
  await change((bytes) => bytes.writeUInt32LE(3, 12));
  await change((bytes) => bytes.writeUInt32LE(0xffffffff, 12));
  await change((bytes) => bytes.writeUInt8(3, 64 + 82));
  await change((bytes) => bytes.writeUInt8(2, 64 + 83));
  await change((bytes) => bytes.writeUInt16LE(0xffff, 64 + 80));
  await change((bytes) => bytes.writeUInt32LE(0xffffffff, 64 + 44));
  await change((bytes) => bytes.writeUInt16LE(2, 10));
});

test("readStage() refuses the path of smc's own folder in any spelling", async () => {
  for (const path of [".smc/HEAD", "a/.SMC/x", "smc~1/x", ".smc./x"]) {
    const bytes = await encodeStage(stageOf({ [path]: PLAIN }));
    await expect(decodeStage(Buffer.from(bytes))).rejects.toMatchObject({ code: "STAGE_CORRUPT" });
  }
});

test("readStage() takes 10,000 entries in well under a tenth of a second", async () => {
  const stage = emptyStage();
  for (let index = 0; index < 10_000; index += 1)
    stage.entries.set(`layers/d${index % 100}/f${index}.bin`, CACHED);
  await writeStage(root, stage, { durable: false });
  let ms = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 10; round += 1) {
    const start = processorMs();
    expect((await readStage(root))?.entries.size).toBe(10_000);
    // The best of ten is what the code costs.
    ms = Math.min(ms, processorMs() - start);
  }
  expect(ms).toBeLessThan(100);
});

const STAT: FileStat = {
  dev: 1n,
  ino: 2n,
  sizeBytes: 7,
  mtimeNs: 10n * SECOND,
  ctimeNs: 11n * SECOND,
  mode: 0o100644,
};

test("isCertainlyUnchanged() believes a stat that is equal and 2 s older than the reading", () => {
  const entry = { ...PLAIN, cache: cacheOf(STAT, 13n * SECOND) };
  expect(isCertainlyUnchanged(entry, STAT)).toBe(true);
  expect(isCertainlyUnchanged({ ...PLAIN, cache: cacheOf(STAT, 13n * SECOND - 1n) }, STAT)).toBe(false);
  expect(isCertainlyUnchanged(PLAIN, STAT)).toBe(false);
  for (const change of [
    { dev: 2n },
    { ino: 3n },
    { sizeBytes: 8 },
    { mtimeNs: 9n },
    { ctimeNs: 9n },
    { mode: 0o100755 },
  ]) {
    expect(isCertainlyUnchanged(entry, { ...STAT, ...change })).toBe(false);
  }
});

test("refreshStage() leaves a stage alone that someone else replaced", async () => {
  await writeStage(root, stageOf({ a: PLAIN }), { durable: false });
  const mine = await readStage(root);
  if (mine === undefined) throw new Error("no stage");
  await writeStage(root, stageOf({ a: PLAIN, b: PLAIN }), { durable: false });
  expect(await refreshStage(root, mine)).toBe(false);
  expect((await readStage(root))?.entries.size).toBe(2);
  const now = await readStage(root);
  if (now === undefined) throw new Error("no stage");
  now.entries.set("a", CACHED);
  expect(await refreshStage(root, now)).toBe(true);
  expect((await readStage(root))?.entries.get("a")).toEqual(CACHED);
});

test("readStage() refuses a file cut in the middle", async () => {
  await writeStage(root, stageOf({ a: PLAIN }), { durable: false });
  const { length } = await readFile(join(root, ".smc", "stage"));
  await truncate(join(root, ".smc", "stage"), length - 5);
  await expect(readStage(root)).rejects.toMatchObject({
    code: "STAGE_CORRUPT",
    hint: expect.stringContaining("reset"),
  });
});
