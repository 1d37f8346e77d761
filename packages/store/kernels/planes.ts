/**
 * Byte planes: byte k of every element, side by side. Elements of 2, 4 and 8 bytes may be rotated left by one bit
 * first, which leaves a float's exponent alone in its last plane. PLANE_ADDRESSES says where each plane is.
 */
import { PLANE_ADDRESSES, PLANE_BYTES, PLANES } from "./memory";

export function planeAddress(plane: u32): usize {
  return load<u32>(PLANE_ADDRESSES + ((<usize>plane) << 2));
}

export function setPlaneAddress(plane: u32, address: usize): void {
  store<u32>(PLANE_ADDRESSES + ((<usize>plane) << 2), <u32>address);
}

function rotateLeft16(elements: v128, bits: i32): v128 {
  return v128.or(i16x8.shl(elements, bits), i16x8.shr_u(elements, 16 - bits));
}

function rotateLeft32(elements: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(elements, bits), i32x4.shr_u(elements, 32 - bits));
}

function rotateLeft64(elements: v128, bits: i32): v128 {
  return v128.or(i64x2.shl(elements, bits), i64x2.shr_u(elements, 64 - bits));
}

/** `turn`: bits to rotate left, 0 or 1. */
export function split2(from: usize, count: u32, turn: i32): void {
  const p0 = planeAddress(0);
  const p1 = planeAddress(1);
  let index: u32 = 0;
  for (; index + 16 <= count; index += 16) {
    let a = v128.load(from + ((<usize>index) << 1));
    let b = v128.load(from + ((<usize>index) << 1), 16);
    if (turn) {
      a = rotateLeft16(a, 1);
      b = rotateLeft16(b, 1);
    }
    v128.store(p0 + index, i8x16.shuffle(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30));
    v128.store(p1 + index, i8x16.shuffle(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31));
  }
  for (; index < count; index++) {
    const element = rotl<u16>(load<u16>(from + ((<usize>index) << 1)), <u16>turn);
    store<u8>(p0 + index, <u8>element);
    store<u8>(p1 + index, <u8>(element >> 8));
  }
}

export function join2(to: usize, count: u32, turn: i32): void {
  const p0 = planeAddress(0);
  const p1 = planeAddress(1);
  let index: u32 = 0;
  for (; index + 16 <= count; index += 16) {
    const low = v128.load(p0 + index);
    const high = v128.load(p1 + index);
    let a = i8x16.shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    let b = i8x16.shuffle(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    if (turn) {
      a = rotateLeft16(a, 15);
      b = rotateLeft16(b, 15);
    }
    v128.store(to + ((<usize>index) << 1), a);
    v128.store(to + ((<usize>index) << 1), b, 16);
  }
  for (; index < count; index++) {
    const element = <u16>load<u8>(p0 + index) | ((<u16>load<u8>(p1 + index)) << 8);
    store<u16>(to + ((<usize>index) << 1), rotr<u16>(element, <u16>turn));
  }
}

/** Planes `first` to `first + 3`. */
export function split4(from: usize, count: u32, turn: i32, first: u32): void {
  const p0 = planeAddress(first);
  const p1 = planeAddress(first + 1);
  const p2 = planeAddress(first + 2);
  const p3 = planeAddress(first + 3);
  let index: u32 = 0;
  for (; index + 16 <= count; index += 16) {
    const at = from + ((<usize>index) << 2);
    let a = v128.load(at);
    let b = v128.load(at, 16);
    let c = v128.load(at, 32);
    let d = v128.load(at, 48);
    if (turn) {
      a = rotateLeft32(a, 1);
      b = rotateLeft32(b, 1);
      c = rotateLeft32(c, 1);
      d = rotateLeft32(d, 1);
    }
    const evenAb = i8x16.shuffle(a, b, 0, 4, 8, 12, 16, 20, 24, 28, 2, 6, 10, 14, 18, 22, 26, 30);
    const evenCd = i8x16.shuffle(c, d, 0, 4, 8, 12, 16, 20, 24, 28, 2, 6, 10, 14, 18, 22, 26, 30);
    const oddAb = i8x16.shuffle(a, b, 1, 5, 9, 13, 17, 21, 25, 29, 3, 7, 11, 15, 19, 23, 27, 31);
    const oddCd = i8x16.shuffle(c, d, 1, 5, 9, 13, 17, 21, 25, 29, 3, 7, 11, 15, 19, 23, 27, 31);
    v128.store(p0 + index, i64x2.shuffle(evenAb, evenCd, 0, 2));
    v128.store(p1 + index, i64x2.shuffle(oddAb, oddCd, 0, 2));
    v128.store(p2 + index, i64x2.shuffle(evenAb, evenCd, 1, 3));
    v128.store(p3 + index, i64x2.shuffle(oddAb, oddCd, 1, 3));
  }
  for (; index < count; index++) {
    const element = rotl<u32>(load<u32>(from + ((<usize>index) << 2)), <u32>turn);
    store<u8>(p0 + index, <u8>element);
    store<u8>(p1 + index, <u8>(element >> 8));
    store<u8>(p2 + index, <u8>(element >> 16));
    store<u8>(p3 + index, <u8>(element >> 24));
  }
}

export function join4(to: usize, count: u32, turn: i32, first: u32): void {
  const p0 = planeAddress(first);
  const p1 = planeAddress(first + 1);
  const p2 = planeAddress(first + 2);
  const p3 = planeAddress(first + 3);
  const back = turn ? 31 : 0;
  let index: u32 = 0;
  for (; index + 16 <= count; index += 16) {
    const a = v128.load(p0 + index);
    const b = v128.load(p1 + index);
    const c = v128.load(p2 + index);
    const d = v128.load(p3 + index);
    const ab0 = i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const ab1 = i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const cd0 = i8x16.shuffle(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const cd1 = i8x16.shuffle(c, d, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const at = to + ((<usize>index) << 2);
    v128.store(at, turnBack(i16x8.shuffle(ab0, cd0, 0, 8, 1, 9, 2, 10, 3, 11), back));
    v128.store(at, turnBack(i16x8.shuffle(ab0, cd0, 4, 12, 5, 13, 6, 14, 7, 15), back), 16);
    v128.store(at, turnBack(i16x8.shuffle(ab1, cd1, 0, 8, 1, 9, 2, 10, 3, 11), back), 32);
    v128.store(at, turnBack(i16x8.shuffle(ab1, cd1, 4, 12, 5, 13, 6, 14, 7, 15), back), 48);
  }
  for (; index < count; index++) {
    const low = <u32>load<u8>(p0 + index) | ((<u32>load<u8>(p1 + index)) << 8);
    const high = <u32>load<u8>(p2 + index) | ((<u32>load<u8>(p3 + index)) << 8);
    store<u32>(to + ((<usize>index) << 2), rotr<u32>(low | (high << 16), <u32>turn));
  }
}

function turnBack(elements: v128, bits: i32): v128 {
  return bits ? rotateLeft32(elements, bits) : elements;
}

/** The upper half of PLANES, free because eight planes take the lower one. */
const HALVES: usize = PLANES + PLANE_BYTES * 8;

/** By way of the low and the high halves of the elements. */
export function split8(from: usize, count: u32, turn: i32): void {
  const high = HALVES + ((<usize>count) << 2);
  let index: u32 = 0;
  for (; index + 4 <= count; index += 4) {
    let a = v128.load(from + ((<usize>index) << 3));
    let b = v128.load(from + ((<usize>index) << 3), 16);
    if (turn) {
      a = rotateLeft64(a, 1);
      b = rotateLeft64(b, 1);
    }
    v128.store(HALVES + ((<usize>index) << 2), i32x4.shuffle(a, b, 0, 2, 4, 6));
    v128.store(high + ((<usize>index) << 2), i32x4.shuffle(a, b, 1, 3, 5, 7));
  }
  for (; index < count; index++) {
    const element = rotl<u64>(load<u64>(from + ((<usize>index) << 3)), <u64>turn);
    store<u32>(HALVES + ((<usize>index) << 2), <u32>element);
    store<u32>(high + ((<usize>index) << 2), <u32>(element >> 32));
  }
  split4(HALVES, count, 0, 0);
  split4(high, count, 0, 4);
}

export function join8(to: usize, count: u32, turn: i32): void {
  const high = HALVES + ((<usize>count) << 2);
  join4(HALVES, count, 0, 0);
  join4(high, count, 0, 4);
  let index: u32 = 0;
  for (; index + 4 <= count; index += 4) {
    const low4 = v128.load(HALVES + ((<usize>index) << 2));
    const high4 = v128.load(high + ((<usize>index) << 2));
    let a = i32x4.shuffle(low4, high4, 0, 4, 1, 5);
    let b = i32x4.shuffle(low4, high4, 2, 6, 3, 7);
    if (turn) {
      a = rotateLeft64(a, 63);
      b = rotateLeft64(b, 63);
    }
    v128.store(to + ((<usize>index) << 3), a);
    v128.store(to + ((<usize>index) << 3), b, 16);
  }
  for (; index < count; index++) {
    const low = <u64>load<u32>(HALVES + ((<usize>index) << 2));
    const element = low | ((<u64>load<u32>(high + ((<usize>index) << 2))) << 32);
    store<u64>(to + ((<usize>index) << 3), rotr<u64>(element, <u64>turn));
  }
}

/** Records: each of the first `split` bytes has a plane of its own, the other bytes share one. */
export function splitRecords(from: usize, count: u32, stride: u32, split: u32): void {
  const rest = stride - split;
  const body = planeAddress(split);
  for (let record: u32 = 0; record < count; record++) {
    const at = from + record * stride;
    for (let lane: u32 = 0; lane < split; lane++) store<u8>(planeAddress(lane) + record, load<u8>(at + lane));
    memory.copy(body + record * rest, at + split, rest);
  }
}

export function joinRecords(to: usize, count: u32, stride: u32, split: u32): void {
  const rest = stride - split;
  const body = planeAddress(split);
  for (let record: u32 = 0; record < count; record++) {
    const at = to + record * stride;
    for (let lane: u32 = 0; lane < split; lane++) store<u8>(at + lane, load<u8>(planeAddress(lane) + record));
    memory.copy(at + split, body + record * rest, rest);
  }
}
