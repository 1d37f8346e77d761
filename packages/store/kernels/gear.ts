/** The gear hash of src/chunk/gear.ts, in four quarters of a window at a time: the hash remembers only 32 bytes. */
import { GEAR_TABLE } from "./memory";

const HASH_WINDOW_BYTES: u32 = 32;
/** Small enough that it costs little to go over it once more where a cut is. */
const WINDOW_BYTES: u32 = 65536;
const QUARTER_BYTES: u32 = 16384;
const STEP_BYTES: u32 = 8;
const NONE: u32 = 0xffffffff;

let lastHash: u32 = 0;

function next(hash: u32, byte: u32): u32 {
  return (hash << 1) + load<u32>(GEAR_TABLE + ((<usize>byte) << 2));
}

/** Where the first cut of bytes `first` to `end` is, counted from `from`; NONE without one. Sets lastHash. */
function scanBytes(from: usize, first: u32, end: u32, mask: u32, seed: u32): u32 {
  let hash = seed;
  for (let at = first; at < end; at++) {
    hash = next(hash, load<u8>(from + at));
    if ((hash & mask) === 0) {
      lastHash = hash;
      return at + 1;
    }
  }
  lastHash = hash;
  return NONE;
}

/** The hash after the 32 bytes before `at`. */
function hashBefore(at: usize): u32 {
  let hash: u32 = 0;
  for (let byte = at - HASH_WINDOW_BYTES; byte < at; byte++) hash = next(hash, load<u8>(byte));
  return hash;
}

/** Table entries of the bytes at the same place of each quarter. */
function entriesAt(at: usize): v128 {
  const a = v128.load32_zero(GEAR_TABLE + ((<usize>load<u8>(at)) << 2));
  const b = v128.load32_lane(GEAR_TABLE + ((<usize>load<u8>(at + QUARTER_BYTES)) << 2), a, 1);
  const c = v128.load32_lane(GEAR_TABLE + ((<usize>load<u8>(at + 2 * QUARTER_BYTES)) << 2), b, 2);
  return v128.load32_lane(GEAR_TABLE + ((<usize>load<u8>(at + 3 * QUARTER_BYTES)) << 2), c, 3);
}

/** True when a window of 64 KiB has a cut. Sets lastHash. */
function hasCut(from: usize, mask: u32, seed: u32): bool {
  const masks = i32x4.splat(mask);
  const zero = i32x4.splat(0);
  let hashes = i32x4.splat(seed);
  hashes = i32x4.replace_lane(hashes, 1, hashBefore(from + QUARTER_BYTES));
  hashes = i32x4.replace_lane(hashes, 2, hashBefore(from + 2 * QUARTER_BYTES));
  hashes = i32x4.replace_lane(hashes, 3, hashBefore(from + 3 * QUARTER_BYTES));
  for (let at: usize = from; at < from + QUARTER_BYTES; at += STEP_BYTES) {
    let least = masks;
    for (let byte: usize = 0; byte < STEP_BYTES; byte++) {
      hashes = i32x4.add(i32x4.shl(hashes, 1), entriesAt(at + byte));
      least = i32x4.min_u(least, v128.and(hashes, masks));
    }
    if (v128.any_true(i32x4.eq(least, zero))) return true;
  }
  lastHash = i32x4.extract_lane(hashes, 3);
  return false;
}

/**
 * Number of bytes of `from` up to the first cut, or −1. `seed` is the hash before them; hashOfScan is the one at the
 * cut, or at the end. `mask` is not 0; the table of 256 u32 is at GEAR_TABLE.
 */
export function scanGear(from: usize, length: u32, mask: u32, seed: u32): u32 {
  let at: u32 = 0;
  let hash = seed;
  for (; at + WINDOW_BYTES <= length; at += WINDOW_BYTES) {
    if (hasCut(from + at, mask, hash)) break;
    hash = lastHash;
  }
  return scanBytes(from, at, length, mask, hash);
}

/** The hash after the last scanGear. */
export function hashOfScan(): u32 {
  return lastHash;
}
