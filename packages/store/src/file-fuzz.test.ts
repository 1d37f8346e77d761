/**
 * Whole files of the store that almost are what they should be: what is read from them is right, or they are refused.
 */
import { closeSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeBest } from "./codecs/registry.ts";
import { isSmcError } from "./errors.ts";
import { openJournal } from "./journal/journal.ts";
import type { JournalRecord } from "./journal/journal-format.ts";
import { readRecords, scanJournal } from "./journal/journal-read.ts";
import { type Digest, hashBytes } from "./objects/digest.ts";
import {
  openPack,
  readContentsSync,
  readRecordSync,
  scanRecordsSync,
  verifyPackSync,
} from "./pack/reader.ts";
import { PackWriter } from "./pack/writer.ts";
import { withFolder } from "./testing/folder.ts";
import { Mutator, SEED } from "./testing/mutations.ts";

const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 1500);
const STORE = "00112233445566778899aabbccddeeff";
const SIGNAL = new AbortController().signal;
const RAWS = [Buffer.from("small"), Buffer.alloc(0), Buffer.alloc(5000, 7), Buffer.from("abc".repeat(300))];

/** The error of a file that cannot be used, and no other. */
function refused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isSmcError(error) && (error.exit === 4 || error.code === "FORMAT_UNSUPPORTED")) return undefined;
    throw error;
  }
}

/** All records that the footer names, or that a scan finds, and that can be read. */
function readPack(path: string): Digest[] {
  const fd = openPack(path);
  try {
    const rows = [...(refused(() => readContentsSync(fd).rows) ?? []), ...scanRecordsSync(fd)];
    return rows.flatMap((row) => {
      const raw = refused(() => readRecordSync(fd, path, row));
      if (raw !== undefined) expect(hashBytes(raw)).toBe(row.digest);
      return raw === undefined ? [] : [row.digest];
    });
  } finally {
    closeSync(fd);
  }
}

test(`${ROUNDS} damaged packs give right records or none, and a check names each (FUZZ_SEED=${SEED})`, () =>
  withFolder(async (folder) => {
    const mutator = new Mutator(SEED);
    const writer = await PackWriter.create(join(folder, "new"), STORE);
    for (const raw of RAWS)
      await writer.add({ kind: "chunk", digest: hashBytes(raw), rawBytes: raw.length }, encodeBest(raw));
    const { name } = await writer.finish();
    const whole = readFileSync(join(folder, "new"));
    const known = new Set(RAWS.map((raw) => hashBytes(raw)));
    const path = join(folder, `${name}.pack`);
    for (let round = 0; round < ROUNDS; round += 1) {
      const bytes = mutator.mutate(whole);
      writeFileSync(path, bytes, { mode: 0o600 });
      const read = readPack(path);
      expect(read.filter((digest) => !known.has(digest))).toEqual([]);
      const problems = verifyPackSync(path, { onBytes: () => undefined, parentOf: () => undefined });
      expect(problems.length > 0, `round ${round}: ${problems.length} problems`).toBe(!bytes.equals(whole));
    }
  }));

async function readJournal(folder: string): Promise<JournalRecord[] | undefined> {
  try {
    const { files } = await scanJournal(folder, { storeId: STORE, signal: SIGNAL });
    const records: JournalRecord[] = [];
    for await (const { record } of readRecords(files, 1)) records.push(record);
    return records;
  } catch (error) {
    if (isSmcError(error) && ["JOURNAL_CORRUPT", "FORMAT_UNSUPPORTED"].includes(error.code)) return undefined;
    throw error;
  }
}

test(`${ROUNDS} damaged journals are refused, or end earlier and say nothing else (FUZZ_SEED=${SEED})`, () =>
  withFolder(async (folder) => {
    const mutator = new Mutator(SEED);
    const journalFolder = join(folder, "journal");
    {
      await using journal = await openJournal(journalFolder, {
        storeId: STORE,
        signal: SIGNAL,
        create: true,
      });
      for (let number = 0; number < 6; number += 1) {
        const change = {
          name: `refs/heads/b${number}`,
          from: "absent" as const,
          to: hashBytes(Buffer.of(number)),
        };
        const common = { ms: number, op: "branch", actor: "A", reason: "r", repository: "cats" };
        await journal.append({ ...common, type: "refs", changes: [change] });
      }
    }
    const [file] = readdirSync(journalFolder);
    const path = join(journalFolder, file ?? "");
    const whole = readFileSync(path);
    const all = (await readJournal(journalFolder)) ?? [];
    expect(all).toHaveLength(6);
    for (let round = 0; round < ROUNDS; round += 1) {
      writeFileSync(path, mutator.mutate(whole));
      const records = await readJournal(journalFolder);
      if (records !== undefined) expect(records, `round ${round}`).toEqual(all.slice(0, records.length));
    }
  }));
