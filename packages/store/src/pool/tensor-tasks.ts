/** The worker's side of what looks into tensors: comparing them, and composing files of them. */
import { closeSync } from "node:fs";
import { parseTensors } from "../formats/formats.ts";
import type { ByteSource, TensorTable } from "../formats/table.ts";
import { openFileSync, writePartsSync } from "../fs.ts";
import type { OpenPacks } from "../pack/open-packs.ts";
import type { FileStat } from "../store.ts";
import { composeBytes, type ComposeCounts, type Segment } from "../tensors/compose.ts";
import { compareRanges, type RangeDifference, type RangePair } from "../tensors/differences.ts";
import { BlobSource } from "./blob-source.ts";
import { FileSource } from "./file-cuts.ts";
import { assertUnchanged, fileStat, openRegular } from "./read-file.ts";
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

/** The tensors of a file that is not stored. Throws FILE_MALFORMED, FILE_CHANGED, FILE_UNSUPPORTED, PERMISSION_DENIED. */
export function localTensors(path: string, fileName: string): TensorTable | undefined {
  using file = new OpenFile(path);
  const table = parseTensors(file.source, fileName);
  file.assertUnchanged();
  return table;
}

/** A local file that must not change while it is read. */
class OpenFile implements Disposable {
  readonly source: FileSource;
  readonly #path: string;
  readonly #fd: number;
  readonly #stat: FileStat;

  constructor(path: string) {
    const { fd, stat } = openRegular(path);
    this.#path = path;
    this.#fd = fd;
    this.#stat = stat;
    this.source = new FileSource(fd, path, stat.sizeBytes);
  }

  assertUnchanged(): void {
    assertUnchanged(this.#path, this.#stat, fileStat(this.#fd), this.#stat.sizeBytes);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** One result a pair, in order. Throws OBJECT_CORRUPT, FILE_CHANGED, and what `onBytes` throws. */
export function compareTensors(
  packs: OpenPacks,
  { from, to, pairs }: CompareInput,
  onBytes: (bytes: number) => void,
): readonly RangeDifference[] {
  const local: OpenFile[] = [];
  const open = (file: ReadableFile): ByteSource => {
    if (!("path" in file)) return new BlobSource(packs, file);
    const opened = new OpenFile(file.path);
    local.push(opened);
    return opened.source;
  };
  try {
    const sources = { from: open(from), to: open(to) };
    const results = pairs.map((pair) => compareRanges(sources, pair, onBytes));
    for (const file of local) file.assertUnchanged();
    return results;
  } finally {
    for (const file of local) file[Symbol.dispose]();
  }
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
