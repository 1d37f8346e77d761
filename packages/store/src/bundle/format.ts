/**
 * A bundle is a CARv1 file whose only root is a block that tells what the others are. What each byte means is in
 * docs/design/format.md. Pure.
 */
import { SmcError } from "../errors.ts";
import { decodeCanonical, encodeCanonical, Shape } from "../objects/cbor.ts";
import { DIGEST_BYTES, type Digest, digestFromBytes, digestToBytes } from "../objects/digest.ts";
import { CHUNK_BYTES_MAX, OBJECT_BYTES_MAX } from "../objects/objects.ts";
import type { RecordKind } from "../pack/format.ts";

const VERSION = 1;
const REFS_MAX = 10_000;
const SINCE_MAX = 1000;
const PRUNED_MAX = 50_000;
export const ROOT_BYTES_MAX = 4 * 1024 * 1024;
/** Records of one bundle; each takes about 300 bytes of memory. */
export const RECORDS_MAX = 1_000_000;
/** A millisecond of the year 9999. */
const MS_MAX = 253_402_300_799_999;
const NAME_LENGTH_MAX = 4096;

export interface BundleRef {
  /** `refs/heads/…` or `refs/tags/…`; whoever takes it over checks the name. */
  readonly name: string;
  readonly digest: Digest;
}

/** What the root block says. */
export interface Bundle {
  /** Of the repository that it was made of; for people. */
  readonly repository: string;
  readonly createdMs: number;
  readonly refs: readonly BundleRef[];
  /** Commits that the receiver must have, with everything below them. */
  readonly since: readonly Digest[];
  /** Commits in it that gave up their files. */
  readonly pruned: readonly Digest[];
  /** Blocks besides the root. */
  readonly records: number;
}

/** Throws LIMIT_EXCEEDED. */
export function encodeBundle(bundle: Bundle): Uint8Array {
  const { refs, since, pruned } = bundle;
  const bytes = encodeCanonical({
    type: "bundle",
    version: VERSION,
    repository: bundle.repository,
    created: bundle.createdMs,
    refs: refs.map(({ name, digest }) => [name, digestToBytes(digest)]),
    since: since.map(digestToBytes),
    pruned: pruned.map(digestToBytes),
    records: bundle.records,
  });
  const fits = refs.length <= REFS_MAX && since.length <= SINCE_MAX && pruned.length <= PRUNED_MAX;
  if (fits && bytes.length <= ROOT_BYTES_MAX) return bytes;
  throw new SmcError(
    "LIMIT_EXCEEDED",
    `a bundle has at most ${REFS_MAX} refs, ${SINCE_MAX} revisions that it builds on and ${PRUNED_MAX} pruned commits`,
    { hint: "make several bundles" },
  );
}

const FIELDS = ["version", "repository", "created", "refs", "since", "pruned", "records"];

/** Throws OBJECT_INVALID unless it is the root of a bundle, FORMAT_UNSUPPORTED for a newer one. */
export function decodeBundle(bytes: Uint8Array): Bundle {
  const value = decodeCanonical(bytes, "bundle");
  const { type, version } = (value ?? {}) as { type?: unknown; version?: unknown };
  if (type === "bundle" && Number.isSafeInteger(version) && version !== VERSION)
    throw new SmcError("FORMAT_UNSUPPORTED", `a bundle of version ${String(version)}`);
  const shape = new Shape(value, "bundle", FIELDS);
  const digests = (field: string, max: number): Digest[] =>
    shape.list(field, max).map((_, index) => shape.digestAt(field, index));
  const refs = shape.list("refs", REFS_MAX).map(readRef);
  if (new Set(refs.map(({ name }) => name)).size !== refs.length) throw invalid("a ref is named twice");
  const bundle = {
    repository: shape.text("repository"),
    createdMs: shape.integer("created"),
    refs,
    since: digests("since", SINCE_MAX),
    pruned: digests("pruned", PRUNED_MAX),
    records: shape.integer("records"),
  };
  if (bundle.repository.length > NAME_LENGTH_MAX) throw invalid("the repository's name is too long");
  if (bundle.createdMs > MS_MAX) throw invalid("made after the year 9999");
  if (bundle.records > RECORDS_MAX) throw invalid(`more than ${RECORDS_MAX} records`);
  return bundle;
}

function readRef(row: unknown): BundleRef {
  const [name, digest] = (Array.isArray(row) && row.length === 2 ? row : []) as readonly unknown[];
  const isName = typeof name === "string" && name.length <= NAME_LENGTH_MAX;
  if (!isName || !/^refs\/(?:heads|tags)\/./.test(name)) throw invalid("a ref is no branch and no tag");
  if (!(digest instanceof Uint8Array) || digest.length !== DIGEST_BYTES)
    throw invalid("a ref without a digest");
  return { name, digest: digestFromBytes(digest) };
}

function invalid(why: string): SmcError {
  return new SmcError("OBJECT_INVALID", `bundle: ${why}`);
}

/** CIDv1 of SHA-256: version, codec, 0x12, 32, digest. */
const CID_BYTES = 4 + DIGEST_BYTES;
const RAW = 0x55;
const DAG_CBOR = 0x71;
/** `{roots: [CID], version: 1}` in DAG-CBOR, around the CID's bytes. */
const HEADER_BEFORE = Buffer.from("a265726f6f747381d82a582500", "hex");
const HEADER_AFTER = Buffer.from("6776657273696f6e01", "hex");
const HEADER_BODY_BYTES = HEADER_BEFORE.length + CID_BYTES + HEADER_AFTER.length;
export const HEADER_BYTES = 1 + HEADER_BODY_BYTES;
/** The length of a block is a varint of at most this many bytes. */
const VARINT_BYTES_MAX = 5;
/** What stands before a block's content has at most so many bytes. */
export const HEAD_BYTES_MAX = VARINT_BYTES_MAX + CID_BYTES;

/** What stands before a block of so many bytes. */
export function blockHeadBytes(sizeBytes: number): number {
  let varintBytes = 1;
  for (let rest = CID_BYTES + sizeBytes; rest > 127; rest = Math.floor(rest / 128)) varintBytes += 1;
  return varintBytes + CID_BYTES;
}

/** How CARv2 begins: a header of CAR that says version 2. Behind it stands where the CARv1 in it is. */
const PRAGMA = Buffer.from("0aa16776657273696f6e02", "hex");
const CHARACTERISTICS_BYTES = 16;
/** In the first byte of the characteristics: the index has every block. */
const FULLY_INDEXED = 0x80;
export const OUTER_BYTES = PRAGMA.length + CHARACTERISTICS_BYTES + 3 * 8;

/** Where the CARv1 of a file is. */
export interface CarSpan {
  readonly from: number;
  readonly end: number;
  readonly version: 1 | 2;
  /** Where an index is that has every block, by what the file says. */
  readonly indexAt: number | undefined;
}

/** What stands before a CARv1 of so many bytes with an index of every block right behind it. */
export function encodeOuter(dataBytes: number): Buffer {
  const bytes = Buffer.alloc(OUTER_BYTES);
  PRAGMA.copy(bytes);
  bytes[PRAGMA.length] = FULLY_INDEXED;
  const numbers = [OUTER_BYTES, dataBytes, OUTER_BYTES + dataBytes];
  for (const [index, number] of numbers.entries())
    bytes.writeBigUInt64LE(BigInt(number), PRAGMA.length + CHARACTERISTICS_BYTES + index * 8);
  return bytes;
}

/**
 * The span that a file of CARv2 names in its first bytes, the whole file when it is none. Undefined when that cannot
 * be: outside the file, in its head, or where its index is.
 */
export function parseOuter(head: Uint8Array, sizeBytes: number): CarSpan | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  if (!bytes.subarray(0, PRAGMA.length).equals(PRAGMA))
    return { from: 0, end: sizeBytes, version: 1, indexAt: undefined };
  if (bytes.length < OUTER_BYTES) return undefined;
  const numberAt = (index: number): number =>
    Number(bytes.readBigUInt64LE(PRAGMA.length + CHARACTERISTICS_BYTES + index * 8));
  const [from, length, index] = [numberAt(0), numberAt(1), numberAt(2)];
  const end = from + length;
  const isInside = from >= OUTER_BYTES && length > 0 && end <= sizeBytes;
  const hasIndexBehind = index === 0 || (index >= end && index < sizeBytes);
  if (!isInside || !hasIndexBehind) return undefined;
  const isFull = index !== 0 && ((bytes[PRAGMA.length] ?? 0) & FULLY_INDEXED) !== 0;
  return { from, end, version: 2, indexAt: isFull ? index : undefined };
}

/**
 * Where the root block of a bundle ends, by the first bytes of the file; undefined when they cannot be those of one.
 */
export function rootEnd(head: Uint8Array): number | undefined {
  const from = parseOuter(head, Number.MAX_SAFE_INTEGER)?.from;
  const block = from === undefined ? undefined : parseBlockHead(head.subarray(from + HEADER_BYTES));
  if (from === undefined || block === undefined || block.sizeBytes > ROOT_BYTES_MAX) return undefined;
  return from + HEADER_BYTES + block.headBytes + block.sizeBytes;
}

/** The root that the header of the file names; undefined when it is not one of CARv1 with one root of ours. */
export function parseHeader(bytes: Uint8Array): Digest | undefined {
  const body = Buffer.from(bytes.subarray(1, HEADER_BYTES));
  if (bytes[0] !== HEADER_BODY_BYTES || body.length !== HEADER_BODY_BYTES) return undefined;
  const after = HEADER_BEFORE.length + CID_BYTES;
  if (!body.subarray(0, HEADER_BEFORE.length).equals(HEADER_BEFORE)) return undefined;
  if (!body.subarray(after).equals(HEADER_AFTER)) return undefined;
  const cid = parseCidBytes(body.subarray(HEADER_BEFORE.length, after));
  return cid === undefined || cid.isRaw ? undefined : cid.digest;
}

export interface BlockHead {
  readonly digest: Digest;
  /** A chunk; else one of the objects in DAG-CBOR. */
  readonly isRaw: boolean;
  /** Of what stands before the content. */
  readonly headBytes: number;
  readonly sizeBytes: number;
}

/**
 * What stands before a block's content. Undefined for what no block of a bundle begins with, or is larger than one may
 * be.
 */
export function parseBlockHead(bytes: Uint8Array): BlockHead | undefined {
  let length = 0;
  let at = 0;
  for (let isMore = true; isMore; at += 1) {
    const byte = bytes[at];
    if (byte === undefined || at === VARINT_BYTES_MAX || (byte === 0 && at > 0)) return undefined;
    length += (byte & 127) * 128 ** at;
    isMore = byte > 127;
  }
  const cid = parseCidBytes(bytes.subarray(at, at + CID_BYTES));
  const sizeBytes = length - CID_BYTES;
  if (cid === undefined || sizeBytes < 0) return undefined;
  if (sizeBytes > (cid.isRaw ? CHUNK_BYTES_MAX : OBJECT_BYTES_MAX)) return undefined;
  return { ...cid, headBytes: at + CID_BYTES, sizeBytes };
}

function parseCidBytes(bytes: Uint8Array): { digest: Digest; isRaw: boolean } | undefined {
  const [version, codec, hash, length] = bytes;
  const isOurs = version === 1 && (codec === RAW || codec === DAG_CBOR) && hash === 0x12 && length === 32;
  if (!isOurs || bytes.length !== CID_BYTES) return undefined;
  return { digest: digestFromBytes(bytes.subarray(4)), isRaw: codec === RAW };
}

/** How the canonical encoding of each kind begins: the number of fields, and the first of them. */
const BEGINNINGS: readonly (readonly [RecordKind, Buffer])[] = [
  ["tag", Buffer.from("a7646e616d65", "hex")],
  ["commit", Buffer.from("a9646d657461", "hex")],
  ["tree", Buffer.from("a26474797065", "hex")],
  ["chunklist", Buffer.from("a564626c6f62", "hex")],
];

/** What an object in DAG-CBOR can only be, before it is decoded. */
export function kindOfObject(bytes: Uint8Array): RecordKind | undefined {
  return BEGINNINGS.find(([, begin]) => begin.equals(bytes.subarray(0, begin.length)))?.[0];
}
