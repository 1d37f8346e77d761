/**
 * The arithmetic of FXD. A float's bits, read as a whole number in the order of the floats' values, minus those of the
 * parent, zig-zagged, are z; z is a token (its length in bits and its two bits after the first one) and raw low bits.
 * The context of a token is how far the parent's exponent lies below the largest one, at most 15.
 */
import { CONTEXTS, COUNTS, LIST_SHUFFLES, PLANES, TILE_VALUES } from "./memory";

/** Keys (context << 8 | token) of the block at hand. */
export const KEYS: usize = PLANES;

/** Elements of a block that say what its largest exponent is. */
const SAMPLES_MAX: u32 = 4096;

/** Elements of 2 bytes whose raw bits wait to be written. */
const LISTED_MAX: u32 = 2048;

let bitsOut: usize = 0;
let bitsHeld: u64 = 0;
let bitsHeldCount: u32 = 0;

export function startBits(out: usize): void {
  bitsOut = out;
  bitsHeld = 0;
  bitsHeldCount = 0;
}

/** Returns where the bits end, the last byte filled with zeros. */
export function finishBits(): usize {
  if (bitsHeldCount === 0) return bitsOut;
  store<u8>(bitsOut, <u8>bitsHeld);
  return bitsOut + 1;
}

/**
 * The exponent below which all but 1 in 512 of the parent's elements are, in a sample of them. The few above it have
 * the last context.
 */
export function largestExponent<T>(parent: usize, count: u32, mantissaBits: i32, exponentMask: u32): u32 {
  const step = count / SAMPLES_MAX + 1;
  memory.fill(COUNTS, 0, (<usize>exponentMask + 1) << 2);
  for (let index: u32 = 0; index < count; index += step) {
    const exponent = exponentOf<T>(load<T>(parent + <usize>index * sizeof<T>()), mantissaBits, exponentMask);
    const at = COUNTS + ((<usize>exponent) << 2);
    store<u32>(at, load<u32>(at) + 1);
  }
  let left = (count / step) >> 9;
  let largest = exponentMask - 1;
  while (largest > 0) {
    const above = load<u32>(COUNTS + ((<usize>largest) << 2));
    if (above > left) break;
    left -= above;
    largest--;
  }
  return largest;
}

function exponentOf<T>(bits: T, mantissaBits: i32, exponentMask: u32): u32 {
  return <u32>(<u64>bits >> <u64>mantissaBits) & exponentMask;
}

/** Of four elements of 2 or 4 bytes. */
function exponentsOf<T>(parent: usize, mantissaBits: i32, exponentMask: u32): v128 {
  const bits = sizeof<T>() === 2 ? v128.load_ext<u16>(parent) : v128.load(parent);
  return v128.and(i32x4.shr_u(bits, mantissaBits), i32x4.splat(exponentMask));
}

export function contextOf<T>(bits: T, mantissaBits: i32, exponentMask: u32, largest: u32): u32 {
  return min<u32>(CONTEXTS - 1, largest - exponentOf<T>(bits, mantissaBits, exponentMask));
}

/** Of four elements. */
export function contextsOf<T>(parent: usize, mantissaBits: i32, exponentMask: u32, largest: u32): v128 {
  if (sizeof<T>() === 8) {
    const a = i64x2.shr_u(v128.load(parent), mantissaBits);
    const b = i64x2.shr_u(v128.load(parent, 16), mantissaBits);
    const exponents = v128.and(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.splat(exponentMask));
    return i32x4.min_u(i32x4.splat(CONTEXTS - 1), i32x4.sub(i32x4.splat(largest), exponents));
  }
  const exponents = exponentsOf<T>(parent, mantissaBits, exponentMask);
  return i32x4.min_u(i32x4.splat(CONTEXTS - 1), i32x4.sub(i32x4.splat(largest), exponents));
}

/** Bits of a float → its place in the order of the values; its own inverse. */
function ordered<T>(bits: T): T {
  if (sizeof<T>() === 2) return <T>(<u16>bits ^ (<u16>(<i16>bits >> 15) >> 1));
  if (sizeof<T>() === 4) return <T>(<u32>bits ^ (<u32>(<i32>bits >> 31) >> 1));
  return <T>(<u64>bits ^ (<u64>(<i64>bits >> 63) >> 1));
}

function ordered16(bits: v128): v128 {
  return v128.xor(bits, i16x8.shr_u(i16x8.shr_s(bits, 15), 1));
}

function ordered32(bits: v128): v128 {
  return v128.xor(bits, i32x4.shr_u(i32x4.shr_s(bits, 31), 1));
}

function zigzag<T>(element: T, parent: T): u64 {
  if (sizeof<T>() === 2) {
    const difference = <i16>(<u16>ordered<T>(element) - <u16>ordered<T>(parent));
    return <u64>(<u16>((<u16>difference) << 1) ^ <u16>(difference >> 15));
  }
  if (sizeof<T>() === 4) {
    const difference = <i32>(<u32>ordered<T>(element) - <u32>ordered<T>(parent));
    return <u64>(((<u32>difference) << 1) ^ <u32>(difference >> 31));
  }
  const difference = <i64>(<u64>ordered<T>(element) - <u64>ordered<T>(parent));
  return ((<u64>difference) << 1) ^ <u64>(difference >> 63);
}

/** The element at `parent` plus what z says. */
export function unzigzag<T>(z: u64, parent: T): T {
  const difference = (z >> 1) ^ (0 - (z & 1));
  if (sizeof<T>() === 2) return ordered<T>(<T>(<u16>ordered<T>(parent) + <u16>difference));
  if (sizeof<T>() === 4) return ordered<T>(<T>(<u32>ordered<T>(parent) + <u32>difference));
  return ordered<T>(<T>(<u64>ordered<T>(parent) + difference));
}

/** Eight elements of 2 bytes. */
export function unzigzag16(z: v128, parent: v128): v128 {
  const difference = v128.xor(i16x8.shr_u(z, 1), i16x8.neg(v128.and(z, i16x8.splat(1))));
  return ordered16(i16x8.add(ordered16(parent), difference));
}

/** Four elements of 4 bytes. */
export function unzigzag32(z: v128, parent: v128): v128 {
  const difference = v128.xor(i32x4.shr_u(z, 1), i32x4.neg(v128.and(z, i32x4.splat(1))));
  return ordered32(i32x4.add(ordered32(parent), difference));
}

/** Tokens of four z below 2^31: a float's exponent and first two mantissa bits are what a token is made of. */
function tokensOfSmall(z: v128): v128 {
  const floats = f32x4.convert_i32x4_s(z);
  const tokens = i32x4.sub(i32x4.shr_u(floats, 21), i32x4.splat(512));
  return v128.bitselect(tokens, z, i32x4.gt_s(z, i32x4.splat(3)));
}

/** Tokens of four z. Halved to be below 2^31, and cut to 24 bits, so that nothing is rounded up. */
function tokensOf(z: v128): v128 {
  const half = i32x4.shr_u(z, 1);
  const large = i32x4.gt_s(half, i32x4.splat(0xffffff));
  const floats = f32x4.convert_i32x4_s(v128.andnot(half, v128.and(large, i32x4.splat(0xff))));
  const tokens = i32x4.sub(i32x4.shr_u(floats, 21), i32x4.splat(508));
  return v128.bitselect(tokens, z, i32x4.gt_s(half, i32x4.splat(3)));
}

function rawBitsOf(token: u32): u32 {
  return token < 8 ? 0 : (token >> 2) - 1;
}

/** Appends at most 56 bits. */
function putBits(bits: u64, count: u32): void {
  const held = bitsHeld | (bits << bitsHeldCount);
  const heldCount = bitsHeldCount + count;
  store<u64>(bitsOut, held);
  bitsOut += heldCount >> 3;
  bitsHeld = held >> (heldCount & 56);
  bitsHeldCount = heldCount & 7;
}

function low(z: u64, count: u32): u64 {
  return z & (((<u64>1) << count) - 1);
}

/** Keys and raw bits of elements `from` to `count`, one after another. */
function tokeniseTail<T>(
  elements: usize,
  parents: usize,
  from: u32,
  count: u32,
  mantissaBits: i32,
  exponentMask: u32,
  largest: u32,
): void {
  for (let index = from; index < count; index++) {
    const parent = load<T>(parents + <usize>index * sizeof<T>());
    const z = zigzag<T>(load<T>(elements + <usize>index * sizeof<T>()), parent);
    const length = 64 - <u32>clz<u64>(z | 1);
    const token = z < 8 ? <u32>z : 4 * length - 8 + (<u32>(z >> (length - 3)) & 3);
    const rawBits = rawBitsOf(token);
    if (rawBits > 32) {
      putBits(low(z, 32), 32);
      putBits(low(z, rawBits) >> 32, rawBits - 32);
    } else {
      putBits(low(z, rawBits), rawBits);
    }
    const context = contextOf<T>(parent, mantissaBits, exponentMask, largest);
    store<u16>(KEYS + ((<usize>index) << 1), <u16>((context << 8) | token));
  }
}

/** The 16-bit lanes of `mask`, at `out` and after it. */
export function listLanes(lanes: v128, mask: i32, out: usize): void {
  v128.store(out, i8x16.swizzle(lanes, v128.load(LIST_SHUFFLES + ((<usize>mask) << 4))));
}

/** Appends the raw bits of z, each from 8 to 65535, in a list of u16. */
function putListedBits(list: usize, count: u32): void {
  let index: u32 = 0;
  let at = bitsOut;
  let held = bitsHeld;
  let heldCount = bitsHeldCount;
  for (; index + 4 <= count; index += 4) {
    const four = list + ((<usize>index) << 1);
    const z0 = <u32>load<u16>(four);
    const z1 = <u32>load<u16>(four, 2);
    const z2 = <u32>load<u16>(four, 4);
    const z3 = <u32>load<u16>(four, 6);
    const r0 = 29 - <u32>clz<u32>(z0);
    const r1 = 29 - <u32>clz<u32>(z1);
    const r2 = 29 - <u32>clz<u32>(z2);
    const r3 = 29 - <u32>clz<u32>(z3);
    const first = low(z0, r0) | (low(z1, r1) << r0);
    const second = low(z2, r2) | (low(z3, r3) << r2);
    held |= (first | (second << (r0 + r1))) << heldCount;
    heldCount += r0 + r1 + r2 + r3;
    store<u64>(at, held);
    at += heldCount >> 3;
    held >>= heldCount & 56;
    heldCount &= 7;
  }
  bitsOut = at;
  bitsHeld = held;
  bitsHeldCount = heldCount;
  for (; index < count; index++) {
    const z = <u32>load<u16>(list + ((<usize>index) << 1));
    const rawBits = 29 - <u32>clz<u32>(z);
    putBits(low(z, rawBits), rawBits);
  }
}

/** Elements of 2 bytes, eight at a time; those with raw bits are listed and then done together. */
function tokenise16(
  elements: usize,
  parents: usize,
  count: u32,
  mantissaBits: i32,
  exponentMask: u32,
  largest: u32,
): u32 {
  const mask = i16x8.splat(<i16>exponentMask);
  const top = i16x8.splat(<i16>largest);
  const whole = count & ~7;
  let listed: u32 = 0;
  for (let index: u32 = 0; index < whole; index += 8) {
    const parent = v128.load(parents + ((<usize>index) << 1));
    const exponents = v128.and(i16x8.shr_u(parent, mantissaBits), mask);
    const context = i16x8.shl(i16x8.min_u(i16x8.splat(15), i16x8.sub(top, exponents)), 8);
    const element = v128.load(elements + ((<usize>index) << 1));
    const difference = i16x8.sub(ordered16(element), ordered16(parent));
    const z = v128.xor(i16x8.shl(difference, 1), i16x8.shr_s(difference, 15));
    const lowTokens = tokensOfSmall(i32x4.extend_low_i16x8_u(z));
    const tokens = i16x8.narrow_i32x4_u(lowTokens, tokensOfSmall(i32x4.extend_high_i16x8_u(z)));
    v128.store(KEYS + ((<usize>index) << 1), v128.or(context, tokens));
    const withBits = i16x8.bitmask(i16x8.gt_s(tokens, i16x8.splat(7)));
    listLanes(z, withBits, TILE_VALUES + ((<usize>listed) << 1));
    listed += popcnt<i32>(withBits);
    if (listed >= LISTED_MAX) {
      putListedBits(TILE_VALUES, listed);
      listed = 0;
    }
  }
  putListedBits(TILE_VALUES, listed);
  return whole;
}

/** Elements of 4 bytes, four at a time. */
function tokenise32(
  elements: usize,
  parents: usize,
  count: u32,
  mantissaBits: i32,
  exponentMask: u32,
  largest: u32,
): u32 {
  let index: u32 = 0;
  let at = bitsOut;
  let held: u64 = 0;
  let heldCount: u32 = 0;
  for (; index + 4 <= count; index += 4) {
    const address = parents + ((<usize>index) << 2);
    const context = i32x4.shl(contextsOf<u32>(address, mantissaBits, exponentMask, largest), 8);
    const difference = i32x4.sub(
      ordered32(v128.load(elements + ((<usize>index) << 2))),
      ordered32(v128.load(address)),
    );
    const z = v128.xor(i32x4.shl(difference, 1), i32x4.shr_s(difference, 31));
    const tokens = tokensOf(z);
    const keys = v128.or(context, tokens);
    v128.store64_lane(KEYS + ((<usize>index) << 1), i16x8.narrow_i32x4_u(keys, keys), 0);
    v128.store(TILE_VALUES, z);
    v128.store(
      TILE_VALUES,
      i32x4.max_s(i32x4.sub(i32x4.shr_u(tokens, 2), i32x4.splat(1)), i32x4.splat(0)),
      16,
    );
    for (let lane: usize = TILE_VALUES; lane < TILE_VALUES + 16; lane += 8) {
      const r0: u32 = load<u32>(lane, 16);
      const r1: u32 = load<u32>(lane, 20);
      let bits = low(load<u32>(lane), r0);
      let bitCount = r0;
      // With 7 held bits 57 more would be a whole word, and a shift by 64 is none.
      if (r0 + r1 > 56) {
        held |= bits << heldCount;
        heldCount += bitCount;
        store<u64>(at, held);
        at += heldCount >> 3;
        held >>= heldCount & 56;
        heldCount &= 7;
        bits = 0;
        bitCount = 0;
      }
      held |= (bits | (low(load<u32>(lane, 4), r1) << bitCount)) << heldCount;
      heldCount += bitCount + r1;
      store<u64>(at, held);
      at += heldCount >> 3;
      held >>= heldCount & 56;
      heldCount &= 7;
    }
  }
  bitsOut = at;
  bitsHeld = held;
  bitsHeldCount = heldCount;
  return index;
}

/** Writes KEYS, and the raw bits from where startBits said. */
export function tokenise<T>(
  elements: usize,
  parents: usize,
  count: u32,
  mantissaBits: i32,
  exponentMask: u32,
  largest: u32,
): void {
  let done: u32 = 0;
  if (sizeof<T>() === 2) done = tokenise16(elements, parents, count, mantissaBits, exponentMask, largest);
  if (sizeof<T>() === 4) done = tokenise32(elements, parents, count, mantissaBits, exponentMask, largest);
  tokeniseTail<T>(elements, parents, done, count, mantissaBits, exponentMask, largest);
}
