/** Many tensors of two files compared at once, spread over the workers. */
import type { Call } from "../call.ts";
import { type Dtype, widthOf } from "../formats/table.ts";
import type { PiecedBlob } from "../pool/tasks.ts";
import type { CompareInput, ReadableFile } from "../pool/tensor-tasks.ts";
import type { Store } from "../store.ts";
import {
  addSums,
  comparableTypes,
  type DifferenceSums,
  distanceOf,
  type ElementRange,
  type RangePair,
  type TensorDistance,
} from "./differences.ts";
import { hasSameChunks } from "./same-chunks.ts";

/** Bytes of one side that a task reads; a multiple of every element. */
const PART_BYTES = 32 * 1024 * 1024;
const PAIRS_PER_TASK_MAX = 1024;
/** Tasks that wait in the pool, for each worker. */
const TASKS_AHEAD = 2;

export interface ComparedPair {
  readonly isEqual: boolean;
  /** Null for equal tensors and for types without numbers. */
  readonly distance: TensorDistance | null;
}

/** One tensor, or a part of one. */
interface Part {
  readonly index: number;
  readonly pair: RangePair;
}

interface Sides {
  readonly from: ReadableFile;
  readonly to: ReadableFile;
}

/**
 * One result a pair, in order; the two of a pair have the same shape. The caller holds `objects.readers`. What lies in
 * the same chunks is equal without being read. Memory: a few blocks a worker. Throws OBJECT_CORRUPT, CANCELED,
 * FILE_CHANGED for a local file.
 */
export async function comparePairs(
  store: Pick<Store, "pool">,
  { sides, pairs }: { readonly sides: Sides; readonly pairs: readonly RangePair[] },
  call: Call,
): Promise<ComparedPair[]> {
  const isSettled = pairs.map((pair) => isKnownEqual(sides, pair));
  const parts = pairs.flatMap((pair, index) => (isSettled[index] === true ? [] : partsOf(pair, index)));
  const equal = pairs.map(() => true);
  const sums: (DifferenceSums | undefined)[] = pairs.map(() => undefined);
  const total = parts.reduce((sum, { pair }) => sum + pair.from.length + pair.to.length, 0);
  let done = 0;
  const options = {
    signal: call.signal,
    onProgress: (bytes: number): void => {
      done += bytes;
      call.onProgress({ phase: "compare", done, total, unit: "bytes" });
    },
  };
  await eachAhead(store.pool.size * TASKS_AHEAD, batchesOf(parts), async (batch) => {
    const results = await store.pool.run("compareTensors", inputOf(sides, batch), options);
    for (const [position, { index }] of batch.entries()) {
      const result = results[position];
      if (result?.isEqual !== true) equal[index] = false;
      if (result?.sums === undefined || result.sums === null) continue;
      const sum = sums[index];
      if (sum === undefined) sums[index] = result.sums;
      else addSums(sum, result.sums);
    }
  });
  return pairs.map((_, index) => {
    const sum = sums[index];
    const isEqual = equal[index] === true;
    return { isEqual, distance: isEqual || sum === undefined ? null : distanceOf(sum) };
  });
}

function isKnownEqual({ from, to }: Sides, pair: RangePair): boolean {
  if (pair.from.dtype !== pair.to.dtype || pair.from.length !== pair.to.length) return false;
  if ("path" in from || "path" in to) return false;
  const [a, b] = [
    { pieces: from.pieces, offset: pair.from.offset },
    { pieces: to.pieces, offset: pair.to.offset },
  ];
  return hasSameChunks(a, b, pair.from.length);
}

/** A long tensor in parts of the same elements on both sides. */
function partsOf(pair: RangePair, index: number): Part[] {
  const widths = [widthIn(pair.from.dtype), widthIn(pair.to.dtype)] as const;
  const canCut = pair.from.dtype === pair.to.dtype || comparableTypes(pair) !== undefined;
  const step = Math.floor(PART_BYTES / Math.max(...widths));
  const count = Math.max(1, Math.ceil(pair.from.length / widths[0] / step));
  if (!canCut || count === 1) return [{ index, pair }];
  const cut = (range: ElementRange, width: number, part: number): ElementRange => {
    const start = part * step * width;
    const length = Math.min(step * width, range.length - start);
    return { dtype: range.dtype, offset: range.offset + start, length };
  };
  return Array.from({ length: count }, (_, part) => ({
    index,
    pair: { from: cut(pair.from, widths[0], part), to: cut(pair.to, widths[1], part) },
  }));
}

function widthIn(dtype: Dtype): number {
  return widthOf(dtype) ?? 1;
}

function* batchesOf(parts: readonly Part[]): Generator<Part[]> {
  let batch: Part[] = [];
  let bytes = 0;
  for (const part of parts) {
    batch.push(part);
    bytes += Math.max(part.pair.from.length, part.pair.to.length);
    if (bytes < PART_BYTES && batch.length < PAIRS_PER_TASK_MAX) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

function inputOf({ from, to }: Sides, batch: readonly Part[]): CompareInput {
  const pairs = batch.map(({ pair }) => pair);
  return {
    from: only(
      from,
      pairs.map((pair) => pair.from),
    ),
    to: only(
      to,
      pairs.map((pair) => pair.to),
    ),
    pairs,
  };
}

/** The file with no more pieces than the ranges need: what is sent to a worker is copied. */
function only(file: ReadableFile, ranges: readonly ElementRange[]): ReadableFile {
  return "path" in file ? file : piecesBetween(file, ranges);
}

export function piecesBetween(
  { sizeBytes, pieces }: PiecedBlob,
  ranges: readonly { readonly offset: number; readonly length: number }[],
): PiecedBlob {
  const start = ranges.reduce((least, { offset }) => Math.min(least, offset), sizeBytes);
  const end = ranges.reduce((most, { offset, length }) => Math.max(most, offset + length), 0);
  return { sizeBytes, pieces: pieces.filter(({ at, span }) => at < end && at + span.rawBytes > start) };
}

/** Runs the action for all items, at most `limit` at a time; when one fails, waits for those that run and throws. */
export async function eachAhead<T>(
  limit: number,
  items: Iterable<T>,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  for (const item of items) {
    if (running.size >= limit) await Promise.race(running);
    if (failure !== undefined) break;
    const one: Promise<void> = action(item)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => running.delete(one));
    running.add(one);
  }
  await Promise.all(running);
  if (failure !== undefined) throw failure.error;
}
