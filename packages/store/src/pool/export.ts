/** The worker's side of checkout and of reading back: verified chunks into files. */
import { createHash } from "node:crypto";
import { closeSync, constants, openSync } from "node:fs";
import type { Digest } from "../digest.ts";
import { fromErrno } from "../errors.ts";
import { changeModeSync, createFileSync, writePartsSync } from "../fs.ts";
import { openPack, readRecordSync } from "../pack/reader.ts";
import { show } from "../show.ts";
import type { FileStat } from "../store.ts";
import { fileStat } from "./read-file.ts";
import type { ExportPiece, Piece } from "./tasks.ts";

const OPEN_PACKS_MAX = 32;

/** Open packs of one task, the least recently used closed first. */
export class OpenPacks implements Disposable {
  readonly #fds = new Map<string, number>();

  read(piece: Piece): Uint8Array {
    return readRecordSync(this.#open(piece.pack), piece.pack, piece.span);
  }

  #open(path: string): number {
    const known = this.#fds.get(path);
    if (known !== undefined) {
      this.#fds.delete(path);
      this.#fds.set(path, known);
      return known;
    }
    const oldest = this.#fds.entries().next().value;
    if (this.#fds.size >= OPEN_PACKS_MAX && oldest !== undefined) {
      closeSync(oldest[1]);
      this.#fds.delete(oldest[0]);
    }
    const fd = openPack(path);
    this.#fds.set(path, fd);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.values()) closeSync(fd);
    this.#fds.clear();
  }
}

function openTarget(file: ExportPiece): number {
  if (file.create) return createFileSync(file.path, file.executable ? 0o777 : 0o666);
  try {
    return openSync(file.path, constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0));
  } catch (error) {
    throw fromErrno(error, `cannot write '${show(file.path)}'`);
  }
}

/** Writes the pieces of one file and tells its stat. Nothing is fsynced. */
export function exportPiece(packs: OpenPacks, file: ExportPiece, onWritten: (bytes: number) => void): FileStat {
  const fd = openTarget(file);
  try {
    for (const piece of file.pieces) {
      const raw = packs.read(piece);
      writePartsSync(fd, file.path, [raw], piece.at);
      onWritten(raw.length);
    }
    const stat = fileStat(fd);
    const isExecutable = (stat.mode & 0o100) !== 0;
    if (isExecutable !== file.executable) {
      changeModeSync(fd, file.path, file.executable ? stat.mode | 0o111 : stat.mode & ~0o111);
      return fileStat(fd);
    }
    return stat;
  } finally {
    closeSync(fd);
  }
}

export function hashPieces(packs: OpenPacks, pieces: readonly Piece[], onRead: (bytes: number) => void): Digest {
  const hash = createHash("sha256");
  for (const piece of pieces) {
    const raw = packs.read(piece);
    hash.update(raw);
    onRead(raw.length);
  }
  return hash.digest("hex") as Digest;
}
