/** Composes a new file with all workers at once. */
import type { Call } from "../call.ts";
import { createFile } from "../fs.ts";
import type { PiecedBlob } from "../pool/tasks.ts";
import type { Store } from "../store.ts";
import { eachAhead, piecesBetween } from "./compare.ts";
import { type ComposeCounts, cutSegment, placesOf, type Segment, segmentLength } from "./compose.ts";

/** Bytes that a task writes; a multiple of every element. */
const PART_BYTES = 32 * 1024 * 1024;
const SEGMENTS_PER_TASK_MAX = 4096;
/** Tasks that wait in the pool, for each worker. */
const TASKS_AHEAD = 2;

export interface Composition {
  /** Does not exist yet. */
  readonly path: string;
  readonly sources: readonly PiecedBlob[];
  readonly segments: readonly Segment[];
}

/** Nothing is fsynced. The caller holds `objects.readers`. Throws OBJECT_CORRUPT, DISK_FULL, CANCELED. */
export async function composeFile(
  store: Pick<Store, "pool">,
  { path, sources, segments }: Composition,
  call: Call,
): Promise<ComposeCounts> {
  await createFile(path, "", { durable: false });
  const counts = { nonFiniteCount: 0 };
  const total = segments.reduce((sum, segment) => sum + segmentLength(segment), 0);
  let done = 0;
  const options = {
    signal: call.signal,
    onProgress: (bytes: number): void => {
      done += bytes;
      call.onProgress({ phase: "merge", done, total, unit: "bytes" });
    },
  };
  await eachAhead(store.pool.size * TASKS_AHEAD, partsOf(segments), async (part) => {
    const needed = sources.map((source, index) => piecesBetween(source, rangesOf(part.segments, index)));
    const found = await store.pool.run("compose", { path, ...part, sources: needed }, options);
    counts.nonFiniteCount += found.nonFiniteCount;
  });
  return counts;
}

interface Part {
  readonly at: number;
  readonly segments: readonly Segment[];
}

function* partsOf(segments: readonly Segment[]): Generator<Part> {
  let part: Segment[] = [];
  let [start, at] = [0, 0];
  for (const segment of segments) {
    const length = segmentLength(segment);
    for (let from = 0; from < length; from += PART_BYTES) {
      const to = Math.min(from + PART_BYTES, length);
      part.push(cutSegment(segment, from, to));
      at += to - from;
      if (at - start < PART_BYTES && part.length < SEGMENTS_PER_TASK_MAX) continue;
      yield { at: start, segments: part };
      part = [];
      start = at;
    }
  }
  if (part.length > 0) yield { at: start, segments: part };
}

function rangesOf(segments: readonly Segment[], source: number): { offset: number; length: number }[] {
  return segments.flatMap((segment) =>
    placesOf(segment)
      .filter((place) => place.source === source)
      .map(({ offset }) => ({ offset, length: segmentLength(segment) })),
  );
}
