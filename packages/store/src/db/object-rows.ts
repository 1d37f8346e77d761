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
export const DIGEST_BYTES = 32;

export const TAG = { place: 0x6f, copy: 0x4f, blob: 0x62, pack: 0x70, recoded: 0x73, needed: 0x6e } as const;

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

export function encodeNameAndSizes(name: Digest, sizeBytes: number, count: number): Uint8Array {
  const bytes = Buffer.alloc(44);
  bytes.set(digestToBytes(name), 0);
  bytes.writeUIntBE(sizeBytes, 32, 6);
  bytes.writeUInt32BE(count, 38);
  return bytes;
}
