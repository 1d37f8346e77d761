/**
 * The members of a ZIP archive, and small members whole. Layout: APPNOTE.TXT 6.3.10 of PKWARE.
 * Strict on purpose: what the two headers of a member say differently, two programs may read differently.
 */
import { crc32, inflateRawSync } from "node:zlib";
import { BoundedReader, decodeUtf8, quoted } from "./bounded-reader.ts";
import { type ByteSource, NAME_LENGTH_MAX, READ_BYTES_MAX } from "./table.ts";

export interface ZipMember {
  readonly name: string;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  /** Place of the member's data, as it is in the file. */
  readonly offset: number;
  readonly storedBytes: number;
  readonly sizeBytes: number;
  readonly crc32: number;
  /** Where the archive says this CRC: in its directory, and before or after the data. */
  readonly crcOffsets: readonly number[];
}

/** A list of them has about 100 MB. */
const MEMBERS_MAX = 250_000;
const COMMENT_BYTES_MAX = 0xffff;
const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR_BYTES = 20;
const CENTRAL_BYTES = 46;
const DESCRIPTOR_BYTES_MAX = 24;
const END_SIGNATURE = Uint8Array.of(0x50, 0x4b, 0x05, 0x06);
const END64_SIGNATURE = 0x06064b50;
const LOCATOR_SIGNATURE = 0x07064b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
const U16_ALL = 0xffff;
const U32_ALL = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;
/** Of the CRC in a directory entry and in the header before the data. */
const CENTRAL_CRC = 16;
const LOCAL_CRC = 14;
const FLAG_DESCRIPTOR = 0x0008;
/** Encrypted, patch data, strongly encrypted, masked headers. */
const FLAGS_REFUSED = 0x0001 | 0x0020 | 0x0040 | 0x2000;
/** How hard the compressor tried: says nothing about the data. */
const FLAGS_IGNORED = 0x0006;
const EXTRA_ZIP64 = 0x0001;

interface Directory {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly count: number;
}

interface Header {
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  storedBytes: number;
  sizeBytes: number;
}

interface Listed extends Header {
  readonly name: string;
  readonly centralOffset: number;
  headerOffset: number;
}

/**
 * All members, in the order of their offsets. Throws FILE_MALFORMED for an archive that is encrypted, split, cut
 * short, has bytes before or after it, members that overlap or share a name, headers that disagree, a method other
 * than stored and deflated, or more than MEMBERS_MAX members.
 */
export function readZip(source: ByteSource): ZipMember[] {
  const reader = new BoundedReader(source, "ZIP");
  const directory = readEnd(reader);
  const listed = readDirectory(reader, directory);
  listed.sort((a, b) => a.headerOffset - b.headerOffset);
  const first = listed[0]?.headerOffset ?? directory.offset;
  if (first !== 0) reader.fail(`${first} bytes before the first member`);
  let end = 0;
  return listed.map((member) => {
    if (member.headerOffset < end)
      reader.fail(`member ${quoted(member.name)} at ${member.headerOffset} overlaps the one before it`);
    const placed = readLocal(reader, member, directory.offset);
    end = placed.end;
    return placed.member;
  });
}

/**
 * The bytes of a member, inflated, compared with its CRC-32. Throws FILE_MALFORMED when there are more than
 * `sizeBytesMax` of them, before anything is read.
 */
export function readMember(source: ByteSource, member: ZipMember, sizeBytesMax: number): Uint8Array {
  const reader = new BoundedReader(source, "ZIP");
  const most = Math.max(member.sizeBytes, member.storedBytes);
  if (most > sizeBytesMax)
    reader.fail(`member ${quoted(member.name)} of ${most} bytes is larger than ${sizeBytesMax}`);
  const stored = new Uint8Array(member.storedBytes);
  reader.seek(member.offset);
  for (let done = 0; done < stored.length;) {
    const piece = reader.bytes(Math.min(stored.length - done, READ_BYTES_MAX));
    stored.set(piece, done);
    done += piece.length;
  }
  const bytes = member.method === STORED ? stored : inflate(reader, member, stored);
  if (crc32(bytes) !== member.crc32) reader.fail(`member ${quoted(member.name)} is not what its CRC says`);
  return bytes;
}

function inflate(reader: BoundedReader, member: ZipMember, stored: Uint8Array): Uint8Array {
  try {
    // One byte of room at least: zlib knows no output limit of 0.
    const bytes = inflateRawSync(stored, { maxOutputLength: Math.max(member.sizeBytes, 1) });
    if (bytes.length === member.sizeBytes) return bytes;
  } catch (error) {
    if (!isInflateError(error)) throw error;
  }
  return reader.fail(`member ${quoted(member.name)} does not inflate to ${member.sizeBytes} bytes`);
}

/** True for what zlib says about bytes that it cannot inflate, or not within the limit. */
export function isInflateError(error: unknown): boolean {
  const { code = "" } = error as { code?: string };
  return code.startsWith("Z_") || code === "ERR_BUFFER_TOO_LARGE";
}

/** Finds the end record; only one place may look like it. */
function readEnd(reader: BoundedReader): Directory {
  if (reader.sizeBytes < END_BYTES) reader.fail(`${reader.sizeBytes} bytes are too few`);
  const start = Math.max(0, reader.sizeBytes - END_BYTES - COMMENT_BYTES_MAX);
  reader.seek(start);
  const tail = Buffer.from(reader.bytes(reader.sizeBytes - start));
  const endsFile = (at: number): boolean =>
    at + END_BYTES <= tail.length && at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length;
  let at = tail.lastIndexOf(END_SIGNATURE);
  if (at < 0) reader.fail("no end record");
  if (!endsFile(at)) reader.fail("bytes after its end, or cut short");
  const end = start + at;
  while (at > 0) {
    at = tail.lastIndexOf(END_SIGNATURE, at - 1);
    if (at >= 0 && endsFile(at)) reader.fail("two end records");
  }
  reader.seek(end + 4);
  if (reader.u16() !== 0 || reader.u16() !== 0) reader.fail("a part of a split archive");
  const onDisk = reader.u16();
  const count = reader.u16();
  if (onDisk !== count) reader.fail("a part of a split archive");
  const short = { count, sizeBytes: reader.u32(), offset: reader.u32() };
  const { directory, start: recordStart } = readEnd64(reader, short, end);
  if (directory.offset + directory.sizeBytes !== recordStart)
    reader.fail(`its directory at ${directory.offset} does not end where the end record begins`);
  if (directory.count > MEMBERS_MAX || directory.count * CENTRAL_BYTES > directory.sizeBytes)
    reader.fail(`${directory.count} members cannot fit in ${directory.sizeBytes} bytes`);
  return directory;
}

/** What the ZIP64 records say, when there are any; they may only fill in what the end record leaves open. */
function readEnd64(
  reader: BoundedReader,
  short: Directory,
  end: number,
): { directory: Directory; start: number } {
  const locator = end - LOCATOR_BYTES;
  if (locator < END64_BYTES) return { directory: short, start: end };
  reader.seek(locator);
  if (reader.u32() !== LOCATOR_SIGNATURE) return { directory: short, start: end };
  const disk = reader.u32();
  const start = reader.safeU64("the offset of the ZIP64 end record");
  if (disk !== 0 || reader.u32() > 1) reader.fail("a part of a split archive");
  if (start > locator - END64_BYTES) reader.fail(`its ZIP64 end record at ${start} overlaps the locator`);
  reader.seek(start);
  if (reader.u32() !== END64_SIGNATURE) reader.fail(`no ZIP64 end record at ${start}`);
  const sizeBytes = reader.safeU64("the size of the ZIP64 end record");
  if (start + 12 + sizeBytes !== locator) reader.fail("its ZIP64 end record has a wrong size");
  reader.skip(4);
  if (reader.u32() !== 0 || reader.u32() !== 0) reader.fail("a part of a split archive");
  const onDisk = reader.safeU64("the number of members");
  const directory = {
    count: reader.safeU64("the number of members"),
    sizeBytes: reader.safeU64("the size of the directory"),
    offset: reader.safeU64("the offset of the directory"),
  };
  const agrees =
    onDisk === directory.count &&
    (short.count === directory.count || short.count === U16_ALL) &&
    (short.sizeBytes === directory.sizeBytes || short.sizeBytes === U32_ALL) &&
    (short.offset === directory.offset || short.offset === U32_ALL);
  if (!agrees) reader.fail("its end record and its ZIP64 end record differ");
  return { directory, start };
}

function readDirectory(reader: BoundedReader, directory: Directory): Listed[] {
  reader.seek(directory.offset);
  const end = directory.offset + directory.sizeBytes;
  const names = new Set<string>();
  const listed: Listed[] = [];
  for (let index = 0; index < directory.count; index++) {
    const member = readCentral(reader, index);
    if (names.has(member.name)) reader.fail(`two members are named ${quoted(member.name)}`);
    names.add(member.name);
    listed.push(member);
    if (reader.offset > end) reader.fail("its directory is longer than its end record says");
  }
  if (reader.offset !== end) reader.fail("its directory is shorter than its end record says");
  return listed;
}

function readCentral(reader: BoundedReader, index: number): Listed {
  const centralOffset = reader.offset;
  if (reader.u32() !== CENTRAL_SIGNATURE) reader.fail(`no directory entry for member ${index}`);
  reader.skip(4);
  const header = readHeader(reader);
  const nameLength = reader.u16();
  const extraLength = reader.u16();
  const commentLength = reader.u16();
  if (reader.u16() !== 0) reader.fail("a part of a split archive");
  reader.skip(6);
  const headerOffset = reader.u32();
  const name = readName(reader, nameLength, index);
  const member = { ...header, name, centralOffset, headerOffset };
  fillZip64(reader, reader.bytes(extraLength).slice(), member, name);
  reader.skip(commentLength);
  if ((member.flags & FLAGS_REFUSED) !== 0) reader.fail(`member ${quoted(name)} is encrypted or patched`);
  if (member.method !== STORED && member.method !== DEFLATED)
    reader.fail(`member ${quoted(name)} is compressed by method ${member.method}`);
  if (member.method === STORED && member.storedBytes !== member.sizeBytes)
    reader.fail(`member ${quoted(name)} is stored, but has two sizes`);
  return member;
}

/** What central and local header share, from the flags to the sizes. */
function readHeader(reader: BoundedReader): Header {
  const flags = reader.u16();
  const method = reader.u16();
  reader.skip(4);
  return { flags, method, crc32: reader.u32(), storedBytes: reader.u32(), sizeBytes: reader.u32() };
}

/** A member's name: relative, with forward slashes, inside of the archive. */
function readName(reader: BoundedReader, length: number, index: number): string {
  const name = decodeUtf8(reader.bytes(length));
  if (name === undefined) return reader.fail(`the name of member ${index} is not UTF-8`);
  const isInside =
    name !== "" &&
    name.length <= NAME_LENGTH_MAX &&
    !/[\0\\]|^\/|^[A-Za-z]:/.test(name) &&
    !name.split("/").some((part) => part === ".." || part === ".");
  if (!isInside) reader.fail(`member ${index} is named ${quoted(name)}`);
  return name;
}

/** Takes the sizes and the offset that did not fit in 32 bits from the ZIP64 field of `extra`. */
function fillZip64(
  reader: BoundedReader,
  extra: Uint8Array,
  header: { sizeBytes: number; storedBytes: number; headerOffset?: number },
  name: string,
): void {
  const open = (["sizeBytes", "storedBytes", "headerOffset"] as const).filter(
    (key) => header[key] === U32_ALL,
  );
  if (open.length === 0) return;
  const view = new DataView(extra.buffer, extra.byteOffset, extra.byteLength);
  for (let at = 0; at + 4 <= extra.length;) {
    const length = view.getUint16(at + 2, true);
    if (view.getUint16(at, true) === EXTRA_ZIP64 && at + 4 + length <= extra.length) {
      open.forEach((key, index) => {
        if (length < index * 8 + 8) reader.fail(`the ZIP64 field of member ${quoted(name)} is too short`);
        const value = view.getBigUint64(at + 4 + index * 8, true);
        if (value > BigInt(reader.sizeBytes) && key !== "sizeBytes")
          reader.fail(`member ${quoted(name)} has ${key} ${value} in a file of ${reader.sizeBytes} bytes`);
        header[key] = Number(value);
      });
      return;
    }
    at += 4 + length;
  }
  // 4 GiB - 1 is a size as well as a sign; without a ZIP64 field it is the size.
}

/** Reads the header before a member's data and compares it with the directory's. */
function readLocal(
  reader: BoundedReader,
  listed: Listed,
  directoryOffset: number,
): { member: ZipMember; end: number } {
  const { name, method, storedBytes, sizeBytes } = listed;
  const differ = (what: string): never =>
    reader.fail(`local and central header of member ${quoted(name)} differ in ${what}`);
  reader.seek(listed.headerOffset);
  if (reader.u32() !== LOCAL_SIGNATURE) differ("place");
  reader.skip(2);
  const local = readHeader(reader);
  const nameLength = reader.u16();
  const extraLength = reader.u16();
  if (decodeUtf8(reader.bytes(nameLength)) !== name) differ("name");
  fillZip64(reader, reader.bytes(extraLength).slice(), local, name);
  if ((local.flags & ~FLAGS_IGNORED) !== (listed.flags & ~FLAGS_IGNORED)) differ("flags");
  if (local.method !== method) differ("method");
  const isLater = (local.flags & FLAG_DESCRIPTOR) !== 0;
  const isSame = (here: number, there: number): boolean => here === there || (isLater && here === 0);
  if (!isSame(local.crc32, listed.crc32)) differ("CRC");
  if (!isSame(local.storedBytes, storedBytes) || !isSame(local.sizeBytes, sizeBytes)) differ("size");
  const offset = reader.offset;
  let end = offset + storedBytes;
  if (end > directoryOffset) reader.fail(`member ${quoted(name)} runs into the directory`);
  const crcOffsets = [listed.centralOffset + CENTRAL_CRC];
  if (!isLater || local.crc32 !== 0) crcOffsets.push(listed.headerOffset + LOCAL_CRC);
  if (isLater) {
    const descriptor = readDescriptor(reader, listed, { at: end, end: directoryOffset });
    crcOffsets.push(end + descriptor.crcAt);
    end += descriptor.sizeBytes;
  }
  return { member: { name, method, offset, storedBytes, sizeBytes, crc32: listed.crc32, crcOffsets }, end };
}

/** Length of the data descriptor and where its CRC is: with or without signature, with sizes of 32 or 64 bits. */
function readDescriptor(
  reader: BoundedReader,
  listed: Listed,
  room: { at: number; end: number },
): { sizeBytes: number; crcAt: number } {
  reader.seek(room.at);
  const bytes = Buffer.from(reader.bytes(Math.min(DESCRIPTOR_BYTES_MAX, room.end - room.at)));
  for (const start of [4, 0]) {
    if (start === 4 && (bytes.length < 4 || bytes.readUInt32LE(0) !== DESCRIPTOR_SIGNATURE)) continue;
    if (bytes.length < start + 12 || bytes.readUInt32LE(start) !== listed.crc32) continue;
    const sizes = bytes.subarray(start + 4);
    if (sizes.readUInt32LE(0) === listed.storedBytes && sizes.readUInt32LE(4) === listed.sizeBytes)
      return { sizeBytes: start + 12, crcAt: start };
    if (
      sizes.length >= 16 &&
      sizes.readBigUInt64LE(0) === BigInt(listed.storedBytes) &&
      sizes.readBigUInt64LE(8) === BigInt(listed.sizeBytes)
    )
      return { sizeBytes: start + 20, crcAt: start };
  }
  return reader.fail(`the data descriptor of member ${quoted(listed.name)} differs from the directory`);
}
