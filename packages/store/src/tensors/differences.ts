/** How far two tensors are apart: sums over their elements, taken block by block, that add up over parts. */
import { type ByteSource, type Dtype, widthOf } from "../formats/table.ts";
import { isNumeric, type NumericDtype, readElements } from "./elements.ts";

/** Elements that are read at a time; a block of the widest type is 512 KiB. */
const BLOCK_ELEMENTS = 65_536;
const BLOCK_BYTES = 512 * 1024;
/**
 * Elements that one call of the innermost function adds. V8 replaces a function that is called often as a whole; one
 * that loops long in its first call is replaced in the middle, and falls back each time it leaves the loop.
 */
const RUN_ELEMENTS = 2048;

/** A tensor, or a part of one, in a file. */
export interface ElementRange {
  readonly dtype: Dtype;
  readonly offset: number;
  readonly length: number;
}

export interface RangePair {
  readonly from: ElementRange;
  readonly to: ElementRange;
}

/** Sums over the elements that are finite on both sides, and counts of the others. */
export interface DifferenceSums {
  elementCount: number;
  /** Elements whose values differ; two NaN are the same. */
  changedCount: number;
  nonFiniteFrom: number;
  nonFiniteTo: number;
  squaresOfDifference: number;
  squaresOfFrom: number;
  squaresOfTo: number;
  product: number;
  maxAbs: number;
}

export interface RangeDifference {
  /** The same type and the same bytes. */
  readonly isEqual: boolean;
  /** Null for types without numbers, and when the sides have not the same number of elements. */
  readonly sums: DifferenceSums | null;
}

function emptySums(): DifferenceSums {
  return {
    elementCount: 0,
    changedCount: 0,
    nonFiniteFrom: 0,
    nonFiniteTo: 0,
    squaresOfDifference: 0,
    squaresOfFrom: 0,
    squaresOfTo: 0,
    product: 0,
    maxAbs: 0,
  };
}

/** Adds the sums of a part to those of the whole. */
export function addSums(total: DifferenceSums, part: DifferenceSums): void {
  total.elementCount += part.elementCount;
  total.changedCount += part.changedCount;
  total.nonFiniteFrom += part.nonFiniteFrom;
  total.nonFiniteTo += part.nonFiniteTo;
  total.squaresOfDifference += part.squaresOfDifference;
  total.squaresOfFrom += part.squaresOfFrom;
  total.squaresOfTo += part.squaresOfTo;
  total.product += part.product;
  total.maxAbs = Math.max(total.maxAbs, part.maxAbs);
}

/** Both types when every element of one side has its counterpart on the other, as a number. */
export function comparableTypes({ from, to }: RangePair): readonly [NumericDtype, NumericDtype] | undefined {
  if (!isNumeric(from.dtype) || !isNumeric(to.dtype)) return undefined;
  const isSameCount = from.length / (widthOf(from.dtype) ?? 1) === to.length / (widthOf(to.dtype) ?? 1);
  return isSameCount ? [from.dtype, to.dtype] : undefined;
}

/**
 * Compares two ranges in constant memory. `onBytes` gets how many bytes of both sides were read, and may throw to
 * stop. Sources throw OBJECT_CORRUPT.
 */
export function compareRanges(
  sources: { readonly from: ByteSource; readonly to: ByteSource },
  pair: RangePair,
  onBytes: (bytes: number) => void,
): RangeDifference {
  const types = comparableTypes(pair);
  if (types === undefined) return { isEqual: hasEqualBytes(sources, pair, onBytes), sums: null };
  const total = emptySums();
  const widths = [widthOf(types[0]) ?? 1, widthOf(types[1]) ?? 1] as const;
  const count = pair.from.length / widths[0];
  const room = Math.min(count, BLOCK_ELEMENTS);
  const blocks = [new Float64Array(room), new Float64Array(room)] as const;
  let isEqual = types[0] === types[1];
  for (let first = 0; first < count; first += BLOCK_ELEMENTS) {
    const length = Math.min(BLOCK_ELEMENTS, count - first);
    const from = sources.from.read(pair.from.offset + first * widths[0], length * widths[0]);
    const to = sources.to.read(pair.to.offset + first * widths[1], length * widths[1]);
    const isSame = types[0] === types[1] && Buffer.compare(from, to) === 0;
    isEqual &&= isSame;
    const values = blocks[0].subarray(0, length);
    readElements(types[0], from, values);
    const others = isSame ? values : blocks[1].subarray(0, length);
    if (!isSame) readElements(types[1], to, others);
    addBlock(total, values, others);
    onBytes(from.length + to.length);
  }
  return { isEqual, sums: total };
}

function hasEqualBytes(
  sources: { readonly from: ByteSource; readonly to: ByteSource },
  { from, to }: RangePair,
  onBytes: (bytes: number) => void,
): boolean {
  if (from.dtype !== to.dtype || from.length !== to.length) return false;
  for (let at = 0; at < from.length; at += BLOCK_BYTES) {
    const length = Math.min(BLOCK_BYTES, from.length - at);
    const left = sources.from.read(from.offset + at, length);
    const right = sources.to.read(to.offset + at, length);
    if (Buffer.compare(left, right) !== 0) return false;
    onBytes(left.length + right.length);
  }
  return true;
}

function addBlock(sums: DifferenceSums, from: Float64Array, to: Float64Array): void {
  sums.elementCount += from.length;
  for (let start = 0; start < from.length; start += RUN_ELEMENTS) {
    const end = Math.min(start + RUN_ELEMENTS, from.length);
    addRun(sums, { from, to, start, end });
  }
}

interface Run {
  readonly from: Float64Array;
  readonly to: Float64Array;
  readonly start: number;
  readonly end: number;
}

function addRun(sums: DifferenceSums, { from, to, start, end }: Run): void {
  let squaresOfDifference = 0;
  let squaresOfFrom = 0;
  let squaresOfTo = 0;
  let product = 0;
  let maxAbs = 0;
  let changed = 0;
  for (let index = start; index < end; index++) {
    const a = from[index] ?? 0;
    const b = to[index] ?? 0;
    const difference = b - a;
    if (difference - difference !== 0) {
      addNonFinite(sums, a, b);
      continue;
    }
    if (difference !== 0) changed += 1;
    const distance = Math.abs(difference);
    if (distance > maxAbs) maxAbs = distance;
    squaresOfDifference += difference * difference;
    squaresOfFrom += a * a;
    squaresOfTo += b * b;
    product += a * b;
  }
  sums.changedCount += changed;
  sums.squaresOfDifference += squaresOfDifference;
  sums.squaresOfFrom += squaresOfFrom;
  sums.squaresOfTo += squaresOfTo;
  sums.product += product;
  sums.maxAbs = Math.max(sums.maxAbs, maxAbs);
}

function addNonFinite(sums: DifferenceSums, a: number, b: number): void {
  if (!Object.is(a, b)) sums.changedCount += 1;
  if (!Number.isFinite(a)) sums.nonFiniteFrom += 1;
  if (!Number.isFinite(b)) sums.nonFiniteTo += 1;
}

/** How far apart two tensors are, as JSON can say it: a number that is not finite is null. */
export interface TensorDistance {
  readonly elementCount: number;
  /** Elements whose values differ. */
  readonly changedCount: number;
  /** Euclidean norm of the difference. */
  readonly l2: number | null;
  /** The same, over the norm of the first; null when that is zero. */
  readonly relativeL2: number | null;
  /** Of the angle between the two; null when one of them is zero. */
  readonly cosine: number | null;
  readonly maxAbs: number | null;
  /** NaN and infinities on each side. Elements that are not finite on both sides are left out of the four above. */
  readonly nonFinite: { readonly from: number; readonly to: number };
}

/** The figures that people ask for. */
export function distanceOf(sums: DifferenceSums): TensorDistance {
  const { squaresOfDifference, squaresOfFrom, squaresOfTo, product } = sums;
  const l2 = Math.sqrt(squaresOfDifference);
  const norms = Math.sqrt(squaresOfFrom) * Math.sqrt(squaresOfTo);
  return {
    elementCount: sums.elementCount,
    changedCount: sums.changedCount,
    l2: finite(l2),
    relativeL2: squaresOfFrom === 0 ? null : finite(l2 / Math.sqrt(squaresOfFrom)),
    cosine: norms === 0 ? null : finite(Math.max(-1, Math.min(1, product / norms))),
    maxAbs: finite(sums.maxAbs),
    nonFinite: { from: sums.nonFiniteFrom, to: sums.nonFiniteTo },
  };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
