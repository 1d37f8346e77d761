/** Histograms, probabilities, their written form, and the tables that the coders look into. */
import {
  COSTS,
  COUNTS,
  COUNTS_BYTES,
  DECODER_TABLES,
  ENCODER_TABLE,
  FREQUENCIES_BYTES,
  PROBABILITY_SUM,
} from "./memory";

function countAt(at: usize): void {
  store<u32>(at, load<u32>(at) + 1);
}

/**
 * How often each byte value occurs, into COUNTS. Four histograms, so that equal neighbours do not wait for each other.
 */
export function histogramOfBytes(from: usize, length: u32): void {
  memory.fill(COUNTS, 0, 4096);
  let at: u32 = 0;
  for (; at + 8 <= length; at += 8) {
    const low = load<u32>(from + at);
    const high = load<u32>(from + at, 4);
    countAt(COUNTS + ((low & 255) << 2));
    countAt(COUNTS + 1024 + ((low >> 6) & 1020));
    countAt(COUNTS + 2048 + ((low >> 14) & 1020));
    countAt(COUNTS + 3072 + ((low >> 24) << 2));
    countAt(COUNTS + ((high & 255) << 2));
    countAt(COUNTS + 1024 + ((high >> 6) & 1020));
    countAt(COUNTS + 2048 + ((high >> 14) & 1020));
    countAt(COUNTS + 3072 + ((high >> 24) << 2));
  }
  for (; at < length; at++) countAt(COUNTS + ((<usize>load<u8>(from + at)) << 2));
  sumHistograms(1024);
}

/** How often each 12-bit key occurs, into COUNTS. */
export function histogramOfKeys(from: usize, count: u32): void {
  memory.fill(COUNTS, 0, COUNTS_BYTES * 4);
  let index: u32 = 0;
  for (; index + 4 <= count; index += 4) {
    const keys = load<u64>(from + ((<usize>index) << 1));
    countAt(COUNTS + ((<usize>keys & 0xfff) << 2));
    countAt(COUNTS + COUNTS_BYTES + ((<usize>(keys >> 16) & 0xfff) << 2));
    countAt(COUNTS + COUNTS_BYTES * 2 + ((<usize>(keys >> 32) & 0xfff) << 2));
    countAt(COUNTS + COUNTS_BYTES * 3 + ((<usize>(keys >> 48)) << 2));
  }
  for (; index < count; index++) countAt(COUNTS + ((<usize>load<u16>(from + ((<usize>index) << 1))) << 2));
  sumHistograms(COUNTS_BYTES);
}

function sumHistograms(bytes: usize): void {
  for (let at: usize = COUNTS; at < COUNTS + bytes; at += 16) {
    const first = i32x4.add(v128.load(at), v128.load(at + bytes));
    const second = i32x4.add(v128.load(at + bytes * 2), v128.load(at + bytes * 3));
    v128.store(at, i32x4.add(first, second));
  }
}

/** Number of symbols that occur. */
export function countUsed(counts: usize): u32 {
  let used: u32 = 0;
  for (let symbol: usize = 0; symbol < 256; symbol++) {
    if (load<u32>(counts + (symbol << 2))) used++;
  }
  return used;
}

/** Probabilities that sum to 4096, none of a used symbol zero, from counts of at least two symbols. */
export function normalise(counts: usize, total: u32, frequencies: usize): void {
  let sum: u32 = 0;
  let largest: usize = 0;
  const half = total >> 1;
  for (let symbol: usize = 0; symbol < 256; symbol++) {
    const count = load<u32>(counts + (symbol << 2));
    let frequency: u32 = 0;
    if (count) {
      frequency = <u32>((<u64>count * PROBABILITY_SUM + half) / total);
      if (frequency === 0) frequency = 1;
      if (count > load<u32>(counts + (largest << 2))) largest = symbol;
    }
    store<u32>(frequencies + (symbol << 2), frequency);
    sum += frequency;
  }
  const at = frequencies + (largest << 2);
  const rest = <i32>PROBABILITY_SUM - <i32>sum;
  if (rest >= 0 || <i32>load<u32>(at) + rest * 8 > 0) store<u32>(at, load<u32>(at) + rest);
  else takeFromMany(frequencies, -rest);
}

/** Takes `excess` from the most frequent symbols, an eighth at a time; each turn takes at least one. */
function takeFromMany(frequencies: usize, excess: i32): void {
  while (excess > 0) {
    let largest: usize = 0;
    for (let symbol: usize = 1; symbol < 256; symbol++) {
      if (load<u32>(frequencies + (symbol << 2)) > load<u32>(frequencies + (largest << 2))) largest = symbol;
    }
    const at = frequencies + (largest << 2);
    const most = <i32>load<u32>(at);
    const taken = min<i32>(excess, max<i32>(1, most >> 3));
    store<u32>(at, most - taken);
    excess -= taken;
  }
}

/** Bits that symbols with these counts take, in 1/65536 bit; u64.MAX_VALUE when one of them has no probability. */
export function costOf(counts: usize, frequencies: usize): u64 {
  let cost: u64 = 0;
  for (let symbol: usize = 0; symbol < 1024; symbol += 4) {
    const count = load<u32>(counts + symbol);
    if (count === 0) continue;
    const frequency = load<u32>(frequencies + symbol);
    if (frequency === 0) return u64.MAX_VALUE;
    cost += <u64>count * load<u32>(COSTS + ((<usize>frequency) << 2));
  }
  return cost;
}

function firstUsed(frequencies: usize): u32 {
  let symbol: u32 = 0;
  while (symbol < 255 && load<u32>(frequencies + ((<usize>symbol) << 2)) === 0) symbol++;
  return symbol;
}

function lastUsed(frequencies: usize): u32 {
  let symbol: u32 = 255;
  while (symbol > 0 && load<u32>(frequencies + ((<usize>symbol) << 2)) === 0) symbol--;
  return symbol;
}

/** Writes the table: first and last symbol, then the probabilities between them, each in one or two bytes. */
export function putTable(frequencies: usize, out: usize): usize {
  const first = firstUsed(frequencies);
  const last = lastUsed(frequencies);
  store<u8>(out, <u8>first);
  store<u8>(out, <u8>last, 1);
  let at = out + 2;
  for (let symbol = first; symbol <= last; symbol++) {
    const frequency = load<u32>(frequencies + ((<usize>symbol) << 2));
    if (frequency >= 128) store<u8>(at++, <u8>(128 | (frequency >> 8)));
    store<u8>(at++, <u8>frequency);
  }
  return at;
}

/** Bytes that putTable would write. */
export function tableBytes(frequencies: usize): u32 {
  const first = firstUsed(frequencies);
  const last = lastUsed(frequencies);
  let bytes: u32 = 2;
  for (let symbol = first; symbol <= last; symbol++) {
    bytes += load<u32>(frequencies + ((<usize>symbol) << 2)) >= 128 ? 2 : 1;
  }
  return bytes;
}

/** Reads a table whose symbols are at most `symbolMax`. Returns where it ends, 0 when it is damaged. */
export function getTable(from: usize, end: usize, frequencies: usize, symbolMax: u32): usize {
  if (from + 2 > end) return 0;
  const first: u32 = load<u8>(from);
  const last: u32 = load<u8>(from, 1);
  if (first > last || last > symbolMax) return 0;
  memory.fill(frequencies, 0, FREQUENCIES_BYTES);
  let at = from + 2;
  let sum: u32 = 0;
  for (let symbol = first; symbol <= last; symbol++) {
    if (at >= end) return 0;
    let frequency: u32 = load<u8>(at++);
    if (frequency & 128) {
      if (at >= end) return 0;
      frequency = ((frequency & 127) << 8) | load<u8>(at++);
    }
    if (frequency >= PROBABILITY_SUM) return 0;
    store<u32>(frequencies + ((<usize>symbol) << 2), frequency);
    sum += frequency;
  }
  return sum === PROBABILITY_SUM ? at : 0;
}

/** Entry of a key: f32 1 / probability, u16 probability, u16 sum of the probabilities before it. */
export function buildEncoder(frequencies: usize, context: u32): void {
  const table = ENCODER_TABLE + ((<usize>context) << 11);
  let start: u32 = 0;
  for (let symbol: usize = 0; symbol < 256; symbol++) {
    const frequency = load<u32>(frequencies + (symbol << 2));
    if (frequency === 0) continue;
    store<f32>(table + (symbol << 3), <f32>1 / <f32>frequency);
    store<u32>(table + (symbol << 3), frequency | (start << 16), 4);
    start += frequency;
  }
}

/** Entry of a slot: symbol, its offset inside of the symbol << 8, probability << 20. */
export function buildDecoder(frequencies: usize, context: u32): void {
  let at = DECODER_TABLES + ((<usize>context) << 14);
  for (let symbol: u32 = 0; symbol < 256; symbol++) {
    const frequency = load<u32>(frequencies + ((<usize>symbol) << 2));
    let entry = symbol | (frequency << 20);
    for (let offset: u32 = 0; offset < frequency; offset++) {
      store<u32>(at, entry);
      at += 4;
      entry += 256;
    }
  }
}
