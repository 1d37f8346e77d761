/**
 * The files of a LevelDB that is closed, checked byte by byte: LevelDB compares no checksum when it reads a table, and
 * takes some gaps of a log for its end. Formats: doc/table_format.md and doc/log_format.md of LevelDB.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { show } from "../show.ts";
import { maskedCrc32c } from "./crc32c.ts";

const TABLE = /^\d+\.(ldb|sst)$/;
const LOG = /^\d+\.log$/;
const FILE_BYTES_MAX = 256 * 1024 * 1024;

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
/** Behind each block: one byte how it is compressed, and the checksum. */
const TRAILER_BYTES = 5;
const VARINT_BYTES_MAX = 10;

const LOG_BLOCK_BYTES = 32 * 1024;
const LOG_HEADER_BYTES = 7;
const LOG_TYPES = [1, 2, 3, 4];

/** Names of the tables. Throws INDEX_CORRUPT when the folder is gone. */
export async function listTables(path: string): Promise<string[]> {
  return list(path, TABLE);
}

async function list(path: string, pattern: RegExp): Promise<string[]> {
  try {
    return (await readdir(path)).filter((name) => pattern.test(name));
  } catch (error) {
    throw fromFiles(error, path);
  }
}

function fromFiles(error: unknown, path: string): unknown {
  const known = fromErrno(error, `cannot read LevelDB '${show(path)}'`);
  if (!isSmcError(known, "PATH_NOT_FOUND")) return known;
  return new SmcError("INDEX_CORRUPT", `LevelDB '${show(path)}' is missing files`, { cause: error });
}

/**
 * Reads every byte of every table: is it what was written, and all of it? A table that LevelDB was still writing, and
 * does not know, is not whole either. Throws INDEX_CORRUPT when the folder is gone.
 */
export async function readTables(path: string): Promise<{ name: string; isWhole: boolean }[]> {
  const tables: { name: string; isWhole: boolean }[] = [];
  for (const name of await listTables(path)) {
    tables.push({ name, isWhole: isTableWhole(await readLimited(join(path, name))) });
  }
  return tables;
}

/**
 * True when there is one log at most, and all of it is what was written, but for a last record that was cut off: then
 * LevelDB finds all that was written to it up to a certain moment. Of two logs the older may lack its end.
 */
export async function isLogWhole(path: string): Promise<boolean> {
  const [name, ...further] = await list(path, LOG);
  if (name === undefined) return true;
  return further.length === 0 && areRecordsWhole(await readLimited(join(path, name)));
}

async function readLimited(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size <= FILE_BYTES_MAX) return await readFile(path);
  } catch (error) {
    throw fromFiles(error, path);
  }
  throw new SmcError("INDEX_CORRUPT", `'${show(path)}' is larger than LevelDB makes its files`);
}

interface Span {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Two blocks name all others: one those with rows, the other the filter. Nothing lies between the blocks. */
function isTableWhole(table: Buffer): boolean {
  const footerAt = table.length - FOOTER_BYTES;
  if (footerAt < 0 || table.readBigUInt64LE(table.length - 8) !== MAGIC) return false;
  const footer = new Varints(table, footerAt, table.length);
  const indexes = [footer.span(), footer.span()];
  let checkedBytes = 0;
  const isWhole = (span: Span | undefined): span is Span => {
    if (span === undefined || span.offset + span.sizeBytes + TRAILER_BYTES > footerAt) return false;
    const crcAt = span.offset + span.sizeBytes + 1;
    checkedBytes += span.sizeBytes + TRAILER_BYTES;
    return maskedCrc32c(table, span.offset, crcAt) === table.readUInt32LE(crcAt);
  };
  return (
    indexes.every((index) => isWhole(index) && spansIn(table, index).every(isWhole)) &&
    checkedBytes === footerAt
  );
}

/**
 * What the rows of a block name, its checksum having matched: [shared, own, value: lengths][own bytes of the
 * key][span].
 */
function spansIn(table: Buffer, { offset, sizeBytes }: Span): (Span | undefined)[] {
  const end = offset + sizeBytes;
  const rowsEnd = end - 4 - 4 * table.readUInt32LE(end - 4);
  const rows = new Varints(table, offset, rowsEnd);
  const spans: (Span | undefined)[] = [];
  while (rows.at < rowsEnd) {
    rows.next();
    const keyBytes = rows.next() ?? 0;
    const valueBytes = rows.next() ?? 0;
    rows.at += keyBytes;
    const valueEnd = rows.at + valueBytes;
    spans.push(rows.span());
    if (rows.at !== valueEnd) return [undefined];
  }
  return spans;
}

/** Numbers in groups of seven bits, the lowest first. */
class Varints {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  next(): number | undefined {
    let value = 0;
    for (let count = 0; count < VARINT_BYTES_MAX && this.at < this.#end; count += 1) {
      const byte = this.#bytes[this.at] ?? 0;
      this.at += 1;
      value += (byte & 0x7f) * 2 ** (7 * count);
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  span(): Span | undefined {
    const offset = this.next();
    const sizeBytes = this.next();
    return offset === undefined || sizeBytes === undefined ? undefined : { offset, sizeBytes };
  }
}

/** [checksum][u16 length][type][bytes], in blocks that end with zeros where no header fits. */
function areRecordsWhole(log: Buffer): boolean {
  let at = 0;
  while (at < log.length) {
    const left = LOG_BLOCK_BYTES - (at % LOG_BLOCK_BYTES);
    if (left < LOG_HEADER_BYTES) {
      if (log.subarray(at, at + left).some((byte) => byte !== 0)) return false;
      at += left;
      continue;
    }
    if (at + LOG_HEADER_BYTES > log.length) return true;
    const length = log.readUInt16LE(at + 4);
    const end = at + LOG_HEADER_BYTES + length;
    const fits = LOG_HEADER_BYTES + length <= left;
    if (!fits || !LOG_TYPES.includes(log.readUInt8(at + 6))) return false;
    if (end > log.length) return true;
    if (maskedCrc32c(log, at + 6, end) !== log.readUInt32LE(at)) return false;
    at = end;
  }
  return true;
}
