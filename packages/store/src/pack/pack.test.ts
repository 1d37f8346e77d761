import {
  closeSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  chmodSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { encodeBest } from "../codecs/registry.ts";
import { hashBytes } from "../objects/digest.ts";
import { openPack, readContentsSync, readRecordSync, scanRecordsSync, verifyPackSync } from "./reader.ts";
import { PackWriter } from "./writer.ts";

const folder = mkdtempSync(join(tmpdir(), "smc-pack-"));
afterAll(() => rmSync(folder, { recursive: true }));

const STORE = "00112233445566778899aabbccddeeff";
const RAWS = [
  randomBytes(300_000),
  Buffer.from("small"),
  Buffer.alloc(0),
  Buffer.alloc(100_000, 7),
  randomBytes(63),
];

async function writePack(file: string): Promise<string> {
  const writer = await PackWriter.create(join(folder, file), STORE);
  for (const raw of RAWS)
    await writer.add({ kind: "chunk", digest: hashBytes(raw), rawBytes: raw.length }, encodeBest(raw));
  const pack = await writer.finish();
  const path = join(folder, `${pack.name}.pack`);
  renameSync(pack.path, path);
  chmodSync(path, 0o600);
  return path;
}

test("a pack gives back every record, by its footer and by a forward scan", async () => {
  const path = await writePack("whole");
  const fd = openPack(path);
  const contents = readContentsSync(fd);
  expect(contents.storeId).toBe(STORE);
  expect(contents.rows).toHaveLength(RAWS.length);
  for (const raw of RAWS) {
    const row = contents.rows.find(({ digest }) => digest === hashBytes(raw));
    expect(row).toBeDefined();
    if (row !== undefined) expect(Buffer.compare(readRecordSync(fd, path, row), raw)).toBe(0);
  }
  const byDigest = (a: { digest: string }, b: { digest: string }): number => (a.digest < b.digest ? -1 : 1);
  expect(
    scanRecordsSync(fd)
      .map(({ digest }) => digest)
      .sort(),
  ).toEqual(contents.rows.map(({ digest }) => digest).sort());
  expect([...contents.rows].sort(byDigest)).toEqual(contents.rows);
  closeSync(fd);
  expect(verifyPackSync(path, { onBytes: () => undefined, parentOf: () => undefined })).toEqual([]);
});

test("two packs of the same records have two names", async () => {
  expect(await writePack("one")).not.toBe(await writePack("two"));
});

test("a scan finds the records of a pack that lost its end", async () => {
  const path = await writePack("cut");
  const fd = openPack(path);
  const { footerOffset, rows } = readContentsSync(fd);
  truncateSync(path, footerOffset);
  expect(() => readContentsSync(fd)).toThrow(/trailer/);
  expect(scanRecordsSync(fd)).toHaveLength(rows.length);
  closeSync(fd);
});

test("verifyPackSync() sees any flipped bit in any region", async () => {
  const path = await writePack("flip");
  const bytes = readFileSync(path);
  const positions = new Set([
    0,
    9,
    17,
    33,
    61,
    64,
    70,
    80,
    112,
    127,
    128,
    5000,
    bytes.length - 1,
    bytes.length - 20,
    bytes.length - 70,
  ]);
  for (let step = 0; step < bytes.length; step += 9973) positions.add(step);
  for (const position of positions) {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(position) ^ (1 << (position % 8)), position);
    writeFileSync(path, copy);
    expect(
      verifyPackSync(path, { onBytes: () => undefined, parentOf: () => undefined }),
      `bit ${position % 8} of byte ${position}`,
    ).not.toEqual([]);
  }
});

test("readRecordSync() names the object, the pack and the offset of the damage", async () => {
  const path = await writePack("read");
  const fd = openPack(path);
  const [row] = readContentsSync(fd).rows;
  if (row === undefined) throw new Error("no row");
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(row.offset + 64) ^ 1, row.offset + 64);
  writeFileSync(path, bytes);
  expect(() => readRecordSync(fd, path, row)).toThrow(
    expect.objectContaining({
      code: "OBJECT_CORRUPT",
      details: { digest: row.digest, pack: path, offset: row.offset },
    }),
  );
  closeSync(fd);
});
