/** Rows of the object index in LevelDB, as docs/design/format.md describes them. */
import { type Digest, digestFromBytes, digestToBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import type { RecordKind } from "../pack/format.ts";

/** One copy of a record. */
export interface Place {
  readonly pack: number;
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly kind: RecordKind;
  readonly codec: number;
  /** Of a record that is a difference: the chunks it needs, and how long the longest chain below it is. */
  readonly parents?: readonly Digest[];
  readonly depth?: number;
}

const KINDS: readonly RecordKind[] = ["chunk", "chunklist", "tree", "commit", "tag"];
const PLACE_BYTES = 24;
const NAME_AND_SIZES_BYTES = 44;
export const DIGEST_BYTES = 32;

/** `cleared`, the last to go, is there while all rows are being removed. */
export const TAG = {
  place: 0x6f,
  copy: 0x4f,
  blob: 0x62,
  pack: 0x70,
  recoded: 0x73,
  needed: 0x6e,
  cleared: 0x78,
} as const;

export function key(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([Uint8Array.of(tag), ...parts]);
}

export function packBytes(no: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(no);
  return bytes;
}

export function copyKey(digest: Uint8Array, no: number): Uint8Array {
  return key(TAG.copy, digest, packBytes(no));
}

export function encodePlace(place: Place): Uint8Array {
  const parents = place.parents ?? [];
  const bytes = Buffer.alloc(PLACE_BYTES + parents.length * DIGEST_BYTES);
  bytes.writeUInt32BE(place.pack, 0);
  bytes.writeUIntBE(place.offset, 4, 6);
  bytes.writeUInt32BE(place.storedBytes, 10);
  bytes.writeUInt32BE(place.rawBytes, 14);
  bytes.writeUInt8(KINDS.indexOf(place.kind), 18);
  bytes.writeUInt8(place.codec, 19);
  bytes.writeUInt8(place.depth ?? 0, 20);
  bytes.writeUInt8(parents.length, 21);
  for (const [index, parent] of parents.entries())
    bytes.set(digestToBytes(parent), PLACE_BYTES + index * DIGEST_BYTES);
  return bytes;
}

export function decodePlace(raw: Uint8Array): Place {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  const count = bytes.length < PLACE_BYTES ? 0 : bytes.readUInt8(21);
  const isWhole =
    bytes.length === PLACE_BYTES + count * DIGEST_BYTES &&
    bytes.readUInt16BE(22) === 0 &&
    (count > 0 || bytes.readUInt8(20) === 0);
  const kind = isWhole ? KINDS[bytes.readUInt8(18)] : undefined;
  if (kind === undefined) throw new SmcError("INDEX_CORRUPT", "a row of the object index is damaged");
  return {
    pack: bytes.readUInt32BE(0),
    offset: bytes.readUIntBE(4, 6),
    storedBytes: bytes.readUInt32BE(10),
    rawBytes: bytes.readUInt32BE(14),
    kind,
    codec: bytes.readUInt8(19),
    ...(count === 0 ? {} : { depth: bytes.readUInt8(20), parents: decodeParents(bytes) }),
  };
}

function decodeParents(bytes: Buffer): Digest[] {
  const parents: Digest[] = [];
  for (let at = PLACE_BYTES; at < bytes.length; at += DIGEST_BYTES)
    parents.push(digestFromBytes(bytes.subarray(at, at + DIGEST_BYTES)));
  return parents;
}

/** `isWhole`: all rows of the pack are there; not while they are being written or taken away. */
export function encodePack(pack: {
  name: Digest;
  sizeBytes: number;
  count: number;
  isWhole: boolean;
}): Uint8Array {
  const bytes = encodeNameAndSizes(pack.name, pack.sizeBytes, pack.count);
  bytes.writeUInt16BE(pack.isWhole ? 0 : 1, 42);
  return bytes;
}

export function decodePack(raw: Uint8Array): {
  name: Digest;
  sizeBytes: number;
  count: number;
  isWhole: boolean;
} {
  const row = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  const state = row.length === NAME_AND_SIZES_BYTES ? row.readUInt16BE(42) : undefined;
  if (state !== 0 && state !== 1)
    throw new SmcError("INDEX_CORRUPT", "the row of a pack in the object index is damaged");
  const name = digestFromBytes(row.subarray(0, DIGEST_BYTES));
  return { name, sizeBytes: row.readUIntBE(32, 6), count: row.readUInt32BE(38), isWhole: state === 0 };
}

export function encodeNameAndSizes(name: Digest, sizeBytes: number, count: number): Buffer {
  const bytes = Buffer.alloc(NAME_AND_SIZES_BYTES);
  bytes.set(digestToBytes(name), 0);
  bytes.writeUIntBE(sizeBytes, 32, 6);
  bytes.writeUInt32BE(count, 38);
  return bytes;
}
