/**
 * Elements predicted from a sibling of another type, and bytes from a parent of the same type. The float conversions
 * round to nearest even; they follow Giesen's half-float code (public domain).
 */

/** Kinds of a parent's elements. */
const F16: u32 = 1;
const BF16: u32 = 2;

/** What an element is: see `predictions`. */
const TO_BF16: u32 = 1;
const TO_F16: u32 = 2;
const TO_F32: u32 = 3;

/** Beyond any quantised value, so that adding the zero point stays in 32 bits. */
const QUOTIENT_MAX: f32 = 65536;

let scale: v128 = i32x4.splat(0);
let zeroPoint: v128 = i32x4.splat(0);
let quantisedMin: v128 = i32x4.splat(0);
let quantisedMax: v128 = i32x4.splat(0);

/** How `predictions` quantises: clip(rint(x / step) + zero, from, to). */
export function setQuantisation(step: f32, zero: i32, from: i32, to: i32): void {
  scale = f32x4.splat(step);
  zeroPoint = i32x4.splat(zero);
  quantisedMin = i32x4.splat(from);
  quantisedMax = i32x4.splat(to);
}

function f16ToF32(half: v128): v128 {
  const magnitude = i32x4.shl(v128.and(half, i32x4.splat(0x7fff)), 13);
  const exponent = v128.and(magnitude, i32x4.splat(0x7c00 << 13));
  const normal = i32x4.add(magnitude, i32x4.splat((127 - 15) << 23));
  const infinite = i32x4.eq(exponent, i32x4.splat(0x7c00 << 13));
  const shifted = i32x4.add(normal, v128.and(infinite, i32x4.splat((128 - 16) << 23)));
  const subnormal = f32x4.sub(i32x4.add(normal, i32x4.splat(1 << 23)), i32x4.splat(113 << 23));
  const value = v128.bitselect(subnormal, shifted, i32x4.eq(exponent, i32x4.splat(0)));
  return v128.or(value, i32x4.shl(v128.and(half, i32x4.splat(0x8000)), 16));
}

function f32ToF16(bits: v128): v128 {
  const sign = v128.and(bits, i32x4.splat(0x80000000));
  const magnitude = v128.xor(bits, sign);
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const rebased = i32x4.add(magnitude, i32x4.splat(((15 - 127) << 23) + 0xfff));
  const normal = i32x4.shr_u(i32x4.add(rebased, odd), 13);
  // Adding a float whose last bit is the smallest half rounds in the adder.
  const magic = i32x4.splat((127 - 15 + (23 - 10) + 1) << 23);
  const subnormal = i32x4.sub(f32x4.add(magnitude, magic), magic);
  const isNan = i32x4.gt_s(magnitude, i32x4.splat(255 << 23));
  const large = v128.bitselect(i32x4.splat(0x7e00), i32x4.splat(0x7c00), isNan);
  const small = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(113 << 23)));
  const value = v128.bitselect(small, large, i32x4.lt_s(magnitude, i32x4.splat((127 + 16) << 23)));
  return v128.or(value, i32x4.shr_u(sign, 16));
}

function f32ToBf16(bits: v128): v128 {
  const odd = v128.and(i32x4.shr_u(bits, 16), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(bits, i32x4.splat(0x7fff)), odd), 16);
  const isNan = i32x4.gt_s(v128.and(bits, i32x4.splat(0x7fffffff)), i32x4.splat(255 << 23));
  return v128.bitselect(i32x4.splat(0x7fc0), rounded, isNan);
}

/** Not a number gives the zero point. */
function quantise(values: v128): v128 {
  const quotients = f32x4.nearest(f32x4.div(values, scale));
  const bounded = f32x4.max(f32x4.min(quotients, f32x4.splat(QUOTIENT_MAX)), f32x4.splat(-QUOTIENT_MAX));
  const shifted = i32x4.add(i32x4.trunc_sat_f32x4_s(bounded), zeroPoint);
  return i32x4.min_s(i32x4.max_s(shifted, quantisedMin), quantisedMax);
}

function f32Of(kind: u32, parent: usize): v128 {
  if (kind === F16) return f16ToF32(v128.load_ext<u16>(parent));
  if (kind === BF16) return i32x4.shl(v128.load_ext<u16>(parent), 16);
  return v128.load(parent);
}

/** Four predicted elements, as 32-bit lanes whose upper bits mean nothing. */
function predictions(target: u32, kind: u32, parent: usize): v128 {
  const values = f32Of(kind, parent);
  if (target === TO_BF16) return f32ToBf16(values);
  if (target === TO_F16) return f32ToF16(values);
  if (target === TO_F32) return values;
  return quantise(values);
}

function loadFour<T>(at: usize): v128 {
  if (sizeof<T>() === 1) return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at)));
  if (sizeof<T>() === 2) return v128.load_ext<u16>(at);
  return v128.load(at);
}

function storeFour<T>(at: usize, lanes: v128): void {
  if (sizeof<T>() === 1) {
    const bytes = i8x16.shuffle(lanes, lanes, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    v128.store32_lane(at, bytes, 0);
  } else if (sizeof<T>() === 2) {
    const words = i8x16.shuffle(lanes, lanes, 0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13);
    v128.store64_lane(at, words, 0);
  } else {
    v128.store(at, lanes);
  }
}

function subtract<T>(target: u32, kind: u32, elements: usize, parents: usize, count: u32): void {
  const unused: i32 = 32 - 8 * sizeof<T>();
  const parentShift: u32 = kind <= BF16 ? 1 : 2;
  for (let index: u32 = 0; index < count; index += 4) {
    const at = elements + <usize>index * sizeof<T>();
    const predicted = predictions(target, kind, parents + ((<usize>index) << parentShift));
    const difference = i32x4.shr_s(i32x4.shl(i32x4.sub(loadFour<T>(at), predicted), unused), unused);
    storeFour<T>(at, v128.xor(i32x4.shl(difference, 1), i32x4.shr_s(difference, 31)));
  }
}

function add<T>(target: u32, kind: u32, elements: usize, parents: usize, count: u32): void {
  const parentShift: u32 = kind <= BF16 ? 1 : 2;
  for (let index: u32 = 0; index < count; index += 4) {
    const at = elements + <usize>index * sizeof<T>();
    const predicted = predictions(target, kind, parents + ((<usize>index) << parentShift));
    const z = loadFour<T>(at);
    const difference = v128.xor(i32x4.shr_u(z, 1), i32x4.neg(v128.and(z, i32x4.splat(1))));
    storeFour<T>(at, i32x4.add(predicted, difference));
  }
}

/**
 * Replaces elements by how far they are from what the parent's say, zig-zagged. `target`: 1 bf16, 2 f16, 3 f32, 4
 * quantised bytes; `kind` of the parent's: 1 f16, 2 bf16, 3 f32. Up to three elements behind the last one change too.
 */
export function subtractPredictions(
  target: u32,
  kind: u32,
  elements: usize,
  parents: usize,
  count: u32,
): void {
  if (target <= TO_F16) subtract<u16>(target, kind, elements, parents, count);
  else if (target === TO_F32) subtract<u32>(target, kind, elements, parents, count);
  else subtract<u8>(target, kind, elements, parents, count);
}

/** The inverse of subtractPredictions. */
export function addPredictions(target: u32, kind: u32, elements: usize, parents: usize, count: u32): void {
  if (target <= TO_F16) add<u16>(target, kind, elements, parents, count);
  else if (target === TO_F32) add<u32>(target, kind, elements, parents, count);
  else add<u8>(target, kind, elements, parents, count);
}

/** bytes ^= parents. Up to 15 bytes behind the last one change too. */
export function exclusiveOr(bytes: usize, parents: usize, length: u32): void {
  for (let at: usize = 0; at < length; at += 16) {
    v128.store(bytes + at, v128.xor(v128.load(bytes + at), v128.load(parents + at)));
  }
}

/** bytes -= parents, byte by byte. Up to 15 bytes behind the last one change too. */
export function subtractBytes(bytes: usize, parents: usize, length: u32): void {
  for (let at: usize = 0; at < length; at += 16) {
    v128.store(bytes + at, i8x16.sub(v128.load(bytes + at), v128.load(parents + at)));
  }
}

/** bytes += parents, byte by byte. Up to 15 bytes behind the last one change too. */
export function addBytes(bytes: usize, parents: usize, length: u32): void {
  for (let at: usize = 0; at < length; at += 16) {
    v128.store(bytes + at, i8x16.add(v128.load(bytes + at), v128.load(parents + at)));
  }
}
