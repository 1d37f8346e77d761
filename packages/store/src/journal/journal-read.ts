/** Reads and checks the journal in windows of constant size. Changes nothing. */
import { constants } from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import {
  decodeHeader,
  decodePayload,
  findRecord,
  FIRST_HASH,
  HASH_BYTES,
  HEADER_BYTES,
  journalCorrupt,
  type JournalHeader,
  type JournalRecord,
  nextHash,
  PAYLOAD_BYTES_MAX,
  PREFIX_BYTES,
  recordChecksum,
} from "./journal-format.ts";
import { show } from "../show.ts";

const WINDOW_BYTES = 256 * 1024;
const RECORD_BYTES_MAX = PREFIX_BYTES + PAYLOAD_BYTES_MAX + HASH_BYTES;

/** A place in the journal: a record's number and the chain hash after it. */
export interface JournalPosition {
  readonly seq: number;
  readonly hash: Uint8Array;
}

export interface JournalFile extends JournalHeader {
  readonly path: string;
  /** Up to the end of the last whole record. */
  readonly sizeBytes: number;
}

export interface JournalScan extends JournalPosition {
  readonly files: readonly JournalFile[];
  /** Bytes behind the last whole record: the record that was being written when the machine stopped. */
  readonly tornBytes: number;
}

export interface ScanOptions {
  readonly storeId: string;
  readonly signal: AbortSignal;
  /** What LevelDB was brought up to: the journal must reach at least that far, by the same records. */
  readonly applied?: JournalPosition | undefined;
}

interface RawRecord {
  readonly payload: Uint8Array;
  readonly hash: Uint8Array;
  readonly seq: number;
  readonly endOffset: number;
}

export function journalFileName(number: number): string {
  return `${String(number).padStart(6, "0")}.log`;
}

/** A file of the journal read through one buffer, which is valid until the next call. */
export class Window {
  readonly #handle: FileHandle;
  readonly #path: string;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  /** Fewer bytes at the end of the file. */
  async read(offset: number, length: number): Promise<Buffer> {
    const from = offset - this.#start;
    if (from >= 0 && from + length <= this.#bytes.length) return this.#bytes.subarray(from, from + length);
    this.#bytes = await this.#fill(offset, Buffer.allocUnsafe(Math.max(length, WINDOW_BYTES)));
    this.#start = offset;
    return this.#bytes.subarray(0, length);
  }

  async #fill(offset: number, buffer: Buffer): Promise<Buffer> {
    let filled = 0;
    try {
      while (filled < buffer.length) {
        const { bytesRead } = await this.#handle.read(
          buffer,
          filled,
          buffer.length - filled,
          offset + filled,
        );
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
    } catch (error) {
      throw fromErrno(error, `cannot read the journal '${show(this.#path)}'`);
    }
    return buffer.subarray(0, filled);
  }
}

export async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  } catch (error) {
    throw fromErrno(error, `cannot read the journal '${show(path)}'`);
  }
}

/** The record at `offset`, or undefined when what is there is no whole record of this chain. */
export async function readRecord(
  window: Window,
  at: { offset: number; endBytes: number; previous: Uint8Array; seq: number },
): Promise<RawRecord | undefined> {
  const left = at.endBytes - at.offset;
  if (left < PREFIX_BYTES + HASH_BYTES) return undefined;
  const prefix = await window.read(at.offset, PREFIX_BYTES);
  if (prefix.length < PREFIX_BYTES) return undefined;
  const length = prefix.readUInt32LE(0);
  const total = PREFIX_BYTES + length + HASH_BYTES;
  if (length === 0 || length > PAYLOAD_BYTES_MAX || total > left) return undefined;
  const bytes = await window.read(at.offset, total);
  if (bytes.length < total || recordChecksum(bytes) !== bytes.readUInt32LE(4)) return undefined;
  const payload = bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + length);
  const hash = nextHash(at.previous, payload);
  if (!bytes.subarray(PREFIX_BYTES + length).equals(hash)) return undefined;
  return { payload, hash, seq: at.seq, endOffset: at.offset + total };
}

export async function listFiles(folder: string): Promise<string[]> {
  let names;
  try {
    names = await readdir(folder);
  } catch (error) {
    const known = fromErrno(error, `cannot read the journal '${show(folder)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) throw journalCorrupt(`the journal '${show(folder)}' is missing`);
    throw known;
  }
  const numbers = names.flatMap((name) => {
    const number = /^\d{6,9}\.log$/.test(name) ? Number.parseInt(name, 10) : 0;
    return name === journalFileName(number) ? [number] : [];
  });
  numbers.sort((a, b) => a - b);
  const gap = numbers.findIndex((number, index) => number !== index + 1);
  if (numbers.length === 0 || gap >= 0) {
    throw journalCorrupt(`the journal lacks '${journalFileName(Math.max(gap, 0) + 1)}'`);
  }
  return numbers.map((number) => join(folder, journalFileName(number)));
}

/**
 * Reads the whole journal and checks every checksum and the hash chain. An incomplete record at the very end is
 * counted in `tornBytes`. Throws JOURNAL_CORRUPT for any other damage, FORMAT_UNSUPPORTED, CANCELED.
 */
export async function scanJournal(folder: string, options: ScanOptions): Promise<JournalScan> {
  const paths = await listFiles(folder);
  const files: JournalFile[] = [];
  let position: JournalPosition = { seq: 0, hash: FIRST_HASH };
  let tornBytes = 0;
  for (const [index, path] of paths.entries()) {
    const scanned = await scanFile(path, { position, number: index + 1, options });
    if (scanned.tornBytes > 0 && index + 1 < paths.length) throw damagedAt(path, scanned.file.sizeBytes);
    files.push(scanned.file);
    ({ position, tornBytes } = scanned);
  }
  const { applied } = options;
  if (applied !== undefined && applied.seq > position.seq) {
    throw journalCorrupt(`the journal ends at record ${position.seq}, but record ${applied.seq} was written`);
  }
  return { files, ...position, tornBytes };
}

export function damagedAt(path: string, offset: number): SmcError {
  return journalCorrupt(`the journal '${show(path)}' is damaged at byte ${offset}`);
}

async function scanFile(
  path: string,
  { position, number, options }: { position: JournalPosition; number: number; options: ScanOptions },
): Promise<{ file: JournalFile; position: JournalPosition; tornBytes: number }> {
  const handle = await openForReading(path);
  try {
    const window = new Window(handle, path);
    const endBytes = (await handle.stat()).size;
    const header = decodeHeader(await window.read(0, HEADER_BYTES), `the journal '${show(path)}'`);
    assertFollows(path, header, { position, number, storeId: options.storeId });
    let { seq, hash } = position;
    let offset = HEADER_BYTES;
    while (offset < endBytes) {
      if (options.signal.aborted) throw new SmcError("CANCELED", "stopped on request");
      const record = await readRecord(window, { offset, endBytes, previous: hash, seq: seq + 1 });
      if (record === undefined) break;
      ({ seq, hash } = record);
      offset = record.endOffset;
      assertApplied(path, { seq, hash }, options.applied);
    }
    if (offset < endBytes && (await hasRecordBehind(window, offset, endBytes))) throw damagedAt(path, offset);
    return {
      file: { ...header, path, sizeBytes: offset },
      position: { seq, hash },
      tornBytes: endBytes - offset,
    };
  } finally {
    await handle.close();
  }
}

function assertFollows(
  path: string,
  header: JournalHeader,
  expected: { position: JournalPosition; number: number; storeId: string },
): void {
  const what = `the journal '${show(path)}'`;
  if (header.storeId !== expected.storeId) throw journalCorrupt(`${what} belongs to another store`);
  const { position, number } = expected;
  const follows = header.number === number && header.firstSeq === position.seq + 1;
  if (!follows || Buffer.compare(header.previousHash, position.hash) !== 0) {
    throw journalCorrupt(`${what} does not follow the file before it`);
  }
}

function assertApplied(path: string, position: JournalPosition, applied: JournalPosition | undefined): void {
  if (applied === undefined || applied.seq !== position.seq) return;
  if (Buffer.compare(applied.hash, position.hash) === 0) return;
  throw journalCorrupt(
    `the journal '${show(path)}' has another record ${position.seq} than LevelDB was written from`,
  );
}

/** A torn append leaves nothing but itself: more than one record's bytes, or a whole record, is damage. */
async function hasRecordBehind(window: Window, offset: number, endBytes: number): Promise<boolean> {
  if (endBytes - offset > RECORD_BYTES_MAX) return true;
  return findRecord(await window.read(offset, endBytes - offset)) !== undefined;
}

/** The records from `fromSeq` on, as far as `scan` saw, with the chain hash after each. Throws JOURNAL_CORRUPT. */
export async function* readRecords(
  files: readonly JournalFile[],
  fromSeq: number,
): AsyncGenerator<{ record: JournalRecord; position: JournalPosition }> {
  const first = files.findLastIndex(({ firstSeq }) => firstSeq <= fromSeq);
  for (const file of files.slice(Math.max(first, 0))) {
    const handle = await openForReading(file.path);
    try {
      const window = new Window(handle, file.path);
      let { previousHash: previous, firstSeq: seq } = file;
      for (let offset = HEADER_BYTES; offset < file.sizeBytes; seq++) {
        const raw = await readRecord(window, { offset, endBytes: file.sizeBytes, previous, seq });
        if (raw === undefined) throw damagedAt(file.path, offset);
        offset = raw.endOffset;
        previous = raw.hash;
        if (seq < fromSeq) continue;
        const record = decodePayload(raw.payload, `the journal '${show(file.path)}'`);
        if (record.seq !== seq) throw damagedAt(file.path, offset);
        yield { record, position: { seq, hash: raw.hash } };
      }
    } finally {
      await handle.close();
    }
  }
}
