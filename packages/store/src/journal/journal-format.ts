/** Bytes of the journal: headers and records. Pure. docs/design/format.md describes every one of them. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { decodeCanonical, encodeCanonical, Shape } from "../objects/cbor.ts";
import { type Digest, digestFromBytes, digestToBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";

export const HEADER_BYTES = 128;
export const HASH_BYTES = 32;
/** Length and checksum before the payload. */
export const PREFIX_BYTES = 8;
export const PAYLOAD_BYTES_MAX = 8 * 1024 * 1024;
export const CHANGES_MAX = 100_000;
/** Chain hash before the first record of a store. */
export const FIRST_HASH: Uint8Array = new Uint8Array(HASH_BYTES);

const MAGIC = "SMCJRNL1";
const VERSION = 1;
/**
 * Every payload is a map of less than 24 keys, and DAG-CBOR sorts "ms" before all of ours: the text "ms" is its second
 * byte on. The search for whole records behind damage looks for it.
 */
const PAYLOAD_START = Buffer.from([0x62, 0x6d, 0x73]);

export interface JournalHeader {
  readonly storeId: string;
  readonly number: number;
  readonly firstSeq: number;
  readonly previousHash: Uint8Array;
}

/** One ref as the journal keeps it: what it was and what it became. */
export interface JournalChange {
  readonly name: string;
  readonly from: Digest | "absent";
  readonly to: Digest | "absent";
}

interface Common {
  readonly ms: number;
  readonly op: string;
  readonly actor: string;
  readonly reason: string;
  readonly repository: string;
}

/** What happened, without its number. */
export type JournalEntry =
  | (Common & { readonly type: "repository" })
  | (Common & { readonly type: "worktree"; readonly worktree: string; readonly path: string })
  | (Common & { readonly type: "refs"; readonly changes: readonly JournalChange[] });

export type JournalRecord = JournalEntry & { readonly seq: number };

export function encodeHeader(header: JournalHeader): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt16LE(VERSION, 8);
  bytes.write(header.storeId, 16, "hex");
  bytes.writeBigUInt64LE(BigInt(header.firstSeq), 32);
  bytes.writeUInt32LE(header.number, 40);
  bytes.set(header.previousHash, 48);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER_BYTES - 4)), HEADER_BYTES - 4);
  return bytes;
}

/** Throws JOURNAL_CORRUPT, or FORMAT_UNSUPPORTED for a version of the future. */
export function decodeHeader(raw: Uint8Array, what: string): JournalHeader {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  const isWhole = bytes.length === HEADER_BYTES && bytes.toString("latin1", 0, 8) === MAGIC;
  if (!isWhole || crc32(bytes.subarray(0, HEADER_BYTES - 4)) !== bytes.readUInt32LE(HEADER_BYTES - 4)) {
    throw journalCorrupt(`${what}: the header is damaged`);
  }
  const version = bytes.readUInt16LE(8);
  if (version !== VERSION) throw new SmcError("FORMAT_UNSUPPORTED", `${what}: journal version ${version}`);
  const reserved = [bytes.subarray(10, 16), bytes.subarray(44, 48), bytes.subarray(80, HEADER_BYTES - 4)];
  if (reserved.some((part) => part.some((byte) => byte !== 0)))
    throw journalCorrupt(`${what}: reserved bytes are not zero`);
  const firstSeq = Number(bytes.readBigUInt64LE(32));
  if (!Number.isSafeInteger(firstSeq)) throw journalCorrupt(`${what}: its first record is ${firstSeq}`);
  return {
    storeId: bytes.toString("hex", 16, 32),
    firstSeq,
    number: bytes.readUInt32LE(40),
    previousHash: new Uint8Array(bytes.subarray(48, 80)),
  };
}

export function journalCorrupt(message: string): SmcError {
  return new SmcError("JOURNAL_CORRUPT", `${message}; nothing was changed`);
}

export function nextHash(previous: Uint8Array, payload: Uint8Array): Uint8Array {
  return createHash("sha256").update(previous).update(payload).digest();
}

function digestBytesOf(value: Digest | "absent"): Uint8Array | null {
  return value === "absent" ? null : digestToBytes(value);
}

/** Throws LIMIT_EXCEEDED above 100,000 changes or 8 MiB. */
export function encodePayload(record: JournalRecord): Uint8Array {
  const { ms, op, actor, reason, repository, seq, type } = record;
  const common = { ms, op, actor, reason, repository, seq, type };
  const payload = encodeCanonical({ ...common, ...ownFields(record) });
  if (payload.length > PAYLOAD_BYTES_MAX) {
    throw new SmcError(
      "LIMIT_EXCEEDED",
      `a change of refs takes ${payload.length} bytes in the journal, over 8 MiB`,
      {
        hint: "change fewer refs at once",
      },
    );
  }
  return payload;
}

function ownFields(record: JournalRecord): object {
  switch (record.type) {
    case "repository":
      return {};
    case "worktree":
      return { worktree: record.worktree, path: record.path };
    case "refs":
      if (record.changes.length > CHANGES_MAX) {
        throw new SmcError(
          "LIMIT_EXCEEDED",
          `${record.changes.length} refs at once are more than ${CHANGES_MAX}`,
        );
      }
      return {
        changes: record.changes.map(({ name, from, to }) => ({
          name,
          from: digestBytesOf(from),
          to: digestBytesOf(to),
        })),
      };
  }
}

/** Length, checksum, payload and chain hash: what is appended for a record. */
export function encodeRecord(payload: Uint8Array, hash: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(PREFIX_BYTES + payload.length + HASH_BYTES);
  bytes.writeUInt32LE(payload.length, 0);
  bytes.set(payload, PREFIX_BYTES);
  bytes.set(hash, PREFIX_BYTES + payload.length);
  bytes.writeUInt32LE(recordChecksum(bytes), 4);
  return bytes;
}

/** CRC-32 of the length and the payload of a record that lies whole in `bytes`. */
export function recordChecksum(bytes: Buffer): number {
  const end = PREFIX_BYTES + bytes.readUInt32LE(0);
  return crc32(bytes.subarray(PREFIX_BYTES, end), crc32(bytes.subarray(0, 4)));
}

/**
 * Where a whole record begins behind the damaged one that `bytes` starts with, or undefined. Looks for the start of
 * payloads, so it takes one pass over the bytes.
 */
export function findRecord(bytes: Buffer): number | undefined {
  let hit = bytes.indexOf(PAYLOAD_START, PREFIX_BYTES + 2);
  for (; hit >= 0; hit = bytes.indexOf(PAYLOAD_START, hit + 1)) {
    const start = hit - 1 - PREFIX_BYTES;
    const rest = bytes.subarray(start);
    const length = rest.readUInt32LE(0);
    if (length === 0 || length > rest.length - PREFIX_BYTES - HASH_BYTES) continue;
    if (recordChecksum(rest) === rest.readUInt32LE(4)) return start;
  }
  return undefined;
}

const COMMON = ["ms", "op", "actor", "reason", "repository", "seq"];
const OWN_FIELDS = { repository: [], worktree: ["worktree", "path"], refs: ["changes"] } as const;

/** Throws JOURNAL_CORRUPT for a payload that this version cannot have written. */
export function decodePayload(payload: Uint8Array, what: string): JournalRecord {
  try {
    return decodeRecord(decodeCanonical(payload, what));
  } catch (error) {
    throw new SmcError("JOURNAL_CORRUPT", `${what}: a record does not say what it must`, { cause: error });
  }
}

function decodeRecord(value: unknown): JournalRecord {
  const type = (value as { type?: unknown } | null)?.type;
  if (type !== "repository" && type !== "worktree" && type !== "refs") {
    throw new SmcError("OBJECT_INVALID", "the type of a record is not known");
  }
  const shape = new Shape(value, type, [...COMMON, ...OWN_FIELDS[type]]);
  const common = {
    seq: shape.integer("seq"),
    ms: shape.integer("ms"),
    op: shape.text("op"),
    actor: shape.text("actor"),
    reason: shape.text("reason"),
    repository: shape.text("repository"),
  };
  switch (type) {
    case "repository":
      return { type, ...common };
    case "worktree":
      return { type, ...common, worktree: shape.text("worktree"), path: shape.text("path") };
    case "refs":
      return { type, ...common, changes: shape.list("changes", CHANGES_MAX).map(decodeChange) };
  }
}

function decodeChange(value: unknown): JournalChange {
  const { name, from, to } = (value ?? {}) as Record<string, unknown>;
  if (typeof name !== "string") throw new SmcError("OBJECT_INVALID", "a changed ref has no name");
  return { name, from: digestOf(from), to: digestOf(to) };
}

function digestOf(value: unknown): Digest | "absent" {
  if (value === null) return "absent";
  if (value instanceof Uint8Array) return digestFromBytes(value);
  throw new SmcError("OBJECT_INVALID", "a changed ref has no digest");
}
