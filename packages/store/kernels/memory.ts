/**
 * Where things are in the module's memory, all of it fixed: nothing is ever allocated. The functions of this folder
 * take addresses and counts one by one, because AssemblyScript has no plain objects; callers check the counts.
 */

/** Elements of one segment: what one table of PLN is for. */
export const SEGMENT_SYMBOLS: u32 = 65536;
/** Planes of one segment: 8 of an f64, or 15 scale bytes and the rest of a record. */
export const PLANES_MAX: u32 = 16;
/** Sum of the probabilities of one table. */
export const PROBABILITY_BITS: u32 = 12;
export const PROBABILITY_SUM: u32 = 4096;
/** Smallest value of a rANS state; the largest is 2^31 − 1. */
export const STATE_MIN: u32 = 32768;
/** Interleaved rANS states: symbol i is coded by state i mod 16. */
export const STATES: u32 = 16;
export const STATES_BYTES: u32 = 64;
export const CONTEXTS: u32 = 16;

/** Sixteen shuffles: the low 16 bits of the lanes that are not in a mask, packed to the end of eight bytes. */
export const PACK_SHUFFLES: usize = 0x400;
/** Sixteen shuffles: the next words to the lanes that are in a mask, zero to the others. */
export const UNPACK_SHUFFLES: usize = 0x500;
/** Address of each plane of the segment at hand. */
export const PLANE_ADDRESSES: usize = 0x600;
export const STATE_SPILL: usize = 0x700;
/** Of each FXD token: u32 smallest value, u32 number of raw bits. */
export const TOKEN_VALUES: usize = 0x800;
/** Bits that a symbol of probability i / 4096 costs, in 1/65536 bit. */
export const COSTS: usize = 0x1000;
/** Four histograms of 4096 counters, summed into the first. */
export const COUNTS: usize = 0x8000;
export const COUNTS_BYTES: usize = 0x4000;
/** Probabilities of 256 symbols, for each of 16 contexts. */
export const FREQUENCIES: usize = 0x18000;
export const FREQUENCIES_BYTES: usize = 0x400;
/** Probabilities that the planes of the block used last. */
export const LAST_FREQUENCIES: usize = 0x1c000;
/** Eight bytes for each of 4096 keys. */
export const ENCODER_TABLE: usize = 0x28000;
/** Four bytes for each of 4096 slots, for each of 16 contexts or planes. */
export const DECODER_TABLES: usize = 0x30000;
export const DECODER_TABLE_BYTES: usize = 0x4000;
export const TILE_TOKENS: usize = 0x70000;
export const TILE_VALUES: usize = 0x72000;
/** 256 shuffles: the 16-bit lanes of a mask, packed to the front; and from the front back to their places. */
export const LIST_SHUFFLES: usize = 0x78000;
export const UNLIST_SHUFFLES: usize = 0x79000;
/** The table of the gear hash, from outside. */
export const GEAR_TABLE: usize = 0x7a000;
export const PLANES: usize = 0x80000;
export const PLANE_BYTES: usize = 0x10000;
/** One block of stored or raw bytes, from outside. */
export const INPUT: usize = 0x190000;
export const PARENT: usize = 0x2a0000;
/** Two places for a whole chunk: what is encoded or decoded lies in one of them until the next call. */
export const CHUNK_0: usize = 0x3b0000;
export const CHUNK_1: usize = 0x7c0000;
/** Room for a block, and for what a vector may read or write behind it. */
export const BLOCK_ROOM: usize = 0x110000;
export const CHUNK_ROOM: usize = 0x410000;

/** Fills the constant tables. Called once. */
export function initialise(): void {
  for (let mask: u32 = 0; mask < 16; mask++) {
    fillShuffles(mask);
  }
  for (let mask: u32 = 0; mask < 256; mask++) {
    fillListShuffles(mask);
  }
  for (let frequency: u32 = 1; frequency <= PROBABILITY_SUM; frequency++) {
    store<u32>(COSTS + ((<usize>frequency) << 2), (PROBABILITY_BITS << 16) - log2Fixed(frequency));
  }
  for (let token: u32 = 0; token < 256; token++) {
    const rawBits: u32 = token < 8 ? 0 : (token >> 2) - 1;
    const top: u32 = token < 8 ? token : 4 | (token & 3);
    store<u32>(TOKEN_VALUES + ((<usize>token) << 3), rawBits < 32 ? top << rawBits : 0);
    store<u32>(TOKEN_VALUES + ((<usize>token) << 3), rawBits, 4);
  }
}

function fillShuffles(mask: u32): void {
  const pack = PACK_SHUFFLES + ((<usize>mask) << 4);
  const unpack = UNPACK_SHUFFLES + ((<usize>mask) << 4);
  memory.fill(pack, 0x80, 16);
  memory.fill(unpack, 0x80, 16);
  let packed: u32 = 2 * popcnt<u32>(mask);
  let next: u32 = 0;
  for (let lane: u32 = 0; lane < 4; lane++) {
    if (mask & (1 << lane)) {
      store<u8>(unpack + (lane << 2), <u8>next);
      store<u8>(unpack + (lane << 2) + 1, <u8>(next + 1));
      next += 2;
    } else {
      store<u8>(pack + packed, <u8>(lane << 2));
      store<u8>(pack + packed + 1, <u8>((lane << 2) + 1));
      packed += 2;
    }
  }
}

function fillListShuffles(mask: u32): void {
  const list = LIST_SHUFFLES + ((<usize>mask) << 4);
  const unlist = UNLIST_SHUFFLES + ((<usize>mask) << 4);
  memory.fill(list, 0x80, 16);
  memory.fill(unlist, 0x80, 16);
  let next: u32 = 0;
  for (let lane: u32 = 0; lane < 8; lane++) {
    if (!(mask & (1 << lane))) continue;
    store<u16>(list + next, <u16>(((2 * lane + 1) << 8) | (2 * lane)));
    store<u16>(unlist + 2 * lane, <u16>(((next + 1) << 8) | next));
    next += 2;
  }
}

/** log2 in 1/65536, rounded down, by repeated squaring: the same on every machine. */
export function log2Fixed(value: u32): u32 {
  const whole: u32 = 31 - clz<u32>(value);
  let fraction: u64 = (<u64>value) << (31 - whole);
  let result: u32 = whole;
  for (let bit = 0; bit < 16; bit++) {
    fraction = (fraction * fraction) >> 31;
    result <<= 1;
    if (fraction >> 32) {
      result |= 1;
      fraction >>= 1;
    }
  }
  return result;
}
