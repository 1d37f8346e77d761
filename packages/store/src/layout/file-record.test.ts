import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { codeOf } from "../testing/remote-scene.ts";
import { withFolder } from "../testing/testing.ts";
import { assertRecordFree, type FileRecord, NO_ORIGIN, readRecord, writeRecord } from "./file-record.ts";

const record: FileRecord = {
  ...NO_ORIGIN,
  url: "https://models.example/best.pt",
  description: "of May",
  sizeBytes: 7,
  sha256: "a".repeat(64),
  md5: "b".repeat(32),
  notes: [{ author: "Ada <ada@example.org>", date: "2026-01-15T10:00:00.000Z", text: "drifts" }],
};

test("writeRecord() keeps what readRecord() gives, and leaves out what is not known", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "best.pt");
    expect(await readRecord(path)).toBeUndefined();
    await writeRecord(path, record);
    expect(await readRecord(path)).toEqual(record);
    const text = readFileSync(`${path}.json`, "utf8");
    expect(text).toMatch(/^\{\n {2}"format": "smc-file",\n {2}"version": 1,\n/);
    expect(text).not.toContain("null");
    await writeRecord(path, { ...record, notes: [] });
    expect((await readRecord(path))?.notes).toEqual([]);
  });
});

const whole = {
  format: "smc-file",
  version: 1,
  sizeBytes: 1,
  sha256: "a".repeat(64),
  md5: "b".repeat(32),
  notes: [],
};

test.each([
  ["no JSON", "{"],
  ["a list", "[]"],
  ["somebody's own", '{"layers":[]}'],
  ["a broken digest", JSON.stringify({ ...whole, sha256: "A".repeat(64) })],
  ["a negative size", JSON.stringify({ ...whole, sizeBytes: -1 })],
  ["a number for text", JSON.stringify({ ...whole, url: 1 })],
  ["a note without an author", JSON.stringify({ ...whole, notes: [{ text: "x", date: "y" }] })],
])("a NAME.json that is %s is no record, and stays what it is", async (_, text) => {
  await withFolder(async (folder) => {
    const path = join(folder, "best.pt");
    writeFileSync(`${path}.json`, text);
    expect(await readRecord(path)).toBeUndefined();
    expect(await codeOf(() => writeRecord(path, record))).toBe("WOULD_OVERWRITE");
    expect(readFileSync(`${path}.json`, "utf8")).toBe(text);
  });
});

test("a record of a newer version is refused, and one that is a link is not followed", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "best.pt");
    writeFileSync(`${path}.json`, JSON.stringify({ ...whole, version: 2 }));
    expect(await codeOf(() => readRecord(path))).toBe("FORMAT_UNSUPPORTED");
    const other = join(folder, "other.pt");
    writeFileSync(join(folder, "theirs"), JSON.stringify(whole));
    symlinkSync("theirs", `${other}.json`);
    expect(await readRecord(other)).toBeUndefined();
    expect(await codeOf(() => assertRecordFree(other))).toBe("WOULD_OVERWRITE");
  });
});

test("writeRecord() refuses more than it would read again", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "best.pt");
    const note = { author: "a", date: "b", text: "c" };
    const notes = Array.from({ length: 10_001 }, () => note);
    expect(await codeOf(() => writeRecord(path, { ...record, notes }))).toBe("LIMIT_EXCEEDED");
    const long = Array.from({ length: 20 }, () => ({ ...note, text: "x".repeat(1024 * 1024) }));
    expect(await codeOf(() => writeRecord(path, { ...record, notes: long }))).toBe("LIMIT_EXCEEDED");
    expect(await readRecord(path)).toBeUndefined();
  });
});
