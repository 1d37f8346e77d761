/**
 * rANS (Duda, arXiv 1311.2540) with 16 interleaved states, four in each vector, 12-bit probabilities and 16-bit words;
 * the vector form of the decoder follows Giesen, "Interleaved entropy coders" (arXiv 1402.3392).
 */
import {
  DECODER_TABLES,
  ENCODER_TABLE,
  PACK_SHUFFLES,
  STATE_MIN,
  STATE_SPILL,
  STATES,
  STATES_BYTES,
  UNPACK_SHUFFLES,
} from "./memory";

/** 2^23: added to a float below it, it rounds the float to a whole number. */
const ROUNDING: f32 = 8388608;

function entryAddress<T>(symbols: usize, index: usize): usize {
  return ENCODER_TABLE + ((<usize>load<T>(symbols + index * sizeof<T>())) << 3);
}

/** Encoder entries of two symbols that follow each other. */
function entryPair<T>(symbols: usize, index: usize): v128 {
  const first = v128.load64_zero(entryAddress<T>(symbols, index));
  return v128.load64_lane(entryAddress<T>(symbols, index + 1), first, 1);
}

/** Lanes whose state takes another symbol without giving away a word. */
function lanesThatStay(states: v128, frequencies: v128): v128 {
  return i32x4.gt_s(i32x4.shl(frequencies, 19), states);
}

/**
 * Writes the words of the lanes that do not stay so that they end at `end`; the bytes before them are free to change.
 */
function putWords(states: v128, stay: i32, end: usize): void {
  const shuffle = v128.load(PACK_SHUFFLES + ((<usize>stay) << 4));
  v128.store64_lane(end - 8, i8x16.swizzle(states, shuffle), 0);
}

/**
 * The state after one symbol: (x / f) * 4096 + x mod f + start. The quotient is below 2^19, so a float division is at
 * most one too large, which the sign of the remainder shows.
 */
function advance(states: v128, reciprocals: v128, entries: v128): v128 {
  const frequencies = v128.and(entries, i32x4.splat(0xffff));
  const product = f32x4.mul(f32x4.convert_i32x4_s(states), reciprocals);
  const rounded = f32x4.add(product, f32x4.splat(ROUNDING));
  const quotients = i32x4.sub(rounded, f32x4.splat(ROUNDING));
  const remainders = i32x4.sub(states, i32x4.mul(quotients, frequencies));
  const excess = i32x4.shr_s(remainders, 31);
  const whole = i32x4.shl(i32x4.add(quotients, excess), 12);
  const rest = i32x4.add(i32x4.add(remainders, v128.and(frequencies, excess)), i32x4.shr_u(entries, 16));
  return i32x4.add(whole, rest);
}

/** One symbol after another, for those that do not fill 16 states. Returns where the words start. */
function encodeTail<T>(symbols: usize, from: u32, to: u32, wordsEnd: usize): usize {
  let words = wordsEnd;
  for (let index = to; index > from; index--) {
    const at = STATE_SPILL + ((<usize>((index - 1) & (STATES - 1))) << 2);
    const entry = load<u32>(entryAddress<T>(symbols, index - 1), 4);
    const frequency = entry & 0xffff;
    let state = load<u32>(at);
    if (state >= frequency << 19) {
      words -= 2;
      store<u16>(words, <u16>state);
      state >>= 16;
    }
    store<u32>(at, ((state / frequency) << 12) + (state % frequency) + (entry >> 16));
  }
  return words;
}

/**
 * Codes `count` symbols (T: u8, or u16 keys) with ENCODER_TABLE. Writes 16 states and the words; needs room for
 * 2 × count + 128 bytes. Returns where the output ends.
 */
export function encodeSymbols<T>(symbols: usize, count: u32, out: usize): usize {
  const wordsEnd = out + STATES_BYTES + ((<usize>count) << 1) + 32;
  for (let at: usize = 0; at < STATES_BYTES; at += 4) store<u32>(STATE_SPILL + at, STATE_MIN);
  const groups = count & ~(STATES - 1);
  let words = encodeTail<T>(symbols, groups, count, wordsEnd);
  let x0 = v128.load(STATE_SPILL);
  let x1 = v128.load(STATE_SPILL, 16);
  let x2 = v128.load(STATE_SPILL, 32);
  let x3 = v128.load(STATE_SPILL, 48);
  const low = i32x4.splat(0xffff);
  for (let left = groups; left > 0; left -= STATES) {
    const group = symbols + <usize>(left - STATES) * sizeof<T>();
    let a = entryPair<T>(group, 12);
    let b = entryPair<T>(group, 14);
    let entries = i32x4.shuffle(a, b, 1, 3, 5, 7);
    let keep = lanesThatStay(x3, v128.and(entries, low));
    let stay = i32x4.bitmask(keep);
    putWords(x3, stay, words);
    words -= <usize>(8 - 2 * popcnt<i32>(stay));
    x3 = advance(v128.bitselect(x3, i32x4.shr_u(x3, 16), keep), i32x4.shuffle(a, b, 0, 2, 4, 6), entries);

    a = entryPair<T>(group, 8);
    b = entryPair<T>(group, 10);
    entries = i32x4.shuffle(a, b, 1, 3, 5, 7);
    keep = lanesThatStay(x2, v128.and(entries, low));
    stay = i32x4.bitmask(keep);
    putWords(x2, stay, words);
    words -= <usize>(8 - 2 * popcnt<i32>(stay));
    x2 = advance(v128.bitselect(x2, i32x4.shr_u(x2, 16), keep), i32x4.shuffle(a, b, 0, 2, 4, 6), entries);

    a = entryPair<T>(group, 4);
    b = entryPair<T>(group, 6);
    entries = i32x4.shuffle(a, b, 1, 3, 5, 7);
    keep = lanesThatStay(x1, v128.and(entries, low));
    stay = i32x4.bitmask(keep);
    putWords(x1, stay, words);
    words -= <usize>(8 - 2 * popcnt<i32>(stay));
    x1 = advance(v128.bitselect(x1, i32x4.shr_u(x1, 16), keep), i32x4.shuffle(a, b, 0, 2, 4, 6), entries);

    a = entryPair<T>(group, 0);
    b = entryPair<T>(group, 2);
    entries = i32x4.shuffle(a, b, 1, 3, 5, 7);
    keep = lanesThatStay(x0, v128.and(entries, low));
    stay = i32x4.bitmask(keep);
    putWords(x0, stay, words);
    words -= <usize>(8 - 2 * popcnt<i32>(stay));
    x0 = advance(v128.bitselect(x0, i32x4.shr_u(x0, 16), keep), i32x4.shuffle(a, b, 0, 2, 4, 6), entries);
  }
  v128.store(out, x0);
  v128.store(out, x1, 16);
  v128.store(out, x2, 32);
  v128.store(out, x3, 48);
  memory.copy(out + STATES_BYTES, words, wordsEnd - words);
  return out + STATES_BYTES + (wordsEnd - words);
}

/** True when every lane is a state: from 2^15 to 2^31 − 1. */
export function areStates(states: v128): bool {
  return i32x4.all_true(i32x4.gt_s(states, i32x4.splat(STATE_MIN - 1)));
}

/** The four decoder entries at byte offsets from DECODER_TABLES. */
export function lookUp(offsets: v128): v128 {
  const low = i64x2.extract_lane(offsets, 0);
  const high = i64x2.extract_lane(offsets, 1);
  const a = v128.load32_zero(DECODER_TABLES + <usize>(<u32>low));
  const b = v128.load32_lane(DECODER_TABLES + <usize>(<u64>low >> 32), a, 1);
  const c = v128.load32_lane(DECODER_TABLES + <usize>(<u32>high), b, 2);
  return v128.load32_lane(DECODER_TABLES + <usize>(<u64>high >> 32), c, 3);
}

/** Byte offset of the slot of each state in a table. */
export function slotOffsets(states: v128): v128 {
  return v128.and(i32x4.shl(states, 2), i32x4.splat(0x3ffc));
}

/** The states after the symbols of `entries` left them; those that are below STATE_MIN need a word. */
export function retreat(states: v128, entries: v128): v128 {
  const wholes = i32x4.mul(i32x4.shr_u(states, 12), i32x4.shr_u(entries, 20));
  return i32x4.add(wholes, v128.and(i32x4.shr_u(entries, 8), i32x4.splat(4095)));
}

/** Lanes that need a word. */
export function lanesInNeed(states: v128): v128 {
  return i32x4.gt_s(i32x4.splat(STATE_MIN), states);
}

/** Gives the lanes of `need` one word each; `mask` has the same lanes as bits. */
export function takeWords(states: v128, need: v128, mask: i32, words: usize): v128 {
  const shuffle = v128.load(UNPACK_SHUFFLES + ((<usize>mask) << 4));
  const spread = i8x16.swizzle(v128.load64_zero(words), shuffle);
  return v128.bitselect(v128.or(i32x4.shl(states, 16), spread), states, need);
}

/** The low bytes of 16 entries. */
export function symbolsOf(d0: v128, d1: v128, d2: v128, d3: v128): v128 {
  const low = i8x16.shuffle(d0, d1, 0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  const high = i8x16.shuffle(d2, d3, 0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  return i64x2.shuffle(low, high, 0, 2);
}

/** Symbols `from` to `to` one after another with states in STATE_SPILL. Returns where the words go on, 0 on damage. */
function decodeTail(words: usize, end: usize, out: usize, from: u32, to: u32, table: usize): usize {
  for (let index = from; index < to; index++) {
    const at = STATE_SPILL + ((<usize>(index & (STATES - 1))) << 2);
    let state = load<u32>(at);
    const entry = load<u32>(table + ((<usize>state & 4095) << 2));
    store<u8>(out + index, <u8>entry);
    state = (state >> 12) * (entry >> 20) + ((entry >> 8) & 4095);
    if (state < STATE_MIN) {
      if (words + 2 > end) return 0;
      state = (state << 16) | load<u16>(words);
      words += 2;
    }
    store<u32>(at, state);
  }
  for (let at: usize = 0; at < STATES_BYTES; at += 4) {
    if (load<u32>(STATE_SPILL + at) !== STATE_MIN) return 0;
  }
  return words;
}

/** Decodes `count` bytes with the table of `context`. Returns where the words end, 0 when they are damaged. */
export function decodeBytes(from: usize, end: usize, out: usize, count: u32, context: u32): usize {
  if (from + STATES_BYTES > end) return 0;
  const tableOffset = i32x4.splat(context << 14);
  let x0 = v128.load(from);
  let x1 = v128.load(from, 16);
  let x2 = v128.load(from, 32);
  let x3 = v128.load(from, 48);
  if (!(areStates(x0) && areStates(x1) && areStates(x2) && areStates(x3))) return 0;
  let words = from + STATES_BYTES;
  let index: u32 = 0;
  // 16 symbols take at most 32 bytes.
  for (; index + STATES <= count && words + 32 <= end; index += STATES) {
    const d0 = lookUp(v128.or(slotOffsets(x0), tableOffset));
    const d1 = lookUp(v128.or(slotOffsets(x1), tableOffset));
    const d2 = lookUp(v128.or(slotOffsets(x2), tableOffset));
    const d3 = lookUp(v128.or(slotOffsets(x3), tableOffset));
    v128.store(out + index, symbolsOf(d0, d1, d2, d3));
    x0 = retreat(x0, d0);
    x1 = retreat(x1, d1);
    x2 = retreat(x2, d2);
    x3 = retreat(x3, d3);
    const n0 = lanesInNeed(x0);
    const n1 = lanesInNeed(x1);
    const n2 = lanesInNeed(x2);
    const n3 = lanesInNeed(x3);
    const m0 = i32x4.bitmask(n0);
    const m1 = i32x4.bitmask(n1);
    const m2 = i32x4.bitmask(n2);
    const m3 = i32x4.bitmask(n3);
    x0 = takeWords(x0, n0, m0, words);
    words += (<usize>popcnt<i32>(m0)) << 1;
    x1 = takeWords(x1, n1, m1, words);
    words += (<usize>popcnt<i32>(m1)) << 1;
    x2 = takeWords(x2, n2, m2, words);
    words += (<usize>popcnt<i32>(m2)) << 1;
    x3 = takeWords(x3, n3, m3, words);
    words += (<usize>popcnt<i32>(m3)) << 1;
  }
  v128.store(STATE_SPILL, x0);
  v128.store(STATE_SPILL, x1, 16);
  v128.store(STATE_SPILL, x2, 32);
  v128.store(STATE_SPILL, x3, 48);
  return decodeTail(words, end, out, index, count, DECODER_TABLES + ((<usize>context) << 14));
}
