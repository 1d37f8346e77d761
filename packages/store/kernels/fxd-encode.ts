/**
 * A block of floats as differences from the parent's. Coded: mode, largest exponent, which contexts occur, bytes of raw
 * bits; the raw bits; a table for each context that occurs; the rANS states and words of the tokens.
 */
import { CONTEXTS, COUNTS, FREQUENCIES, FREQUENCIES_BYTES, PROBABILITY_SUM } from "./memory";
import { finishBits, KEYS, largestExponent, startBits, tokenise } from "./fxd-tokens";
import { encodeSymbols } from "./rans";
import { buildEncoder, costOf, countUsed, histogramOfKeys, normalise, putTable, tableBytes } from "./tables";

const RAW: u8 = 0;
const CODED: u8 = 1;
const HEADER_BYTES: usize = 12;

let estimatedTableBytes: u32 = 0;

/** Probabilities of one context; a second symbol is added to a lone one, which has no probability below 1 else. */
function frequenciesOf(context: u32): bool {
  const counts = COUNTS + ((<usize>context) << 10);
  const frequencies = FREQUENCIES + <usize>context * FREQUENCIES_BYTES;
  const used = countUsed(counts);
  if (used === 0) return false;
  let total: u32 = 0;
  let lone: u32 = 0;
  for (let symbol: u32 = 0; symbol < 256; symbol++) {
    const count = load<u32>(counts + ((<usize>symbol) << 2));
    total += count;
    if (count) lone = symbol;
  }
  if (used > 1) {
    normalise(counts, total, frequencies);
    return true;
  }
  memory.fill(frequencies, 0, FREQUENCIES_BYTES);
  store<u32>(frequencies + ((<usize>lone) << 2), PROBABILITY_SUM - 1);
  store<u32>(frequencies + ((<usize>(lone === 0 ? 1 : 0)) << 2), 1);
  return true;
}

function encodeTables(out: usize, mask: usize): usize {
  let at = out;
  let used: u32 = 0;
  for (let context: u32 = 0; context < CONTEXTS; context++) {
    if (!frequenciesOf(context)) continue;
    used |= 1 << context;
    at = putTable(FREQUENCIES + <usize>context * FREQUENCIES_BYTES, at);
    buildEncoder(FREQUENCIES + <usize>context * FREQUENCIES_BYTES, context);
  }
  store<u16>(mask, <u16>used);
  return at;
}

function encode<T>(
  elements: usize,
  parents: usize,
  count: u32,
  out: usize,
  mantissaBits: i32,
  exponentMask: u32,
): usize {
  const largest = largestExponent<T>(parents, count, mantissaBits, exponentMask);
  const bytes = <usize>count * sizeof<T>();
  startBits(out + HEADER_BYTES);
  tokenise<T>(elements, parents, count, mantissaBits, exponentMask, largest);
  const bitsEnd = finishBits();
  histogramOfKeys(KEYS, count);
  store<u16>(out, CODED);
  store<u16>(out, <u16>largest, 2);
  store<u16>(out, 0, 6);
  store<u32>(out, <u32>(bitsEnd - out - HEADER_BYTES), 8);
  const end = encodeSymbols<u16>(KEYS, count, encodeTables(bitsEnd, out + 4));
  if (end - out <= bytes) return end;
  store<u8>(out, RAW);
  memory.copy(out + 1, elements, bytes);
  return out + 1 + bytes;
}

function estimate<T>(
  elements: usize,
  parents: usize,
  count: u32,
  out: usize,
  mantissaBits: i32,
  exponentMask: u32,
): u32 {
  const largest = largestExponent<T>(parents, count, mantissaBits, exponentMask);
  startBits(out);
  tokenise<T>(elements, parents, count, mantissaBits, exponentMask, largest);
  let cost: u64 = (<u64>(finishBits() - out)) << 19;
  histogramOfKeys(KEYS, count);
  estimatedTableBytes = 0;
  for (let context: u32 = 0; context < CONTEXTS; context++) {
    if (!frequenciesOf(context)) continue;
    estimatedTableBytes += tableBytes(FREQUENCIES + <usize>context * FREQUENCIES_BYTES);
    cost += costOf(COUNTS + ((<usize>context) << 10), FREQUENCIES + <usize>context * FREQUENCIES_BYTES);
  }
  return <u32>(cost >> 19) + 1;
}

/**
 * Codes a block. `kind`: 1 f16, 2 bf16, 3 f32, 4 f64. Returns where the output ends: at most one byte more than the
 * elements take; another 2 MiB behind it may change.
 */
export function encodeDifferences(kind: u32, elements: usize, parents: usize, count: u32, out: usize): usize {
  if (kind === 1) return encode<u16>(elements, parents, count, out, 10, 31);
  if (kind === 2) return encode<u16>(elements, parents, count, out, 7, 255);
  if (kind === 3) return encode<u32>(elements, parents, count, out, 23, 255);
  return encode<u64>(elements, parents, count, out, 52, 2047);
}

/** Bytes that a block would take without its tables. `out` is room for the raw bits. */
export function estimateDifferences(kind: u32, elements: usize, parents: usize, count: u32, out: usize): u32 {
  if (kind === 1) return estimate<u16>(elements, parents, count, out, 10, 31);
  if (kind === 2) return estimate<u16>(elements, parents, count, out, 7, 255);
  if (kind === 3) return estimate<u32>(elements, parents, count, out, 23, 255);
  return estimate<u64>(elements, parents, count, out, 52, 2047);
}

/** Bytes of the tables that the last estimateDifferences left out. */
export function tablesOfEstimate(): u32 {
  return estimatedTableBytes;
}
