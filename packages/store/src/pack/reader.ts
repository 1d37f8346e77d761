/** Reads packs and believes nothing: what leaves has the SHA-256 that it should have. Synchronous, for workers. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { decodeStored } from "../codecs/registry.ts";
import { type Digest, hashBytes, isDigest } from "../objects/digest.ts";
import { fromErrno, isDamage, isSmcError, isUnreadable, SmcError } from "../errors.ts";
import { CHUNK_BYTES_MAX } from "../objects/objects.ts";
import { show } from "../show.ts";
import { decodeDeltaPrefix, DELTA_PREFIX_BYTES_MAX, isDeltaCodec } from "./delta.ts";
import {
  assertStored,
  decodeFooter,
  decodePackHeader,
  decodeRecordHeader,
  decodeTrailer,
  FOOTER_ROW_BYTES,
  HEADER_BYTES,
  packName,
  paddedBytes,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  recordBytes,
  type RecordRow,
  TRAILER_BYTES,
} from "./format.ts";

/** Where a record is, without the name of its pack. */
export interface RecordSpan {
  readonly digest: Digest;
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
}

/** What reading a record may use. */
export interface ReadOptions {
  /** The stored bytes are read into it. */
  readonly memory?: Uint8Array;
  /** Raw bytes of the parents, one after the other, for a record that is a difference. */
  readonly parent?: Uint8Array | undefined;
  /**
   * Checks the CRC of the stored bytes as well: for those who ask whether the disk is as it was written. Whoever only
   * wants the content has its SHA-256, and saves a pass over the bytes.
   */
  readonly crc?: boolean;
  /** False leaves the SHA-256 to the caller, who has another proof of the content. */
  readonly verify?: boolean;
}

export function openPack(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const known = fromErrno(error, `cannot open the pack '${show(path)}'`);
    if (!isSmcError(known, "PATH_NOT_FOUND")) throw known;
    throw new SmcError("PACK_CORRUPT", `the pack '${show(path)}' is gone`, { cause: error });
  }
}

function readExactly(fd: number, offset: number, length: number, memory?: Uint8Array): Uint8Array {
  const bytes =
    memory === undefined || memory.length < length ? new Uint8Array(length) : memory.subarray(0, length);
  let done = 0;
  while (done < length) {
    const read = readSync(fd, bytes, done, length - done, offset + done);
    if (read === 0) throw new SmcError("PACK_CORRUPT", "the pack ends too early");
    done += read;
  }
  return bytes;
}

/** Decodes one record as it stands on disk (header and stored bytes); its SHA-256 must be `digest`. */
export function openRecord(
  bytes: Uint8Array,
  digest: Digest,
  { parent, crc = true, verify = true }: Omit<ReadOptions, "memory"> = {},
): Uint8Array {
  const header = decodeRecordHeader(bytes);
  const stored = bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + header.storedBytes);
  if (crc) assertStored(header, stored);
  const raw = isDeltaCodec(header.codec)
    ? decodeDelta(header, stored, parent)
    : decodeStored(header.codec, stored, header.rawBytes);
  if (header.digest !== digest || (verify && hashBytes(raw) !== digest)) {
    throw new SmcError("OBJECT_CORRUPT", `the bytes of ${digest} are not what their digest says`);
  }
  return raw;
}

function decodeDelta(header: RecordHeader, stored: Uint8Array, parents: Uint8Array | undefined): Uint8Array {
  const { prefix, sizeBytes } = decodeDeltaPrefix(stored);
  const parent = parents?.subarray(prefix.offset, prefix.offset + prefix.length);
  if (parent?.length !== prefix.length) {
    throw new SmcError("OBJECT_CORRUPT", `its parents do not hold the ${prefix.length} bytes that it needs`);
  }
  return decodeStored(header.codec, stored.subarray(sizeBytes), header.rawBytes, parent);
}

/** Names the object, the pack and the offset in any damage found below, and where the disk does not give the bytes. */
export function damaged(error: unknown, span: RecordSpan, path: string): unknown {
  const known = fromErrno(error, `cannot read the pack '${show(path)}'`);
  if (!isSmcError(known)) return known;
  const details = { ...known.details, digest: span.digest, pack: path, offset: span.offset };
  if (isUnreadable(known)) return new SmcError("IO_FAILED", known.message, { details, cause: error });
  if (!ERRORS_OF_DAMAGE.has(known.code)) return known;
  const message = `object ${span.digest} is damaged: ${known.message}`;
  return new SmcError("OBJECT_CORRUPT", message, { details, cause: error });
}

/** A record that was found damaged in one pack, or that the disk does not give. */
export interface DamagedRecord {
  readonly digest: Digest;
  /** The path of the pack. */
  readonly pack: string;
  readonly message: string;
}

/** The record that an error of `damaged` names; undefined for any other error. */
export function damagedRecord(error: unknown): DamagedRecord | undefined {
  if (!isSmcError(error)) return undefined;
  if (error.code !== "OBJECT_CORRUPT" && !isUnreadable(error)) return undefined;
  const { digest, pack } = error.details;
  if (typeof digest !== "string" || !isDigest(digest) || typeof pack !== "string") return undefined;
  return { digest, pack, message: error.message };
}

const ERRORS_OF_DAMAGE: ReadonlySet<string> = new Set(["PACK_CORRUPT", "OBJECT_CORRUPT"]);

/**
 * Raw bytes of a record, verified unless the caller does that. Throws OBJECT_CORRUPT naming pack and offset. The result
 * may lie in `memory` or in that of a codec, and is good until the next read.
 */
export function readRecordSync(
  fd: number,
  path: string,
  span: RecordSpan,
  { memory, ...options }: ReadOptions = {},
): Uint8Array {
  try {
    const bytes = readExactly(fd, span.offset, RECORD_HEADER_BYTES + span.storedBytes, memory);
    return openRecord(bytes, span.digest, options);
  } catch (error) {
    throw damaged(error, span, path);
  }
}

export interface PackContents {
  readonly name: Digest;
  readonly storeId: string;
  readonly sizeBytes: number;
  readonly footerOffset: number;
  readonly rows: readonly RecordRow[];
}

/** What the pack says it holds, by its footer; records are not read. Throws PACK_CORRUPT. */
export function readContentsSync(fd: number): PackContents {
  const stat = fstatSync(fd);
  if (!stat.isFile() || stat.size < HEADER_BYTES + TRAILER_BYTES) {
    throw new SmcError("PACK_CORRUPT", "the pack is too short");
  }
  const header = readExactly(fd, 0, HEADER_BYTES);
  const { storeId } = decodePackHeader(header);
  const trailerBytes = readExactly(fd, stat.size - TRAILER_BYTES, TRAILER_BYTES);
  const trailer = decodeTrailer(trailerBytes, stat.size);
  const footer = readExactly(fd, trailer.footerOffset, paddedBytes(trailer.count * FOOTER_ROW_BYTES));
  const rows = decodeFooter(footer, trailer).map((row) => withParents(fd, row));
  const name = packName(header, trailerBytes);
  return { name, storeId, sizeBytes: stat.size, footerOffset: trailer.footerOffset, rows };
}

/** The footer does not say what a difference needs; the record does. One that is damaged there costs only itself. */
function withParents(fd: number, row: RecordRow): RecordRow {
  if (!isDeltaCodec(row.codec)) return row;
  const length = Math.min(row.storedBytes, DELTA_PREFIX_BYTES_MAX);
  try {
    const { prefix } = decodeDeltaPrefix(readExactly(fd, row.offset + RECORD_HEADER_BYTES, length));
    return { ...row, parents: prefix.parents, depth: prefix.depth };
  } catch (error) {
    if (isSmcError(error, "PACK_CORRUPT") || isUnreadable(fromErrno(error, "a difference"))) return row;
    throw error;
  }
}

/** Finds whole records by their headers, for a pack without a footer; damaged bytes are stepped over. */
export function scanRecordsSync(fd: number): RecordRow[] {
  const { size } = fstatSync(fd);
  const rows: RecordRow[] = [];
  let offset = HEADER_BYTES;
  while (offset + RECORD_HEADER_BYTES <= size) {
    let step = 64;
    try {
      const header = decodeRecordHeader(readExactly(fd, offset, RECORD_HEADER_BYTES));
      const bytes = readExactly(fd, offset, RECORD_HEADER_BYTES + header.storedBytes);
      // A difference without its parents: the CRC is all that can be checked here.
      if (isDeltaCodec(header.codec)) assertStored(header, bytes.subarray(RECORD_HEADER_BYTES));
      else openRecord(bytes, header.digest);
      rows.push(withParents(fd, { ...header, offset }));
      step = recordBytes(header.storedBytes);
    } catch (error) {
      if (!isSmcError(error) && !isUnreadable(fromErrno(error, "a record"))) throw error;
    }
    offset += step;
  }
  return rows;
}

export interface PackProblem {
  /** Undefined when no single object is hit: the pack's own header or footer. */
  readonly digest: Digest | undefined;
  readonly offset: number;
  readonly message: string;
}

/** Almost every record fits; the others get memory of their own. */
const VERIFY_BYTES = recordBytes(CHUNK_BYTES_MAX);
/** Used again by the next pack: what is made anew for each takes room until the thread collects garbage. */
let verifyMemory: Uint8Array | undefined;

export interface VerifyOptions {
  /** What the pack is called; the name of its file says so when it is left out. */
  readonly name?: Digest;
  /** Where records are whose stored bytes and content were checked already: only what frames those is read. */
  readonly whole?: ReadonlySet<number>;
  /** Told what was checked, without those. */
  readonly onBytes: (bytes: number) => void;
  /**
   * Raw bytes of the parents of a record that is a difference, one after the other. Throws what reading them throws.
   */
  readonly parentOf: (digest: Digest) => Uint8Array | undefined;
}

/** Reads every byte of a pack: records, padding, footer. */
export function verifyPackSync(path: string, options: VerifyOptions): PackProblem[] {
  const problems: PackProblem[] = [];
  verifyMemory ??= new Uint8Array(VERIFY_BYTES);
  const memory = verifyMemory;
  let fd: number | undefined;
  try {
    fd = openPack(path);
    const contents = readContentsSync(fd);
    const { name } = contents;
    if (options.name === undefined ? !path.endsWith(`${name}.pack`) : options.name !== name) {
      problems.push({ digest: undefined, offset: 0, message: "the pack's name is not that of its contents" });
    }
    let offset = HEADER_BYTES;
    options.onBytes(offset);
    for (const row of [...contents.rows].sort((a, b) => a.offset - b.offset)) {
      if (row.offset !== offset)
        problems.push({ digest: row.digest, offset, message: "a gap between records" });
      const isWhole = options.whole?.has(row.offset) === true;
      const problem = verifyRecord(fd, path, row, { parentOf: options.parentOf, isWhole, memory });
      if (problem !== undefined) problems.push({ digest: row.digest, offset: row.offset, message: problem });
      const end = row.offset + recordBytes(row.storedBytes);
      options.onBytes(end - (isWhole ? recordBytes(row.storedBytes) : 0) - offset);
      offset = end;
    }
    if (offset !== contents.footerOffset) {
      problems.push({ digest: undefined, offset, message: "bytes between the records and the footer" });
    }
  } catch (error) {
    problems.push({ digest: undefined, offset: 0, message: problemOf(error, path) });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return problems;
}

function verifyRecord(
  fd: number,
  path: string,
  row: RecordRow,
  { parentOf, isWhole, memory }: Pick<VerifyOptions, "parentOf"> & { isWhole: boolean; memory: Uint8Array },
): string | undefined {
  try {
    if (isWhole && isFramed(fd, row)) return undefined;
    const bytes = readExactly(fd, row.offset, recordBytes(row.storedBytes), memory);
    const header = decodeRecordHeader(bytes);
    if (!isOfRow(header, row)) return "the footer and the record's header differ";
    const parent = isDeltaCodec(row.codec) ? parentOf(row.digest) : undefined;
    openRecord(bytes.subarray(0, RECORD_HEADER_BYTES + row.storedBytes), row.digest, { parent });
    const padding = bytes.subarray(RECORD_HEADER_BYTES + row.storedBytes);
    return padding.every((byte) => byte === 0) ? undefined : "the padding is not zero";
  } catch (error) {
    return problemOf(error, path);
  }
}

/** Header and padding are what the footer says; what is between them is not read. */
function isFramed(fd: number, row: RecordRow): boolean {
  const header = decodeRecordHeader(readExactly(fd, row.offset, RECORD_HEADER_BYTES));
  const isSame = header.digest === row.digest && header.storedBytes === row.storedBytes;
  const end = RECORD_HEADER_BYTES + row.storedBytes;
  const padding = readExactly(fd, row.offset + end, recordBytes(row.storedBytes) - end);
  return isSame && isOfRow(header, row) && padding.every((byte) => byte === 0);
}

function isOfRow(header: RecordHeader, row: RecordRow): boolean {
  return header.headerCrc === row.headerCrc && header.kind === row.kind && header.codec === row.codec;
}

/**
 * What is wrong with the pack. Throws what is wrong with this process, or with a version: it says nothing about the
 * bytes.
 */
function problemOf(error: unknown, path: string): string {
  if (isDamage(error) || isSmcError(error, "FORMAT_UNSUPPORTED")) return error.message;
  const known = fromErrno(error, `cannot read the pack '${show(path)}'`);
  if (isUnreadable(known)) return "cannot be read: I/O error EIO";
  throw known;
}
