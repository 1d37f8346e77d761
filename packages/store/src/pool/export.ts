/** The worker's side of checkout and of reading back: verified chunks into files. */
import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import type { Digest } from "../objects/digest.ts";
import { changeModeSync, createFileSync, openFileSync, writePartsSync } from "../fs.ts";
import type { OpenPacks } from "../pack/open-packs.ts";
import type { FileStat } from "../store.ts";
import { fileStat } from "./read-file.ts";
import type { ExportPart, Piece } from "./tasks.ts";

/**
 * Writes one file or a part of it and tells its stat. Nothing is fsynced: a file that is checked out can be checked out
 * again, and whoever asked for it reads it next, from memory.
 */
export function exportPart(packs: OpenPacks, part: ExportPart, onWritten: (bytes: number) => void): FileStat {
  const fd = writePieces(packs, part, onWritten);
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

function writePieces(packs: OpenPacks, part: ExportPart, onWritten: (bytes: number) => void): number {
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
    const raw = packs.read(piece, { verify: piece.isVerified !== true });
    hash.update(raw);
    onRead(raw.length);
  }
  return hash.digest("hex") as Digest;
}
