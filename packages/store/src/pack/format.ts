/**
 * The bytes of a pack: header, records, footer, trailer. Pure. Little endian; described in docs/design/format.md.
 * A pack says twice what it holds: in the footer, and in the record headers that a forward scan finds.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type Digest, digestFromBytes, digestToBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { CHUNK_BYTES_MAX, OBJECT_BYTES_MAX, type ObjectKind } from "../objects/objects.ts";

export const PACK_VERSION = 1;
export const ALIGNMENT_BYTES = 64;
export const HEADER_BYTES = 64;
export const RECORD_HEADER_BYTES = 64;
export const FOOTER_ROW_BYTES = 56;
export const TRAILER_BYTES = 64;
export const PACK_BYTES_TARGET = 64 * 1024 * 1024;
export const PACK_RECORDS_MAX = 16_384;

const HEADER_MAGIC = "SMCPACK1";
const TRAILER_MAGIC = "SMCPEND1";
const RECORD_MAGIC = 0x31434552;

/** What a record holds. Blobs have no record of their own: chunks and a chunklist make one. */
export type RecordKind = Exclude<ObjectKind, "blob">;
const KINDS: readonly RecordKind[] = ["chunk", "chunklist", "tree", "commit", "tag"];

/** One record as the footer lists it. */
export interface RecordRow {
  readonly digest: Digest;
  readonly kind: RecordKind;
  readonly codec: number;
  readonly flags: number;
  /** Of the record header, from the start of the pack. */
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly headerCrc: number;
  /** Of a record that is a difference; not in the footer, but in the record. */
  readonly parents?: readonly Digest[];
  readonly depth?: number;
}

export interface RecordHeader {
  readonly digest: Digest;
  readonly kind: RecordKind;
  readonly codec: number;
  readonly flags: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly storedCrc: number;
  readonly headerCrc: number;
}

export interface PackHeader {
  readonly nonce: Uint8Array;
  readonly storeId: string;
}

function corrupt(message: string): SmcError {
  return new SmcError("PACK_CORRUPT", message);
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function paddedBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/** Bytes from the start of one record to the start of the next. */
export function recordBytes(storedBytes: number): number {
  return RECORD_HEADER_BYTES + paddedBytes(storedBytes);
}

export function encodePackHeader({ nonce, storeId }: PackHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(HEADER_MAGIC, 0, "latin1");
  bytes.writeUInt16LE(PACK_VERSION, 8);
  bytes.set(nonce, 16);
  bytes.write(storeId, 32, "hex");
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

/** Throws PACK_CORRUPT, or FORMAT_UNSUPPORTED for a newer version. */
export function decodePackHeader(raw: Uint8Array): PackHeader {
  const bytes = view(raw);
  if (bytes.length < HEADER_BYTES || bytes.toString("latin1", 0, 8) !== HEADER_MAGIC)
    throw corrupt("no pack header");
  if (bytes.readUInt32LE(60) !== crc32(bytes.subarray(0, 60))) throw corrupt("the pack header is damaged");
  const version = bytes.readUInt16LE(8);
  if (version !== PACK_VERSION) throw new SmcError("FORMAT_UNSUPPORTED", `a pack of version ${version}`);
  assertZero(bytes.subarray(10, 16));
  assertZero(bytes.subarray(48, 60));
  return { nonce: bytes.subarray(16, 32), storeId: bytes.toString("hex", 32, 48) };
}

function assertZero(reserved: Buffer): void {
  if (reserved.some((byte) => byte !== 0)) throw corrupt("reserved bytes are not zero");
}

type NewRecord = Omit<RecordHeader, "storedCrc" | "headerCrc">;

/** The header, of a record whose stored bytes have this CRC-32, and its own CRC, which the footer repeats. */
export function encodeRecordHeader(
  record: NewRecord,
  storedCrc: number,
): { bytes: Buffer; headerCrc: number } {
  const bytes = Buffer.alloc(RECORD_HEADER_BYTES);
  bytes.writeUInt32LE(RECORD_MAGIC, 0);
  bytes.writeUInt8(KINDS.indexOf(record.kind), 4);
  bytes.writeUInt8(record.codec, 5);
  bytes.writeUInt16LE(record.flags, 6);
  bytes.writeUInt32LE(record.rawBytes, 8);
  bytes.writeUInt32LE(record.storedBytes, 12);
  bytes.set(digestToBytes(record.digest), 16);
  bytes.writeUInt32LE(storedCrc, 48);
  const headerCrc = crc32(bytes.subarray(0, 60));
  bytes.writeUInt32LE(headerCrc, 60);
  return { bytes, headerCrc };
}

/** Throws PACK_CORRUPT unless the header is whole and its sizes are within the limits. */
export function decodeRecordHeader(raw: Uint8Array): RecordHeader {
  const bytes = view(raw);
  if (bytes.length < RECORD_HEADER_BYTES || bytes.readUInt32LE(0) !== RECORD_MAGIC)
    throw corrupt("no record header");
  const headerCrc = bytes.readUInt32LE(60);
  if (headerCrc !== crc32(bytes.subarray(0, 60))) throw corrupt("a record header is damaged");
  const kind = KINDS[bytes.readUInt8(4)];
  if (kind === undefined) throw new SmcError("FORMAT_UNSUPPORTED", `a record of kind ${bytes.readUInt8(4)}`);
  assertZero(bytes.subarray(52, 60));
  const record = {
    digest: digestFromBytes(bytes.subarray(16, 48)),
    kind,
    codec: bytes.readUInt8(5),
    flags: bytes.readUInt16LE(6),
    rawBytes: bytes.readUInt32LE(8),
    storedBytes: bytes.readUInt32LE(12),
    storedCrc: bytes.readUInt32LE(48),
    headerCrc,
  };
  const limit = kind === "chunk" ? CHUNK_BYTES_MAX : OBJECT_BYTES_MAX;
  if (record.rawBytes > limit || record.storedBytes > record.rawBytes + 64) {
    throw corrupt(`a record of ${record.rawBytes} bytes, ${record.storedBytes} stored`);
  }
  return record;
}

/** Throws PACK_CORRUPT when the stored bytes do not match the CRC in their header. */
export function assertStored(header: RecordHeader, stored: Uint8Array): void {
  if (stored.length !== header.storedBytes || crc32(stored) !== header.storedCrc) {
    throw corrupt("the stored bytes do not match their CRC");
  }
}

/** Rows as they stand in a footer, in the given order. */
export function encodeRows(rows: readonly RecordRow[]): Buffer {
  const bytes = Buffer.alloc(rows.length * FOOTER_ROW_BYTES);
  for (const [index, row] of rows.entries()) {
    const at = index * FOOTER_ROW_BYTES;
    bytes.set(digestToBytes(row.digest), at);
    bytes.writeBigUInt64LE(BigInt(row.offset), at + 32);
    bytes.writeUInt32LE(row.storedBytes, at + 40);
    bytes.writeUInt32LE(row.rawBytes, at + 44);
    bytes.writeUInt8(KINDS.indexOf(row.kind), at + 48);
    bytes.writeUInt8(row.codec, at + 49);
    bytes.writeUInt16LE(row.flags, at + 50);
    bytes.writeUInt32LE(row.headerCrc, at + 52);
  }
  return bytes;
}

/** Row `index` of bytes that hold whole rows. Throws FORMAT_UNSUPPORTED for an unknown kind. */
export function decodeRow(raw: Uint8Array, index: number): RecordRow {
  const bytes = view(raw);
  const at = index * FOOTER_ROW_BYTES;
  const kind = KINDS[bytes.readUInt8(at + 48)];
  if (kind === undefined)
    throw new SmcError("FORMAT_UNSUPPORTED", `a record of kind ${bytes.readUInt8(at + 48)}`);
  return {
    digest: digestFromBytes(bytes.subarray(at, at + 32)),
    offset: Number(bytes.readBigUInt64LE(at + 32)),
    storedBytes: bytes.readUInt32LE(at + 40),
    rawBytes: bytes.readUInt32LE(at + 44),
    kind,
    codec: bytes.readUInt8(at + 49),
    flags: bytes.readUInt16LE(at + 50),
    headerCrc: bytes.readUInt32LE(at + 52),
  };
}

/** Footer rows in digest order, and the trailer that ends the pack. */
export function encodeFooter(rows: readonly RecordRow[], footerOffset: number): Buffer {
  const sorted = [...rows].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const footer = Buffer.alloc(paddedBytes(sorted.length * FOOTER_ROW_BYTES));
  footer.set(encodeRows(sorted));
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer.writeBigUInt64LE(BigInt(footerOffset), 0);
  trailer.writeUInt32LE(sorted.length, 8);
  trailer.set(createHash("sha256").update(footer).digest(), 16);
  trailer.write(TRAILER_MAGIC, 48, "latin1");
  trailer.writeUInt32LE(crc32(trailer.subarray(0, 60)), 60);
  return Buffer.concat([footer, trailer]);
}

export interface Trailer {
  readonly footerOffset: number;
  readonly count: number;
  readonly footerHash: Uint8Array;
}

/** Throws PACK_CORRUPT; `packBytes` bounds what the trailer may claim. */
export function decodeTrailer(raw: Uint8Array, packBytes: number): Trailer {
  const bytes = view(raw);
  if (bytes.length !== TRAILER_BYTES || bytes.toString("latin1", 48, 56) !== TRAILER_MAGIC)
    throw corrupt("no trailer");
  if (bytes.readUInt32LE(60) !== crc32(bytes.subarray(0, 60))) throw corrupt("the trailer is damaged");
  const count = bytes.readUInt32LE(8);
  const footerOffset = Number(bytes.readBigUInt64LE(0));
  const fits = footerOffset + paddedBytes(count * FOOTER_ROW_BYTES) + TRAILER_BYTES === packBytes;
  if (count > PACK_RECORDS_MAX || !fits) throw corrupt("the trailer does not fit the pack");
  return { footerOffset, count, footerHash: bytes.subarray(16, 48) };
}

/** Throws PACK_CORRUPT unless the rows are those the trailer speaks of. */
export function decodeFooter(raw: Uint8Array, trailer: Trailer): RecordRow[] {
  const bytes = view(raw);
  const hash = createHash("sha256").update(bytes).digest();
  if (!hash.equals(trailer.footerHash)) throw corrupt("the footer is damaged");
  return Array.from({ length: trailer.count }, (_, index) => decodeRow(bytes, index));
}

/** A pack's name: SHA-256 of its header and its trailer, which holds the SHA-256 of the footer. */
export function packName(header: Uint8Array, trailer: Uint8Array): Digest {
  return createHash("sha256").update(header).update(trailer).digest("hex") as Digest;
}
