/** Decodes what fxd-encode.ts wrote, 4096 elements at a time: their tokens, then their z, then the elements. */
import {
  CONTEXTS,
  DECODER_TABLES,
  FREQUENCIES,
  STATE_MIN,
  STATE_SPILL,
  STATES,
  STATES_BYTES,
  TILE_TOKENS,
  TILE_VALUES,
  TOKEN_VALUES,
  UNLIST_SHUFFLES,
} from "./memory";
import { contextOf, contextsOf, listLanes, unzigzag, unzigzag16, unzigzag32 } from "./fxd-tokens";
import { areStates, lanesInNeed, lookUp, retreat, slotOffsets, symbolsOf, takeWords } from "./rans";
import { buildDecoder, getTable } from "./tables";

const RAW: u8 = 0;
const CODED: u8 = 1;
const HEADER_BYTES: usize = 12;
const TILE: u32 = 4096;
/** What no table has: the token of a context that should not occur. */
const NO_TOKEN: u32 = 255;

/** Where the raw bits start, and how many were taken. */
let bitsFrom: usize = 0;
let bitsTaken: u64 = 0;

/** Reads the tables of the contexts in `used`; the others get one that gives NO_TOKEN. 0 on damage. */
function decodeTables(from: usize, end: usize, used: u32, tokenMax: u32): usize {
  let at = from;
  for (let context: u32 = 0; context < CONTEXTS; context++) {
    if (used & (1 << context)) {
      at = getTable(at, end, FREQUENCIES, tokenMax);
      if (at === 0) return 0;
      buildDecoder(FREQUENCIES, context);
    } else {
      const table = DECODER_TABLES + ((<usize>context) << 14);
      const entry = i32x4.splat(NO_TOKEN | (1 << 20));
      for (let slot: usize = 0; slot < 16384; slot += 16) v128.store(table + slot, entry);
    }
  }
  return at;
}

/** The next symbols one after another, with states in STATE_SPILL. Returns where the words go on, 0 on damage. */
function decodeTokensSlowly<T>(
  from: usize,
  end: usize,
  parents: usize,
  first: u32,
  count: u32,
  mantissaBits: i32,
  exponentMask: u32,
  largest: u32,
): usize {
  let words = from;
  for (let index = first; index < count; index++) {
    const parent = load<T>(parents + <usize>index * sizeof<T>());
    const context = contextOf<T>(parent, mantissaBits, exponentMask, largest);
    const at = STATE_SPILL + ((<usize>index & (STATES - 1)) << 2);
    let state = load<u32>(at);
    const entry = load<u32>(DECODER_TABLES + ((<usize>context) << 14) + ((<usize>state & 4095) << 2));
    store<u8>(TILE_TOKENS + index, <u8>entry);
    state = (state >> 12) * (entry >> 20) + ((entry >> 8) & 4095);
    if (state < STATE_MIN) {
      if (words + 2 > end) return 0;
      state = (state << 16) | load<u16>(words);
      words += 2;
    }
    store<u32>(at, state);
  }
  return words;
}

/** Tokens of a tile, with states in STATE_SPILL. Returns where the words go on, 0 on damage. */
function decodeTokens<T>(
  from: usize,
  end: usize,
  parents: usize,
  count: u32,
  mantissaBits: i32,
  exponentMask: u32,
  largest: u32,
): usize {
  const size = sizeof<T>();
  let x0 = v128.load(STATE_SPILL);
  let x1 = v128.load(STATE_SPILL, 16);
  let x2 = v128.load(STATE_SPILL, 32);
  let x3 = v128.load(STATE_SPILL, 48);
  let words = from;
  let index: u32 = 0;
  // 16 symbols take at most 32 bytes.
  for (; index + STATES <= count && words + 32 <= end; index += STATES) {
    const parent = parents + <usize>index * size;
    const c0 = i32x4.shl(contextsOf<T>(parent, mantissaBits, exponentMask, largest), 14);
    const c1 = i32x4.shl(contextsOf<T>(parent + 4 * size, mantissaBits, exponentMask, largest), 14);
    const c2 = i32x4.shl(contextsOf<T>(parent + 8 * size, mantissaBits, exponentMask, largest), 14);
    const c3 = i32x4.shl(contextsOf<T>(parent + 12 * size, mantissaBits, exponentMask, largest), 14);
    const d0 = lookUp(v128.or(slotOffsets(x0), c0));
    const d1 = lookUp(v128.or(slotOffsets(x1), c1));
    const d2 = lookUp(v128.or(slotOffsets(x2), c2));
    const d3 = lookUp(v128.or(slotOffsets(x3), c3));
    v128.store(TILE_TOKENS + index, symbolsOf(d0, d1, d2, d3));
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
  return decodeTokensSlowly<T>(words, end, parents, index, count, mantissaBits, exponentMask, largest);
}

/** True when no token of the tile is NO_TOKEN. */
function areTokens(count: u32): bool {
  let found = i32x4.splat(0);
  let index: u32 = 0;
  for (; index + 16 <= count; index += 16) {
    found = v128.or(found, i8x16.eq(v128.load(TILE_TOKENS + index), i8x16.splat(-1)));
  }
  let last: u32 = 0;
  for (; index < count; index++) last = max<u32>(last, load<u8>(TILE_TOKENS + index));
  return !v128.any_true(found) && last !== NO_TOKEN;
}

function rawBitsOf(token: usize): u32 {
  return load<u32>(TOKEN_VALUES + (token << 3), 4);
}

/** z of a token whose raw bits are the lowest of `bits`. */
function valueOf(token: usize, bits: u64): u64 {
  const mask = ((<u64>1) << rawBitsOf(token)) - 1;
  return <u64>load<u32>(TOKEN_VALUES + (token << 3)) | (bits & mask);
}

/** At least 57 bits from the place `taken`. */
function bitsAt(taken: u64): u64 {
  return load<u64>(bitsFrom + <usize>(taken >> 3)) >> (taken & 7);
}

/** Makes the list of a tile's tokens from 8 on, as u16 in TILE_VALUES. Returns how many there are. */
function listTokens(count: u32): u32 {
  let listed: u32 = 0;
  for (let index: u32 = 0; index < count; index += 8) {
    const tokens = v128.load_ext<u8>(TILE_TOKENS + index);
    const withBits = i16x8.bitmask(i16x8.gt_s(tokens, i16x8.splat(7)));
    listLanes(tokens, withBits, TILE_VALUES + ((<usize>listed) << 1));
    listed += popcnt<i32>(withBits);
  }
  return listed;
}

/** Replaces the tokens of a list by their z. Up to three behind the last one change too. */
function readListedValues(listed: u32): void {
  let taken = bitsTaken;
  store<u64>(TILE_VALUES + ((<usize>listed) << 1), 0);
  for (let index: u32 = 0; index < listed; index += 4) {
    const four = TILE_VALUES + ((<usize>index) << 1);
    const t0 = <usize>load<u16>(four);
    const t1 = <usize>load<u16>(four, 2);
    const t2 = <usize>load<u16>(four, 4);
    const t3 = <usize>load<u16>(four, 6);
    const r0 = rawBitsOf(t0);
    const r1 = rawBitsOf(t1);
    const r2 = rawBitsOf(t2);
    // Four tokens have at most 52 raw bits.
    const bits = bitsAt(taken);
    store<u16>(four, <u16>valueOf(t0, bits));
    store<u16>(four, <u16>valueOf(t1, bits >> r0), 2);
    store<u16>(four, <u16>valueOf(t2, bits >> (r0 + r1)), 4);
    store<u16>(four, <u16>valueOf(t3, bits >> (r0 + r1 + r2)), 6);
    taken += r0 + r1 + r2 + rawBitsOf(t3);
  }
  bitsTaken = taken;
}

/** A tile of 2-byte elements; `to` may change for seven elements behind the last one. */
function writeElements16(parents: usize, to: usize, count: u32): void {
  readListedValues(listTokens(count));
  let list: usize = TILE_VALUES;
  for (let index: u32 = 0; index < count; index += 8) {
    const tokens = v128.load_ext<u8>(TILE_TOKENS + index);
    const withBits = i16x8.gt_s(tokens, i16x8.splat(7));
    const mask = i16x8.bitmask(withBits);
    const listed = i8x16.swizzle(v128.load(list), v128.load(UNLIST_SHUFFLES + ((<usize>mask) << 4)));
    const parent = v128.load(parents + ((<usize>index) << 1));
    v128.store(to + ((<usize>index) << 1), unzigzag16(v128.bitselect(listed, tokens, withBits), parent));
    list += (<usize>popcnt<i32>(mask)) << 1;
  }
}

/** A tile of 4-byte elements; `to` may change for three elements behind the last one. */
function writeElements32(parents: usize, to: usize, count: u32): void {
  let taken = bitsTaken;
  for (let index: u32 = 0; index < count; index += 4) {
    const tokens = load<u32>(TILE_TOKENS + index);
    const t0 = <usize>(tokens & 255);
    const t1 = <usize>((tokens >> 8) & 255);
    const t2 = <usize>((tokens >> 16) & 255);
    const t3 = <usize>(tokens >> 24);
    const z0 = valueOf(t0, bitsAt(taken));
    taken += rawBitsOf(t0);
    const z1 = valueOf(t1, bitsAt(taken));
    taken += rawBitsOf(t1);
    const z2 = valueOf(t2, bitsAt(taken));
    taken += rawBitsOf(t2);
    const z3 = valueOf(t3, bitsAt(taken));
    taken += rawBitsOf(t3);
    let z = i64x2.splat(<i64>(z0 | (z1 << 32)));
    z = i64x2.replace_lane(z, 1, <i64>(z2 | (z3 << 32)));
    const parent = v128.load(parents + ((<usize>index) << 2));
    v128.store(to + ((<usize>index) << 2), unzigzag32(z, parent));
  }
  bitsTaken = taken;
}

/** z of the next 8-byte element. */
function takeValue64(token: usize): u64 {
  const rawBits = rawBitsOf(token);
  let value = bitsAt(bitsTaken) & (((<u64>1) << min<u32>(rawBits, 32)) - 1);
  if (rawBits > 32) {
    value |= (bitsAt(bitsTaken + 32) & (((<u64>1) << (rawBits - 32)) - 1)) << 32;
  }
  bitsTaken += rawBits;
  return token < 8 ? token : ((<u64>(4 | (token & 3))) << rawBits) | value;
}

/** The elements of a tile, from its tokens. Up to seven elements behind the last one change too. */
function writeElements<T>(parents: usize, to: usize, count: u32): void {
  // Tokens of those behind the last one: they have no raw bits.
  store<u64>(TILE_TOKENS + count, 0);
  if (sizeof<T>() === 2) {
    writeElements16(parents, to, count);
  } else if (sizeof<T>() === 4) {
    writeElements32(parents, to, count);
  } else {
    for (let index: u32 = 0; index < count; index++) {
      const z = takeValue64(<usize>load<u8>(TILE_TOKENS + index));
      const at = (<usize>index) << 3;
      store<T>(to + at, unzigzag<T>(z, load<T>(parents + at)));
    }
  }
}

function statesAreDone(): bool {
  for (let at: usize = 0; at < STATES_BYTES; at += 4) {
    if (load<u32>(STATE_SPILL + at) !== STATE_MIN) return false;
  }
  return true;
}

/** Copies the states to STATE_SPILL. False when one of them is none. */
function takeStates(from: usize, end: usize): bool {
  if (from + STATES_BYTES > end) return false;
  for (let at: usize = 0; at < STATES_BYTES; at += 16) {
    const states = v128.load(from + at);
    if (!areStates(states)) return false;
    v128.store(STATE_SPILL + at, states);
  }
  return true;
}

function decode<T>(
  from: usize,
  end: usize,
  parents: usize,
  to: usize,
  count: u32,
  mantissaBits: i32,
  exponentMask: u32,
): bool {
  const size = <usize>sizeof<T>();
  if (from >= end) return false;
  if (load<u8>(from) === RAW) {
    if (from + 1 + <usize>count * size !== end) return false;
    memory.copy(to, from + 1, <usize>count * size);
    return true;
  }
  if (from + HEADER_BYTES > end || load<u16>(from) !== CODED || load<u16>(from, 6) !== 0) return false;
  const largest = <u32>load<u16>(from, 2);
  const bitsBytes = <usize>load<u32>(from, 8);
  bitsFrom = from + HEADER_BYTES;
  bitsTaken = 0;
  if (bitsBytes > end - bitsFrom) return false;
  const tokenMax: u32 = sizeof<T>() * 32 - 5;
  let words = decodeTables(bitsFrom + bitsBytes, end, load<u16>(from, 4), tokenMax);
  if (words === 0 || !takeStates(words, end)) return false;
  words += STATES_BYTES;
  for (let done: u32 = 0; done < count; done += TILE) {
    const part = min<u32>(TILE, count - done);
    const parent = parents + <usize>done * size;
    words = decodeTokens<T>(words, end, parent, part, mantissaBits, exponentMask, largest);
    if (words === 0 || !areTokens(part)) return false;
    writeElements<T>(parent, to + <usize>done * size, part);
    if (bitsTaken > (<u64>bitsBytes) << 3) return false;
  }
  return words === end && statesAreDone() && (bitsTaken + 7) >> 3 === <u64>bitsBytes;
}

/** Decodes a block of `count` elements; `kind` as in encodeDifferences. True when it is sound and ends at `end`. */
export function decodeDifferences(
  kind: u32,
  from: usize,
  end: usize,
  parents: usize,
  to: usize,
  count: u32,
): bool {
  if (kind === 1) return decode<u16>(from, end, parents, to, count, 10, 31);
  if (kind === 2) return decode<u16>(from, end, parents, to, count, 7, 255);
  if (kind === 3) return decode<u32>(from, end, parents, to, count, 23, 255);
  return decode<u64>(from, end, parents, to, count, 52, 2047);
}
