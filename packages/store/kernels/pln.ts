/**
 * A block of elements as byte planes, each raw, filled or rANS-coded, 64 Ki elements at a time (a segment).
 * A segment is: one mode for each plane; the planes of mode RAW; then the others, in order.
 */
import {
  COUNTS,
  FREQUENCIES,
  FREQUENCIES_BYTES,
  LAST_FREQUENCIES,
  PLANE_BYTES,
  PLANES,
  SEGMENT_SYMBOLS,
} from "./memory";
import { join2, join4, join8, joinRecords, planeAddress, setPlaneAddress } from "./planes";
import { split2, split4, split8, splitRecords } from "./planes";
import { buildDecoder, buildEncoder, costOf, countUsed, getTable } from "./tables";
import { histogramOfBytes, normalise, putTable, tableBytes } from "./tables";
import { decodeBytes, encodeSymbols } from "./rans";

/** The bytes as they are, before the planes of other modes. */
const RAW: u8 = 0;
/** One byte, repeated. */
const FILL: u8 = 1;
/** A table, then what was coded with it. */
const CODED: u8 = 2;
/** Coded with the last table of this plane in this block. */
const CODED_AGAIN: u8 = 3;
/** The bytes as they are, in the place of this plane. */
const RAW_LATE: u8 = 4;
const UNDECIDED: u8 = 255;

const SAMPLE_SLICES: u32 = 4;
const SLICE_SYMBOLS: u32 = 1024;
/** 7.92 bits, in 1/65536 bit: a plane with more in each byte of a sample stays raw. */
const SAMPLE_COST_MAX: u64 = 519045;
/** A sample shows too little entropy, by about 0.72 bit for each used symbol. */
const SAMPLE_BIAS: u64 = 47186;

let width: u32 = 1;
let turn: i32 = 0;
let stride: u32 = 0;
let split: u32 = 0;
let planes: u32 = 1;
let segmentElements: u32 = 65536;
/** Planes whose last table is in LAST_FREQUENCIES. */
let known: u32 = 0;

/**
 * What the next calls are about: elements of `elementBytes` (1, 2, 4, 8), rotated or not; or, with 0, records of
 * `recordBytes` whose first `scaleBytes` (at most 15, at most half of the record) have planes of their own.
 */
export function setLayout(elementBytes: u32, rotated: i32, recordBytes: u32, scaleBytes: u32): void {
  width = elementBytes;
  turn = rotated;
  stride = recordBytes;
  split = scaleBytes;
  planes = elementBytes ? elementBytes : scaleBytes + 1;
  segmentElements = elementBytes ? SEGMENT_SYMBOLS : SEGMENT_SYMBOLS / (recordBytes - scaleBytes);
}

function elementBytes(): u32 {
  return width ? width : stride;
}

function planeLength(plane: u32, count: u32): u32 {
  return width || plane < split ? count : count * (stride - split);
}

function splitSegment(from: usize, count: u32): void {
  if (width === 2) split2(from, count, turn);
  else if (width === 4) split4(from, count, turn, 0);
  else if (width === 8) split8(from, count, turn);
  else if (width === 0) splitRecords(from, count, stride, split);
  else if (planeAddress(0) !== from) memory.copy(planeAddress(0), from, count);
}

function joinSegment(to: usize, count: u32): void {
  if (width === 2) join2(to, count, turn);
  else if (width === 4) join4(to, count, turn, 0);
  else if (width === 8) join8(to, count, turn);
  else if (width === 0) joinRecords(to, count, stride, split);
  else if (planeAddress(0) !== to) memory.copy(to, planeAddress(0), count);
}

/** Where plane `plane` is worked on: inside of the elements themselves when they are bytes. */
function workAddress(plane: u32, elements: usize): usize {
  return width === 1 ? elements : PLANES + <usize>plane * PLANE_BYTES;
}

/** True when a sample of `length` bytes looks like noise. */
function isNoise(from: usize, length: u32): bool {
  histogramOfBytes(from, length);
  const used = countUsed(COUNTS);
  if (used < 2) return false;
  normalise(COUNTS, length, FREQUENCIES);
  return costOf(COUNTS, FREQUENCIES) + <u64>(used - 1) * SAMPLE_BIAS > <u64>length * SAMPLE_COST_MAX;
}

/** Marks the planes that a sample shows to be noise as RAW, the others as UNDECIDED. */
function sampleModes(from: usize, count: u32, modes: usize): void {
  memory.fill(modes, UNDECIDED, planes);
  if (width === 0 || count < SAMPLE_SLICES * SLICE_SYMBOLS * 2) return;
  const step = (count - SLICE_SYMBOLS) / (SAMPLE_SLICES - 1);
  for (let slice: u32 = 0; slice < SAMPLE_SLICES; slice++) {
    for (let plane: u32 = 0; plane < planes; plane++) {
      setPlaneAddress(plane, PLANES + <usize>plane * PLANE_BYTES + slice * SLICE_SYMBOLS);
    }
    splitSegment(from + <usize>(slice * step) * width, SLICE_SYMBOLS);
  }
  for (let plane: u32 = 0; plane < planes; plane++) {
    if (isNoise(PLANES + <usize>plane * PLANE_BYTES, SAMPLE_SLICES * SLICE_SYMBOLS))
      store<u8>(modes + plane, RAW);
  }
}

/** Writes one plane in its shortest mode. Returns where the output ends. */
function encodePlane(plane: u32, length: u32, mode: usize, out: usize): usize {
  const from = planeAddress(plane);
  const last = LAST_FREQUENCIES + <usize>plane * FREQUENCIES_BYTES;
  histogramOfBytes(from, length);
  if (countUsed(COUNTS) < 2) {
    store<u8>(mode, FILL);
    store<u8>(out, load<u8>(from));
    return out + 1;
  }
  normalise(COUNTS, length, FREQUENCIES);
  const own = costOf(COUNTS, FREQUENCIES) + ((<u64>tableBytes(FREQUENCIES)) << 19);
  const again = known & (1 << plane) ? costOf(COUNTS, last) : u64.MAX_VALUE;
  const bytes = <u32>(min<u64>(own, again) >> 19) + 64;
  if (bytes >= length - (length >> 7)) {
    store<u8>(mode, RAW_LATE);
    memory.copy(out, from, length);
    return out + length;
  }
  let at = out;
  if (again <= own) {
    store<u8>(mode, CODED_AGAIN);
  } else {
    store<u8>(mode, CODED);
    memory.copy(last, FREQUENCIES, FREQUENCIES_BYTES);
    at = putTable(last, out);
    known |= 1 << plane;
  }
  buildEncoder(last, 0);
  return encodeSymbols<u8>(from, length, at);
}

function encodeSegment(from: usize, count: u32, out: usize): usize {
  sampleModes(from, count, out);
  let at = out + planes;
  for (let plane: u32 = 0; plane < planes; plane++) {
    if (load<u8>(out + plane) === RAW) {
      setPlaneAddress(plane, at);
      at += planeLength(plane, count);
    } else {
      setPlaneAddress(plane, workAddress(plane, from));
    }
  }
  splitSegment(from, count);
  for (let plane: u32 = 0; plane < planes; plane++) {
    if (load<u8>(out + plane) === UNDECIDED)
      at = encodePlane(plane, planeLength(plane, count), out + plane, at);
  }
  return at;
}

/**
 * Codes `count` elements, one block. Returns where the output ends: at most 32 bytes a segment more than the elements
 * take; another 128 KiB behind it may change.
 */
export function encodePlanes(from: usize, count: u32, out: usize): usize {
  known = 0;
  let at = out;
  for (let done: u32 = 0; done < count; done += segmentElements) {
    const part = min<u32>(segmentElements, count - done);
    at = encodeSegment(from + <usize>done * elementBytes(), part, at);
  }
  return at;
}

/** Reads one plane of a mode other than RAW. Returns where the input goes on, 0 on damage. */
function decodePlane(plane: u32, length: u32, mode: u8, from: usize, end: usize): usize {
  const last = LAST_FREQUENCIES + <usize>plane * FREQUENCIES_BYTES;
  let at = from;
  if (mode === FILL) {
    if (at >= end) return 0;
    memory.fill(planeAddress(plane), load<u8>(at), length);
    return at + 1;
  }
  if (mode === RAW_LATE) {
    if (at + length > end) return 0;
    setPlaneAddress(plane, at);
    return at + length;
  }
  if (mode === CODED) {
    at = getTable(at, end, last, 255);
    if (at === 0) return 0;
    buildDecoder(last, plane);
    known |= 1 << plane;
  } else if (mode !== CODED_AGAIN || !(known & (1 << plane))) {
    return 0;
  }
  return decodeBytes(at, end, planeAddress(plane), length, plane);
}

function decodeSegment(from: usize, end: usize, to: usize, count: u32): usize {
  if (from + planes > end) return 0;
  let at = from + planes;
  for (let plane: u32 = 0; plane < planes; plane++) {
    if (load<u8>(from + plane) === RAW) {
      const length = planeLength(plane, count);
      if (at + length > end) return 0;
      setPlaneAddress(plane, at);
      at += length;
    } else {
      setPlaneAddress(plane, workAddress(plane, to));
    }
  }
  for (let plane: u32 = 0; plane < planes; plane++) {
    const mode = load<u8>(from + plane);
    if (mode === RAW) continue;
    at = decodePlane(plane, planeLength(plane, count), mode, at, end);
    if (at === 0) return 0;
  }
  joinSegment(to, count);
  return at;
}

/** Decodes one block of `count` elements. True when the input is sound and ends exactly at `end`. */
export function decodePlanes(from: usize, end: usize, to: usize, count: u32): bool {
  known = 0;
  let at = from;
  for (let done: u32 = 0; done < count; done += segmentElements) {
    const part = min<u32>(segmentElements, count - done);
    at = decodeSegment(at, end, to + <usize>done * elementBytes(), part);
    if (at === 0) return false;
  }
  return at === end;
}

/** Bytes that `count` elements, at most one segment, would take without their tables; noise counts as it is. */
export function estimatePlanes(from: usize, count: u32): u32 {
  for (let plane: u32 = 0; plane < planes; plane++) setPlaneAddress(plane, workAddress(plane, from));
  splitSegment(from, count);
  let bytes: u64 = 0;
  for (let plane: u32 = 0; plane < planes; plane++) {
    const length = planeLength(plane, count);
    histogramOfBytes(planeAddress(plane), length);
    const used = countUsed(COUNTS);
    if (used < 2) continue;
    normalise(COUNTS, length, FREQUENCIES);
    const cost = costOf(COUNTS, FREQUENCIES);
    const isRaw = cost + <u64>(used - 1) * SAMPLE_BIAS > <u64>length * SAMPLE_COST_MAX;
    bytes += isRaw ? length : (cost >> 19) + 1;
  }
  return <u32>bytes;
}
