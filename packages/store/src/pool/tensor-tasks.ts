/** The worker's side of what looks into tensors: listing and comparing them, and composing files of them. */
import { closeSync } from "node:fs";
import { join } from "node:path";
import { SmcError } from "../errors.ts";
import { FileSource } from "../formats/file-source.ts";
import { parseTensors } from "../formats/formats.ts";
import { describeBySibling, sizeIn } from "../formats/sidecar.ts";
import type { ByteSource, TensorTable } from "../formats/table.ts";
import { parseTfjs, tfjs } from "../formats/tfjs.ts";
import { openFileSync, writePartsSync } from "../fs.ts";
import type { OpenPacks } from "../pack/open-packs.ts";
import { show } from "../show.ts";
import {
  compareSegments,
  composeBytes,
  type ComposeCounts,
  type Segment,
  segmentLength,
} from "../tensors/compose.ts";
import { compareRanges, type RangeDifference, type RangePair } from "../tensors/differences.ts";
import { type Inspection, inspectSource } from "../tensors/inspection.ts";
import { subsetSegments, type SubsetTensor } from "../tensors/subset.ts";
import { checksumPatches } from "../tensors/zip-checksums.ts";
import { BlobSource } from "./blob-source.ts";
import type { PiecedBlob } from "./tasks.ts";

/** A file that the store does not hold: a path for system calls. */
export interface LocalFile {
  readonly path: string;
}

/** Of a stored file only the pieces that are read need to be there. */
export type ReadableFile = PiecedBlob | LocalFile;

/** Ranges of two files. */
export interface CompareInput {
  readonly from: ReadableFile;
  readonly to: ReadableFile;
  readonly pairs: readonly RangePair[];
}

/** A part of a file that exists already: what is written into it from byte `at` on. */
export interface ComposePart {
  readonly path: string;
  readonly at: number;
  readonly sources: readonly PiecedBlob[];
  readonly segments: readonly Segment[];
}

/**
 * The tensors of a file that is not stored. Throws FILE_MALFORMED, FILE_CHANGED, FILE_UNSUPPORTED, PERMISSION_DENIED.
 */
export function localTensors(path: string, fileName: string): TensorTable | undefined {
  using source = FileSource.open(path);
  const table = parseTensors(source, fileName);
  assertUnchanged(source);
  return table;
}

/** Throws FILE_CHANGED unless the file at the path is the one that was opened, as it was then. */
function assertUnchanged(file: FileSource): void {
  using again = FileSource.open(file.path);
  if (again.stamp === file.stamp) return;
  throw new SmcError("FILE_CHANGED", `'${show(file.path)}' changed while it was read`);
}

/** One result a pair, in order. Throws OBJECT_CORRUPT, FILE_CHANGED, and what `onBytes` throws. */
export function compareTensors(
  packs: OpenPacks,
  { from, to, pairs }: CompareInput,
  onBytes: (bytes: number) => void,
): readonly RangeDifference[] {
  const local: FileSource[] = [];
  const open = (file: ReadableFile): ByteSource => {
    if (!("path" in file)) return new BlobSource(packs, file);
    const source = FileSource.open(file.path);
    local.push(source);
    return source;
  };
  try {
    const sources = { from: open(from), to: open(to) };
    const results = pairs.map((pair) => compareRanges(sources, pair, onBytes));
    for (const file of local) assertUnchanged(file);
    return results;
  } finally {
    for (const file of local) file[Symbol.dispose]();
  }
}

/**
 * Writes the segments into the file; nothing is fsynced. Throws OBJECT_CORRUPT, DISK_FULL, and what `onWritten` throws.
 */
export function composePart(
  packs: OpenPacks,
  { path, at, sources, segments }: ComposePart,
  onWritten: (bytes: number) => void,
): ComposeCounts {
  const readers = sources.map((source) => new BlobSource(packs, source));
  const fd = openFileSync(path);
  try {
    return writeSegments(fd, { path, at, readers, segments }, onWritten);
  } finally {
    closeSync(fd);
  }
}

interface OpenPart {
  readonly path: string;
  readonly at: number;
  readonly readers: readonly ByteSource[];
  readonly segments: readonly Segment[];
}

function writeSegments(
  fd: number,
  { path, at, readers, segments }: OpenPart,
  onWritten: (bytes: number) => void,
): ComposeCounts {
  const counts = { nonFiniteCount: 0 };
  let position = at;
  for (const bytes of composeBytes(readers, segments, counts)) {
    writePartsSync(fd, path, [bytes], position);
    position += bytes.length;
    onWritten(bytes.length);
  }
  return counts;
}

/** A composed file and where bytes of it are not those of the file that it was made from. */
export interface SealInput {
  readonly path: string;
  readonly replaced: readonly { readonly offset: number; readonly length: number }[];
}

/** Makes the checksums of an archive right; another file stays as it is. Throws FILE_MALFORMED, and as `onRead`. */
export function sealArchive({ path, replaced }: SealInput, onRead: (bytes: number) => void): void {
  using source = FileSource.open(path);
  const patches = checksumPatches(source, replaced, onRead);
  if (patches.length === 0) return;
  const fd = openFileSync(path);
  try {
    for (const { offset, bytes } of patches) writePartsSync(fd, path, [bytes], offset);
  } finally {
    closeSync(fd);
  }
}

/** A safetensors file to be made; it exists already, and is empty. */
export interface SubsetInput {
  readonly path: string;
  readonly sources: readonly PiecedBlob[];
  readonly tensors: readonly SubsetTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Writes header and tensors; nothing is fsynced. Throws as `layoutSafetensors` and `composePart`. */
export function writeSubset(
  packs: OpenPacks,
  { path, sources, tensors, metadata }: SubsetInput,
  onWritten: (bytes: number) => void,
): { sizeBytes: number } {
  let sizeBytes = 0;
  const placed = subsetSegments(tensors, metadata).map((segment) => {
    sizeBytes += segmentLength(segment);
    return { segment, at: sizeBytes - segmentLength(segment) };
  });
  // In the order of the sources: small tensors share chunks, and the next one is likely in the chunk read last.
  placed.sort((a, b) => compareSegments(a.segment, b.segment));
  const readers = sources.map((source) => new BlobSource(packs, source));
  const fd = openFileSync(path);
  try {
    for (const { segment, at } of placed)
      writeSegments(fd, { path, at, readers, segments: [segment] }, onWritten);
    return { sizeBytes };
  } finally {
    closeSync(fd);
  }
}

/** A file to look into: a stored one, or a local one and the folder where a model may describe it. */
export type InspectInput = { readonly fileName: string } & (
  | { readonly blob: PiecedBlob }
  | { readonly path: string; readonly folder: string }
);

/** Throws OBJECT_CORRUPT, PATH_NOT_FOUND, FILE_UNSUPPORTED …, and what `onRead` throws. */
export function inspectFile(
  packs: OpenPacks,
  input: InspectInput,
  onRead: (bytes: number) => void,
): Inspection {
  const { fileName } = input;
  if ("blob" in input) return inspectSource(watched(new BlobSource(packs, input.blob), onRead), { fileName });
  const { path, folder } = input;
  using file = FileSource.open(path);
  const source = watched(file, onRead);
  return inspectSource(source, {
    fileName,
    describe: (table) => {
      if (table === undefined) return describeBySibling(join(folder, fileName), file.sizeBytes);
      return table.format === tfjs.name ? parseTfjs(source, sizeIn(folder)) : table;
    },
  });
}

/** Tells before each read how much was read: a parser cannot be stopped anywhere else. */
function watched(source: ByteSource, onRead: (bytes: number) => void): ByteSource {
  return {
    sizeBytes: source.sizeBytes,
    read(offset, length) {
      onRead(length);
      return source.read(offset, length);
    },
  };
}
