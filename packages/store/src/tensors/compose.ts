/** A new file made of pieces: given bytes, ranges of stored files, and mixtures of two ranges, element by element. */
import { type ByteSource, widthOf } from "../formats/table.ts";
import { type FloatDtype, readElements, writeElements } from "./elements.ts";

const BLOCK_BYTES = 512 * 1024;
/** Elements that one call of the innermost function mixes: see RUN_ELEMENTS of differences.ts. */
const RUN_ELEMENTS = 2048;

/** A place in one of the sources. */
export interface Place {
  /** Which of the sources. */
  readonly source: number;
  readonly offset: number;
}

export interface BytesSegment {
  readonly kind: "bytes";
  readonly bytes: Uint8Array;
}

/** `length` bytes of a source as they are. */
export interface CopySegment {
  readonly kind: "copy";
  readonly from: Place;
  readonly length: number;
}

/** (1 - weight) × ours + weight × theirs, computed in 64 bits and rounded once, to nearest with ties to even. */
export interface MixSegment {
  readonly kind: "mix";
  readonly dtype: FloatDtype;
  readonly ours: Place;
  readonly theirs: Place;
  readonly length: number;
  /** Of theirs, from 0 to 1. */
  readonly weight: number;
}

export type Segment = BytesSegment | CopySegment | MixSegment;

/** What composing met. */
export interface ComposeCounts {
  /** Mixed elements whose result is NaN or infinite: at least one side was. */
  nonFiniteCount: number;
}

export function segmentLength(segment: Segment): number {
  return segment.kind === "bytes" ? segment.bytes.length : segment.length;
}

/** The part of a segment from byte `from` to before `to`; both fall between elements of what is mixed. */
export function cutSegment(segment: Segment, from: number, to: number): Segment {
  if (segment.kind === "bytes") return { kind: "bytes", bytes: segment.bytes.subarray(from, to) };
  const move = (place: Place): Place => ({ ...place, offset: place.offset + from });
  const length = to - from;
  if (segment.kind === "copy") return { ...segment, from: move(segment.from), length };
  return { ...segment, ours: move(segment.ours), theirs: move(segment.theirs), length };
}

/** Orders segments by what they read first, source by source; those that read nothing come first. */
export function compareSegments(a: Segment, b: Segment): number {
  const [left, right] = [placesOf(a)[0], placesOf(b)[0]];
  if (left === undefined || right === undefined)
    return (left === undefined ? 0 : 1) - (right === undefined ? 0 : 1);
  return left.source - right.source || left.offset - right.offset;
}

/** The places a segment reads. */
export function placesOf(segment: Segment): readonly Place[] {
  if (segment.kind === "bytes") return [];
  return segment.kind === "copy" ? [segment.from] : [segment.ours, segment.theirs];
}

/** The bytes of the segments in order, at most 512 KiB at a time, good until the next. Sources throw OBJECT_CORRUPT. */
export function* composeBytes(
  sources: readonly ByteSource[],
  segments: readonly Segment[],
  counts: ComposeCounts,
): Iterable<Uint8Array> {
  const read = (place: Place, at: number, length: number): Uint8Array => {
    const bytes = sources[place.source]?.read(place.offset + at, length);
    if (bytes?.length !== length) throw new Error("a source ended before its segment");
    return bytes;
  };
  for (const segment of segments) {
    if (segment.kind === "bytes") {
      yield segment.bytes;
      continue;
    }
    for (let at = 0; at < segment.length; at += BLOCK_BYTES) {
      const length = Math.min(BLOCK_BYTES, segment.length - at);
      if (segment.kind === "copy") yield read(segment.from, at, length);
      else {
        const sides = { ours: read(segment.ours, at, length), theirs: read(segment.theirs, at, length) };
        yield mixBlock(segment, sides, counts);
      }
    }
  }
}

/** Where the two are equal the bytes of ours stay as they are. */
function mixBlock(
  { dtype, weight }: MixSegment,
  { ours, theirs }: { ours: Uint8Array; theirs: Uint8Array },
  counts: ComposeCounts,
): Uint8Array {
  if (Buffer.compare(ours, theirs) === 0) return ours;
  const count = ours.length / (widthOf(dtype) ?? 1);
  const [values, others] = [new Float64Array(count), new Float64Array(count)];
  readElements(dtype, ours, values);
  readElements(dtype, theirs, others);
  for (let start = 0; start < count; start += RUN_ELEMENTS) {
    const end = Math.min(start + RUN_ELEMENTS, count);
    counts.nonFiniteCount += mixRun({ values, others, start, end }, weight);
  }
  const bytes = new Uint8Array(ours.length);
  writeElements(dtype, values, bytes);
  return bytes;
}

interface Run {
  /** Ours, and then the mixture. */
  readonly values: Float64Array;
  readonly others: Float64Array;
  readonly start: number;
  readonly end: number;
}

/** How many results are not finite. */
function mixRun({ values, others, start, end }: Run, weight: number): number {
  let nonFiniteCount = 0;
  for (let index = start; index < end; index++) {
    const a = values[index] ?? 0;
    const b = others[index] ?? 0;
    const mixed = a === b ? a : (1 - weight) * a + weight * b;
    if (mixed - mixed !== 0) nonFiniteCount += 1;
    values[index] = mixed;
  }
  return nonFiniteCount;
}
