import { randomBytes } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { interceptCalls } from "../fs.ts";
import { type Journal, type JournalEntry, type JournalRecord, openJournal, scanJournal } from "./journal.ts";
import { withFolder } from "../testing/folder.ts";

const storeId = randomBytes(16).toString("hex");
const { signal } = new AbortController();

afterEach(() => interceptCalls(undefined));

function entry(reason: string): JournalEntry {
  const change = { name: "refs/heads/main", from: "absent", to: hashBytes(Buffer.from(reason)) } as const;
  return {
    type: "refs",
    ms: 1,
    op: "commit",
    actor: "A <a@b>",
    reason,
    repository: "cats",
    changes: [change],
  };
}

async function write(folder: string, reasons: readonly string[], fileBytesMax = 600): Promise<void> {
  await using journal = await openJournal(folder, { storeId, signal, create: true, fileBytesMax });
  for (const reason of reasons) await journal.append(entry(reason));
}

async function read(journal: Journal, fromSeq = 1): Promise<JournalRecord[]> {
  const records: JournalRecord[] = [];
  for await (const { record } of journal.records(fromSeq)) records.push(record);
  return records;
}

async function reasonsOf(folder: string): Promise<string[]> {
  await using journal = await openJournal(folder, { storeId, signal });
  return (await read(journal)).map(({ reason }) => reason);
}

async function listLogs(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith(".log")).sort();
}

function diskError(code: string, syscall: string): Error {
  return Object.assign(new Error(code), { code, syscall });
}

test("append() numbers records, chains them over several files, and openJournal() finds them again", () =>
  withFolder(async (folder) => {
    const path = join(folder, "journal");
    const reasons = Array.from({ length: 20 }, (_, index) => `change ${index}`);
    await write(path, reasons);
    expect((await listLogs(path)).length).toBeGreaterThan(3);
    await using journal = await openJournal(path, { storeId, signal });
    expect(journal.position.seq).toBe(20);
    const records = await read(journal);
    expect(records.map(({ reason }) => reason)).toEqual(reasons);
    expect(records.map(({ seq }) => seq)).toEqual(reasons.map((_, index) => index + 1));
    expect(records[3]).toEqual({ ...entry("change 3"), seq: 4 });
    expect((await read(journal, 18)).map(({ seq }) => seq)).toEqual([18, 19, 20]);
    expect(await read(journal, 21)).toEqual([]);
    const { position } = await journal.append(entry("one more"));
    expect(position.seq).toBe(21);
    expect((await scanJournal(path, { storeId, signal, applied: position })).hash).toEqual(position.hash);
  }));

test("append() keeps every kind of record", () =>
  withFolder(async (folder) => {
    const common = { ms: 5, op: "init", actor: "A <a@b>", reason: "", repository: "o/cats" };
    const entries: JournalEntry[] = [
      { type: "repository", ...common },
      { type: "worktree", ...common, worktree: "0".repeat(32), path: "/home/ü" },
      {
        type: "refs",
        ...common,
        changes: [{ name: "refs/tags/x", from: hashBytes(Buffer.of(1)), to: "absent" }],
      },
    ];
    await using journal = await openJournal(join(folder, "j"), { storeId, signal, create: true });
    const appended = await Promise.all(entries.map((each) => journal.append(each)));
    expect(appended.map(({ position }) => position.seq)).toEqual([1, 2, 3]);
    expect(await read(journal)).toEqual(entries.map((each, index) => ({ ...each, seq: index + 1 })));
  }));

test("append() refuses records that are too large and takes the next", () =>
  withFolder(async (folder) => {
    await using journal = await openJournal(join(folder, "j"), { storeId, signal, create: true });
    await expect(journal.append(entry("x".repeat(9_000_000)))).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
    });
    const changes = Array.from(
      { length: 100_001 },
      () => ({ name: "r", from: "absent", to: "absent" }) as const,
    );
    const large = { ...entry("many"), changes };
    await expect(journal.append(large)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await journal.append(entry("small"));
    await journal.append(entry("x".repeat(8_000_000)));
    expect((await read(journal)).map(({ seq }) => seq)).toEqual([1, 2]);
  }));

test("openJournal() refuses the journal of another store, a missing one and a second creation", () =>
  withFolder(async (folder) => {
    const path = join(folder, "j");
    await expect(openJournal(path, { storeId, signal })).rejects.toMatchObject({ code: "JOURNAL_CORRUPT" });
    await write(path, ["a"]);
    const other = { storeId: "0".repeat(32), signal };
    await expect(openJournal(path, other)).rejects.toMatchObject({ code: "JOURNAL_CORRUPT" });
    await expect(openJournal(path, { storeId, signal, create: true })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await rm(join(path, "000001.log"));
    await expect(openJournal(path, { storeId, signal })).rejects.toMatchObject({ code: "JOURNAL_CORRUPT" });
  }));

test("openJournal() refuses a journal with a file lost, swapped or shortened", () =>
  withFolder(async (folder) => {
    const path = join(folder, "j");
    await write(
      path,
      Array.from({ length: 9 }, (_, index) => `${index}`),
    );
    const names = await listLogs(path);
    const corrupt = { code: "JOURNAL_CORRUPT" };
    const [first = "", second = "", third = ""] = names;
    const keep = join(folder, "keep");
    await rename(join(path, second), keep);
    await expect(openJournal(path, { storeId, signal })).rejects.toMatchObject(corrupt);
    await copyFile(join(path, third), join(path, second));
    await expect(openJournal(path, { storeId, signal })).rejects.toMatchObject(corrupt);
    await copyFile(keep, join(path, second));
    expect(await reasonsOf(path)).toHaveLength(9);
    const { size } = await stat(join(path, first));
    await truncate(join(path, first), size - 1);
    await expect(openJournal(path, { storeId, signal })).rejects.toMatchObject(corrupt);
    expect((await stat(join(path, first))).size).toBe(size - 1);
  }));

test("openJournal() refuses a journal that ends before what LevelDB was written from, or differs from it", () =>
  withFolder(async (folder) => {
    const path = join(folder, "j");
    await write(path, ["a", "b"]);
    const { seq, hash } = await scanJournal(path, { storeId, signal });
    const [name = ""] = await listLogs(path);
    const { size } = await stat(join(path, name));
    await expect(
      openJournal(path, { storeId, signal, applied: { seq, hash: Buffer.alloc(32) } }),
    ).rejects.toMatchObject({ code: "JOURNAL_CORRUPT" });
    await truncate(join(path, name), size - 1);
    const opening = openJournal(path, { storeId, signal, applied: { seq, hash } });
    await expect(opening).rejects.toMatchObject({ code: "JOURNAL_CORRUPT" });
    expect((await stat(join(path, name))).size).toBe(size - 1);
    expect(await reasonsOf(path)).toEqual(["a"]);
  }));

test("openJournal() stops when it is canceled", () =>
  withFolder(async (folder) => {
    await write(join(folder, "j"), ["a"]);
    const opening = openJournal(join(folder, "j"), { storeId, signal: AbortSignal.abort() });
    await expect(opening).rejects.toMatchObject({ code: "CANCELED" });
  }));

test(
  "a power cut at any byte of the last record gives the records before it, and the next append works",
  () =>
    withFolder((folder) =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 5 }),
          async (reasons) => {
            const path = join(folder, "j");
            await rm(path, { recursive: true, force: true });
            await write(path, [...reasons, "last"], 400);
            const whole = (await scanJournal(path, { storeId, signal })).seq;
            const last = join(path, (await listLogs(path)).at(-1) ?? "");
            const bytes = await readFile(last);
            const start = await lastRecordOffset(path);
            for (let end = start; end < bytes.length; end += 1 + (end % 7)) {
              await writeFile(last, bytes.subarray(0, end));
              if (end % 2 === 0) await writeFile(last, Buffer.alloc(bytes.length - end), { flag: "a" });
              await using journal = await openJournal(path, { storeId, signal });
              expect(journal.position.seq).toBe(whole - 1);
              expect((await journal.append(entry("after"))).record.seq).toBe(whole);
              expect((await read(journal)).map(({ reason }) => reason)).toEqual([...reasons, "after"]);
            }
          },
        ),
        { numRuns: 4 },
      ),
    ),
  60_000,
);

/** Where the last record begins in the last file: found by cutting bytes off until a record is lost. */
async function lastRecordOffset(path: string): Promise<number> {
  const scan = await scanJournal(path, { storeId, signal });
  const last = scan.files.at(-1);
  if (last === undefined) return 0;
  const bytes = await readFile(last.path);
  await writeFile(last.path, bytes.subarray(0, -1));
  const offset = (await scanJournal(path, { storeId, signal })).files.at(-1)?.sizeBytes ?? 0;
  await writeFile(last.path, bytes);
  return offset;
}

test(
  "a flipped bit before the last record is JOURNAL_CORRUPT, in the last record never another record",
  () =>
    withFolder((folder) =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.string(), { minLength: 2, maxLength: 4 }),
          fc.nat(7),
          async (reasons, bit) => {
            const path = join(folder, "j");
            await rm(path, { recursive: true, force: true });
            await write(path, reasons, 400);
            const applied = await scanJournal(path, { storeId, signal });
            const start = await lastRecordOffset(path);
            const names = await listLogs(path);
            for (const name of names) {
              const bytes = await readFile(join(path, name));
              for (let at = 0; at < bytes.length; at++) {
                const flipped = Buffer.from(bytes);
                flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << bit), at);
                await writeFile(join(path, name), flipped);
                const isLast = name === names.at(-1) && at >= start;
                const found = await scanJournal(path, { storeId, signal }).then(
                  (scan) => scan.seq,
                  (error: { code: string }) => error.code,
                );
                if (!isLast) expect(found, `${name} ${at}`).toMatch(/^(JOURNAL_CORRUPT|FORMAT_UNSUPPORTED)$/);
                else expect(["JOURNAL_CORRUPT", applied.seq - 1], `${name} ${at}`).toContain(found);
                await expect(scanJournal(path, { storeId, signal, applied })).rejects.toBeInstanceOf(Error);
              }
              await writeFile(join(path, name), bytes);
            }
          },
        ),
        { numRuns: 3 },
      ),
    ),
  60_000,
);

test("a full disk fails one append; the next works when there is room again", () =>
  withFolder(async (folder) => {
    const path = join(folder, "j");
    await using journal = await openJournal(path, { storeId, signal, create: true });
    await journal.append(entry("a"));
    interceptCalls((what) => {
      if (what === "write") throw diskError("ENOSPC", "write");
    });
    await expect(journal.append(entry("b"))).rejects.toMatchObject({ code: "DISK_FULL" });
    expect(journal.failure).toBeUndefined();
    interceptCalls(undefined);
    expect((await journal.append(entry("c"))).record.seq).toBe(2);
    expect((await read(journal)).map(({ reason }) => reason)).toEqual(["a", "c"]);
    expect((await scanJournal(path, { storeId, signal })).seq).toBe(2);
  }));

test("a failed fsync is never retried: the journal takes nothing more until it is opened again", () =>
  withFolder(async (folder) => {
    const path = join(folder, "j");
    await using journal = await openJournal(path, { storeId, signal, create: true });
    await journal.append(entry("a"));
    let syncs = 0;
    interceptCalls((what) => {
      if (what === "sync" && syncs++ === 0) throw diskError("EIO", "fdatasync");
    });
    const [first, second] = await Promise.allSettled([
      journal.append(entry("b")),
      journal.append(entry("c")),
    ]);
    expect(first).toMatchObject({ reason: { code: "IO_FAILED" } });
    expect(second).toMatchObject({ reason: { code: "READ_ONLY" } });
    expect(journal.failure).toContain("cannot sync");
    interceptCalls(undefined);
    await expect(journal.append(entry("d"))).rejects.toMatchObject({ code: "READ_ONLY" });
    expect((await read(journal)).map(({ reason }) => reason)).toEqual(["a"]);
    expect((await scanJournal(path, { storeId, signal })).seq).toBe(1);
  }));

test.each(["create", "write", "sync", "rename", "open"])(
  "a new file that fails at '%s' loses no record",
  (call) =>
    withFolder(async (folder) => {
      const path = join(folder, "j");
      const options = { storeId, signal, fileBytesMax: 200 };
      await using journal = await openJournal(path, { ...options, create: true });
      await journal.append(entry("a"));
      interceptCalls((what) => {
        if (what === call) throw diskError("ENOSPC", what);
      });
      await expect(journal.append(entry("b"))).rejects.toMatchObject({ code: "DISK_FULL" });
      interceptCalls(undefined);
      await journal.append(entry("c"));
      expect((await read(journal)).map(({ reason }) => reason)).toEqual(["a", "c"]);
      expect(await listLogs(path)).toEqual(["000001.log", "000002.log"]);
    }),
);

test("openJournal() removes what a stopped creation of a file left, and ignores other names", () =>
  withFolder(async (folder) => {
    const path = join(folder, "j");
    await write(path, ["a"]);
    await writeFile(join(path, "000002.log.0123456789ab.tmp"), "half");
    await writeFile(join(path, "notes.txt"), "mine");
    await mkdir(join(path, "0000002.log"));
    expect(await reasonsOf(path)).toEqual(["a"]);
    expect((await readdir(path)).sort()).toEqual(["0000002.log", "000001.log", "notes.txt"]);
  }));
