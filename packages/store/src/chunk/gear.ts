/**
 * Content-defined cutting with a gear hash and normalised chunking, after FastCDC
 * (Xia et al., USENIX ATC 2016). Frozen: another table, mask or size would lose all dedup with stored data.
 */
import { createHash } from "node:crypto";
import { scanGear } from "../codecs/gear-scan.ts";

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

interface Scanned {
  /** Where the chunk ends, or -1. */
  readonly at: number;
  readonly hash: number;
}

function scanBytes(
  bytes: Uint8Array,
  range: { from: number; to: number },
  mask: number,
  seed: number,
): Scanned {
  let hash = seed;
  for (let at = range.from; at < range.to; at++) {
    hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    if ((hash & mask) === 0) return { at: at + 1, hash };
  }
  return { at: -1, hash };
}

/** The same over four bytes a step, which is twice as fast; `at` counts from the first word. Little endian only. */
function scanWords(words: Int32Array, mask: number, seed: number): Scanned {
  let hash = seed;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as number;
    const first = ((hash << 1) + (GEAR[word & 255] as number)) | 0;
    const second = ((first << 1) + (GEAR[(word >>> 8) & 255] as number)) | 0;
    const third = ((second << 1) + (GEAR[(word >>> 16) & 255] as number)) | 0;
    hash = ((third << 1) + (GEAR[word >>> 24] as number)) | 0;
    if ((first & mask) === 0) return { at: index * 4 + 1, hash: first };
    if ((second & mask) === 0) return { at: index * 4 + 2, hash: second };
    if ((third & mask) === 0) return { at: index * 4 + 3, hash: third };
    if ((hash & mask) === 0) return { at: index * 4 + 4, hash };
  }
  return { at: -1, hash };
}

const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

type Scan = (bytes: Uint8Array, range: { from: number; to: number }, mask: number, seed: number) => Scanned;

/** Without kernels. */
export const scanPlainly: Scan = (bytes, range, mask, seed) => {
  const { from, to } = range;
  if (!IS_LITTLE_ENDIAN) return scanBytes(bytes, range, mask, seed);
  const start = Math.min(to, from + (-(bytes.byteOffset + from) & 3));
  const head = scanBytes(bytes, { from, to: start }, mask, seed);
  if (head.at >= 0 || start === to) return head;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, (to - start) >>> 2);
  const middle = scanWords(words, mask, head.hash);
  if (middle.at >= 0) return { at: start + middle.at, hash: middle.hash };
  return scanBytes(bytes, { from: start + words.length * 4, to }, mask, middle.hash);
};

const scanFast: Scan = (bytes, { from, to }, mask, seed) =>
  scanGear(bytes, { from, to, mask, seed, table: GEAR }) ?? scanPlainly(bytes, { from, to }, mask, seed);

/**
 * Length of the chunk that starts at `start`. `end` is where the known bytes end: either the end of the data
 * or at least GEAR_MAX_BYTES after `start`.
 */
export function gearCut(bytes: Uint8Array, start: number, end: number, scan: Scan = scanFast): number {
  const available = end - start;
  if (available <= GEAR_MIN_BYTES) return available;
  const normal = start + Math.min(available, GEAR_NORMAL_BYTES);
  const last = start + Math.min(available, GEAR_MAX_BYTES);
  const first = start + GEAR_MIN_BYTES;
  let seed = 0;
  for (let at = first - WINDOW_BYTES; at < first; at++) {
    seed = ((seed << 1) + (GEAR[bytes[at] as number] as number)) | 0;
  }
  const before = scan(bytes, { from: first, to: normal }, MASK_BEFORE, seed);
  if (before.at >= 0) return before.at - start;
  const after = scan(bytes, { from: normal, to: last }, MASK_AFTER, before.hash);
  return (after.at >= 0 ? after.at : last) - start;
}
