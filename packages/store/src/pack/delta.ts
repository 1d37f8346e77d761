/**
 * What stands before the payload of a record that is stored as a difference: which chunks it needs and which of their
 * bytes. Little endian; described in docs/design/format.md.
 */
import { type Digest, digestFromBytes, digestToBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";

/** Decoding a chunk reads at most this many chunks below it in a row. */
export const DEPTH_MAX = 4;
/** What readers follow: a chunk may be stored against a parent while that parent is stored anew against others. */
export const CHAIN_MAX = 16;
/** A chunk of one byte an element needs four chunks of an f32 sibling, five when they are not aligned. */
export const PARENTS_MAX = 5;
/** Codecs with these ids need the bytes of parents. */
const DELTA_IDS = { first: 32, last: 63 } as const;

const FIXED_BYTES = 12;
const DIGEST_BYTES = 32;
export const DELTA_PREFIX_BYTES_MAX = FIXED_BYTES + PARENTS_MAX * DIGEST_BYTES;
const PARENT_BYTES_MAX = 64 * 1024 * 1024;

export interface DeltaPrefix {
  /** 1 for a chunk whose parents are stored whole. */
  readonly depth: number;
  readonly parents: readonly Digest[];
  /** Where the needed bytes start in the parents' raw bytes, one after the other. */
  readonly offset: number;
  readonly length: number;
}

export function isDeltaCodec(codec: number): boolean {
  return codec >= DELTA_IDS.first && codec <= DELTA_IDS.last;
}

export function encodeDeltaPrefix({ depth, parents, offset, length }: DeltaPrefix): Buffer {
  const bytes = Buffer.alloc(FIXED_BYTES + parents.length * DIGEST_BYTES);
  bytes.writeUInt8(depth, 0);
  bytes.writeUInt8(parents.length, 1);
  bytes.writeUInt32LE(offset, 4);
  bytes.writeUInt32LE(length, 8);
  for (const [index, parent] of parents.entries()) {
    bytes.set(digestToBytes(parent), FIXED_BYTES + index * DIGEST_BYTES);
  }
  return bytes;
}

/** The prefix, and where the codec's payload starts. Throws PACK_CORRUPT. */
export function decodeDeltaPrefix(stored: Uint8Array): { prefix: DeltaPrefix; sizeBytes: number } {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  const count = bytes.length < FIXED_BYTES ? 0 : bytes.readUInt8(1);
  const sizeBytes = FIXED_BYTES + count * DIGEST_BYTES;
  if (count === 0 || count > PARENTS_MAX || bytes.length < sizeBytes || bytes.readUInt16LE(2) !== 0) {
    throw new SmcError("PACK_CORRUPT", "the list of a chunk's parents is damaged");
  }
  const depth = bytes.readUInt8(0);
  const length = bytes.readUInt32LE(8);
  if (depth < 1 || depth > DEPTH_MAX || length > PARENT_BYTES_MAX) {
    throw new SmcError("PACK_CORRUPT", `a difference of depth ${depth} over ${length} bytes`);
  }
  const parents = Array.from({ length: count }, (_, index) => {
    const at = FIXED_BYTES + index * DIGEST_BYTES;
    return digestFromBytes(bytes.subarray(at, at + DIGEST_BYTES));
  });
  return { prefix: { depth, parents, offset: bytes.readUInt32LE(4), length }, sizeBytes };
}
