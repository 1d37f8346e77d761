/**
 * Content-defined cutting with a gear hash and normalised chunking, after FastCDC
 * (Xia et al., USENIX ATC 2016). Frozen: another table, mask or size would lose all dedup with stored data.
 */
import { createHash } from "node:crypto";

export const GEAR_MIN_BYTES = 256 * 1024;
export const GEAR_NORMAL_BYTES = 1024 * 1024;
export const GEAR_MAX_BYTES = 4 * 1024 * 1024;
/** Bytes that a 32-bit gear hash remembers. */
const WINDOW_BYTES = 32;
/** Below the normal size a cut needs 22 zero bits, above it 18: most chunks end near the normal size. */
const MASK_BEFORE = 0xfffffc00 | 0;
const MASK_AFTER = 0xffffc000 | 0;

/** Entry i is the first four bytes, little endian, of SHA-256("smc gear 1 <i>"). */
const GEAR = Int32Array.from({ length: 256 }, (_, byte) =>
  createHash("sha256").update(`smc gear 1 ${byte}`).digest().readInt32LE(0),
);

function scan(
  bytes: Uint8Array,
  from: number,
  to: number,
  mask: number,
  seed: number,
): { at: number; hash: number } {
  let hash = seed;
  for (let at = from; at < to; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    if ((hash & mask) === 0) return { at: at + 1, hash };
  }
  return { at: -1, hash };
}

/**
 * Length of the chunk that starts at `start`. `end` is where the known bytes end: either the end of the data
 * or at least GEAR_MAX_BYTES after `start`.
 */
export function gearCut(bytes: Uint8Array, start: number, end: number): number {
  const available = end - start;
  if (available <= GEAR_MIN_BYTES) return available;
  const normal = start + Math.min(available, GEAR_NORMAL_BYTES);
  const last = start + Math.min(available, GEAR_MAX_BYTES);
  const first = start + GEAR_MIN_BYTES;
  let hash = 0;
  for (let at = first - WINDOW_BYTES; at < first; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
  }
  const before = scan(bytes, first, normal, MASK_BEFORE, hash);
  if (before.at >= 0) return before.at - start;
  const after = scan(bytes, normal, last, MASK_AFTER, before.hash);
  return (after.at >= 0 ? after.at : last) - start;
}
