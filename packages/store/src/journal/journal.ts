/**
 * The authority for refs and the log of what happened: files that only grow, every record checksummed and chained
 * to the one before. A record is part of the store once `append` returned.
 */
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isSmcError, SmcError } from "../errors.ts";
import { AppendFile, createFolder, removeFile, replaceFile, syncFolder } from "../fs.ts";
import {
  encodeHeader,
  encodePayload,
  encodeRecord,
  FIRST_HASH,
  HEADER_BYTES,
  type JournalEntry,
  type JournalRecord,
  nextHash,
} from "./journal-format.ts";
import {
  type JournalFile,
  journalFileName,
  type JournalPosition,
  readRecords,
  scanJournal,
  type ScanOptions,
} from "./journal-read.ts";
import { type JournalSummary, verifyFiles } from "./journal-verify.ts";
import { RecentRecords } from "./recent.ts";

export type { JournalChange, JournalEntry, JournalRecord } from "./journal-format.ts";
export { type JournalPosition, scanJournal } from "./journal-read.ts";
export type { JournalSummary } from "./journal-verify.ts";

const FILE_BYTES_MAX = 16 * 1024 * 1024;

export interface JournalOptions extends ScanOptions {
  /** Makes an empty journal; the folder must hold none. */
  readonly create?: boolean;
  /** Size at which a new file is begun; 16 MiB. */
  readonly fileBytesMax?: number;
}

export interface JournalSnapshot {
  readonly files: readonly Pick<JournalFile, "path" | "sizeBytes">[];
  readonly position: JournalPosition;
}

export interface Journal extends AsyncDisposable {
  readonly position: JournalPosition;
  /** Bytes of an unfinished record that opening cut off. */
  readonly tornBytes: number;
  /** Why no record is taken until the store is opened again, or undefined. */
  readonly failure: string | undefined;
  /**
   * Numbers the entry, writes it and makes it durable; one at a time, in the order of the calls.
   * Throws LIMIT_EXCEEDED, DISK_FULL or IO_FAILED (the next append may work), READ_ONLY once `failure` is set.
   */
  append(entry: JournalEntry): Promise<{ record: JournalRecord; position: JournalPosition }>;
  /** The records from a number on, as they were at the call. Throws JOURNAL_CORRUPT. */
  records(fromSeq: number): AsyncIterable<{ record: JournalRecord; position: JournalPosition }>;
  /**
   * The records from a number on, and each further one as soon as it is durable, until the signal fires; never waits
   * for the reader. Throws JOURNAL_CORRUPT.
   */
  follow(fromSeq: number, signal: AbortSignal): AsyncIterable<JournalRecord>;
  /** The first record of each file, oldest first: where `records` starts to read without going over what is before. */
  fileStarts(): readonly number[];
  /** Its files, each with the bytes that it has, and the last record: between two records. */
  snapshot(): Promise<JournalSnapshot>;
  /**
   * Reads all of it again, as it was at the call, and checks every byte. Throws JOURNAL_CORRUPT with the place,
   * CANCELED.
   */
  verify(signal: AbortSignal): Promise<JournalSummary>;
}

/**
 * Opens the journal for its one writer, checks all of it and cuts off a torn tail.
 * Throws JOURNAL_CORRUPT (nothing was changed), FORMAT_UNSUPPORTED, CANCELED.
 */
export async function openJournal(folder: string, options: JournalOptions): Promise<Journal> {
  if (options.create === true) await createJournal(folder, options.storeId);
  const scan = await scanJournal(folder, options);
  const last = scan.files.at(-1);
  if (last === undefined) throw new SmcError("INTERNAL", "a journal without files");
  await removeTemporaryFiles(folder);
  const file = await AppendFile.open(last.path);
  try {
    if (scan.tornBytes > 0) await file.truncate(last.sizeBytes);
    return new FileJournal(folder, { ...scan, file, fileBytesMax: options.fileBytesMax ?? FILE_BYTES_MAX });
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

async function createJournal(folder: string, storeId: string): Promise<void> {
  await createFolder(folder);
  if ((await readdir(folder)).some((name) => name.endsWith(".log"))) {
    throw new SmcError("ALREADY_EXISTS", "there is a journal already");
  }
  await createJournalFile(folder, { storeId, number: 1, firstSeq: 1, previousHash: FIRST_HASH });
  await syncFolder(dirname(folder));
}

/** Durable with its header before it has its name: no journal file is ever half made. */
async function createJournalFile(
  folder: string,
  header: { storeId: string; number: number; firstSeq: number; previousHash: Uint8Array },
): Promise<JournalFile> {
  const path = join(folder, journalFileName(header.number));
  await replaceFile(path, encodeHeader(header));
  return { ...header, path, sizeBytes: HEADER_BYTES };
}

async function removeTemporaryFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^\d{6,9}\.log\.[0-9a-f]+\.tmp$/.test(name)) await removeFile(join(folder, name));
  }
}

interface OpenJournalState extends JournalPosition {
  readonly files: readonly JournalFile[];
  readonly tornBytes: number;
  readonly file: AppendFile;
  readonly fileBytesMax: number;
}

class FileJournal implements Journal {
  readonly #folder: string;
  readonly #fileBytesMax: number;
  readonly #files: JournalFile[];
  readonly tornBytes: number;
  position: JournalPosition;
  failure: string | undefined;
  #file: AppendFile;
  #queue: Promise<unknown> = Promise.resolve();
  readonly #recent = new RecentRecords();

  constructor(folder: string, state: OpenJournalState) {
    this.#folder = folder;
    this.#fileBytesMax = state.fileBytesMax;
    this.#files = [...state.files];
    this.#file = state.file;
    this.tornBytes = state.tornBytes;
    this.position = { seq: state.seq, hash: state.hash };
  }

  append(entry: JournalEntry): Promise<{ record: JournalRecord; position: JournalPosition }> {
    const appended = this.#queue.then(() => this.#append(entry));
    this.#queue = appended.catch(() => undefined);
    return appended;
  }

  async *records(fromSeq: number): AsyncIterable<{ record: JournalRecord; position: JournalPosition }> {
    yield* readRecords([...this.#files], fromSeq);
  }

  async *follow(fromSeq: number, signal: AbortSignal): AsyncIterable<JournalRecord> {
    let next = fromSeq;
    while (!signal.aborted) {
      const held = next > this.position.seq ? [] : this.#recent.from(next);
      if (held?.length === 0) await this.#recent.grown(signal);
      for await (const record of held ?? this.#read(next)) {
        if (signal.aborted) return;
        next = record.seq + 1;
        yield record;
      }
    }
  }

  async *#read(fromSeq: number): AsyncIterable<JournalRecord> {
    for await (const { record } of this.records(fromSeq)) yield record;
  }

  fileStarts(): readonly number[] {
    return this.#files.map(({ firstSeq }) => firstSeq);
  }

  snapshot(): Promise<JournalSnapshot> {
    return this.#now();
  }

  /** Between two records: what is being written has no place yet. */
  #now(): Promise<{ files: JournalFile[]; position: JournalPosition }> {
    return this.#queue.then(() => ({ files: [...this.#files], position: this.position }));
  }

  verify(signal: AbortSignal): Promise<JournalSummary> {
    return this.#now().then((state) => verifyFiles(this.#folder, { ...state, signal }));
  }

  async #append(entry: JournalEntry): Promise<{ record: JournalRecord; position: JournalPosition }> {
    if (this.failure !== undefined) throw readOnly(this.failure);
    const record = { ...entry, seq: this.position.seq + 1 };
    const payload = encodePayload(record);
    const hash = nextHash(this.position.hash, payload);
    const file = await this.#fileWithRoom();
    const bytes = encodeRecord(payload, hash);
    await this.#write(file, bytes);
    this.#files[this.#files.length - 1] = { ...file, sizeBytes: file.sizeBytes + bytes.length };
    this.position = { seq: record.seq, hash };
    this.#recent.add(record, bytes.length);
    return { record, position: this.position };
  }

  /** The last file, or a new one when that is full. */
  async #fileWithRoom(): Promise<JournalFile> {
    const last = this.#files.at(-1);
    if (last === undefined) throw new SmcError("INTERNAL", "a journal without files");
    if (last.sizeBytes < this.#fileBytesMax) return last;
    const { storeId, number } = last;
    const { seq, hash } = this.position;
    const header = { storeId, number: number + 1, firstSeq: seq + 1, previousHash: hash };
    const next = await createJournalFile(this.#folder, header);
    const file = await AppendFile.open(next.path);
    await this.#file[Symbol.asyncDispose]();
    this.#file = file;
    this.#files.push(next);
    return next;
  }

  async #write(file: JournalFile, bytes: Uint8Array): Promise<void> {
    try {
      await this.#file.write(bytes, file.sizeBytes);
    } catch (error) {
      await this.#cutBack(file, error);
      throw error;
    }
    try {
      await this.#file.sync();
    } catch (error) {
      // After a failed fsync nobody knows what the disk holds, and asking again would say "done" (fsyncgate).
      this.#fail(error);
      await this.#file.truncate(file.sizeBytes).catch(() => undefined);
      throw error;
    }
  }

  async #cutBack(file: JournalFile, cause: unknown): Promise<void> {
    try {
      await this.#file.truncate(file.sizeBytes);
    } catch {
      this.#fail(cause);
    }
  }

  #fail(error: unknown): void {
    this.failure = `the journal could not be written (${isSmcError(error) ? error.message : String(error)})`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue;
    this.failure ??= "the store is closed";
    await this.#file[Symbol.asyncDispose]();
  }
}

function readOnly(reason: string): SmcError {
  return new SmcError("READ_ONLY", `the store takes no writes: ${reason}`, {
    hint: 'restart the daemon with "smc daemon restart"; it checks the journal',
  });
}
