/** The worker's side of what looks into tensors: comparing them, and composing files of them. */
import { closeSync } from "node:fs";
import { openFileSync, writePartsSync } from "../fs.ts";
import type { OpenPacks } from "../pack/open-packs.ts";
import { composeBytes, type ComposeCounts, type Segment } from "../tensors/compose.ts";
import { compareRanges, type RangeDifference, type RangePair } from "../tensors/differences.ts";
import { BlobSource } from "./blob-source.ts";
import type { PiecedBlob } from "./tasks.ts";

/** Ranges of two stored files. Of each file only the pieces that are read need to be there. */
export interface CompareInput {
  readonly from: PiecedBlob;
  readonly to: PiecedBlob;
  readonly pairs: readonly RangePair[];
}

/** A part of a file that exists already: what is written into it from byte `at` on. */
export interface ComposePart {
  readonly path: string;
  readonly at: number;
  readonly sources: readonly PiecedBlob[];
  readonly segments: readonly Segment[];
}

/** One result a pair, in order. Throws OBJECT_CORRUPT, and what `onBytes` throws. */
export function compareTensors(
  packs: OpenPacks,
  { from, to, pairs }: CompareInput,
  onBytes: (bytes: number) => void,
): readonly RangeDifference[] {
  const sources = { from: new BlobSource(packs, from), to: new BlobSource(packs, to) };
  return pairs.map((pair) => compareRanges(sources, pair, onBytes));
}

/** Writes the segments into the file; nothing is fsynced. Throws OBJECT_CORRUPT, DISK_FULL, and what `onWritten` throws. */
export function composePart(
  packs: OpenPacks,
  { path, at, sources, segments }: ComposePart,
  onWritten: (bytes: number) => void,
): ComposeCounts {
  const counts = { nonFiniteCount: 0 };
  const fd = openFileSync(path);
  try {
    let position = at;
    const readers = sources.map((source) => new BlobSource(packs, source));
    for (const bytes of composeBytes(readers, segments, counts)) {
      writePartsSync(fd, path, [bytes], position);
      position += bytes.length;
      onWritten(bytes.length);
    }
    return counts;
  } finally {
    closeSync(fd);
  }
}
