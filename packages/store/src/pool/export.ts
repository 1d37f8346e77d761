/** The worker's side of checkout and of reading back: verified chunks into files. */
import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import type { Digest } from "../objects/digest.ts";
import {
  changeModeSync,
  createDirectFileSync,
  createFileSync,
  openDirectFileSync,
  openFileSync,
  writePartsSync,
} from "../fs.ts";
import { alignedMemory, BLOCK_BYTES, BlockFile } from "../pack/block-file.ts";
import type { OpenPacks } from "../pack/open-packs.ts";
import type { FileStat } from "../store.ts";
import { fileStat } from "./read-file.ts";
import type { ExportPart, Piece } from "./tasks.ts";

const DIRECT_BYTES_MIN = 8 * 1024 * 1024;

/** Aligned memory of this thread, used again for the next part. */
let block: Uint8Array | undefined;

/** Writes one file or a part of it and tells its stat. Nothing is fsynced. */
export function exportPart(packs: OpenPacks, part: ExportPart, onWritten: (bytes: number) => void): FileStat {
  const fd =
    part.to - part.from >= DIRECT_BYTES_MIN
      ? writeBlocks(packs, part, onWritten)
      : writeWhole(packs, part, onWritten);
  try {
    const stat = fileStat(fd);
    const isExecutable = (stat.mode & 0o100) !== 0;
    if (isExecutable === part.executable) return stat;
    changeModeSync(fd, part.path, part.executable ? stat.mode | 0o111 : stat.mode & ~0o111);
    return fileStat(fd);
  } finally {
    closeSync(fd);
  }
}

function writeWhole(packs: OpenPacks, part: ExportPart, onWritten: (bytes: number) => void): number {
  const fd = part.create ? createFileSync(part.path, fileMode(part)) : openFileSync(part.path);
  try {
    for (const { bytes, at } of bytesOf(packs, part)) {
      writePartsSync(fd, part.path, [bytes], at);
      onWritten(bytes.length);
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Large files go past the page cache: several times the rate, and what others have in it stays there. */
function writeBlocks(packs: OpenPacks, part: ExportPart, onWritten: (bytes: number) => void): number {
  const target = part.create
    ? createDirectFileSync(part.path, fileMode(part))
    : openDirectFileSync(part.path);
  block ??= alignedMemory(BLOCK_BYTES);
  const file = new BlockFile(part.path, target, part.from, block);
  try {
    for (const { bytes } of bytesOf(packs, part)) {
      file.append(bytes);
      onWritten(bytes.length);
    }
    return file.finish();
  } catch (error) {
    file.abandon();
    throw error;
  }
}

function fileMode(part: ExportPart): number {
  return part.executable ? 0o777 : 0o666;
}

/** The verified bytes of the pieces that fall into the part, and their place in the file. */
function* bytesOf(packs: OpenPacks, part: ExportPart): Iterable<{ bytes: Uint8Array; at: number }> {
  for (const piece of part.pieces) {
    const raw = packs.read(piece);
    const start = Math.max(part.from - piece.at, 0);
    yield { bytes: raw.subarray(start, part.to - piece.at), at: piece.at + start };
  }
}

export function hashPieces(
  packs: OpenPacks,
  pieces: readonly Piece[],
  onRead: (bytes: number) => void,
): Digest {
  const hash = createHash("sha256");
  for (const piece of pieces) {
    const raw = packs.read(piece);
    hash.update(raw);
    onRead(raw.length);
  }
  return hash.digest("hex") as Digest;
}
