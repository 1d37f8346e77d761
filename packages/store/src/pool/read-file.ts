/** Opening and hashing a user's file, sure that it did not change meanwhile. Synchronous, for workers. */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { Digest } from "../objects/digest.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { show } from "../show.ts";
import type { FileStat, ReadFile } from "../store.ts";

/**
 * A file system stamps a change with the tick of its clock: one that is made in the tick of the change before it leaves
 * no mark. Ticks of Linux are 1 to 10 ms; a file system with longer ones (FAT, 2 s) is not waited for.
 */
const TICK_MS = 20;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Opens a regular file for reading, once its last change is a tick old, so that the next one can be told from it.
 * Throws FILE_UNSUPPORTED for anything else, without waiting on it.
 */
export function openRegular(path: string): { fd: number; stat: FileStat } {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
  const stat = fileStat(fd);
  if ((stat.mode & constants.S_IFMT) !== constants.S_IFREG) {
    closeSync(fd);
    throw new SmcError("FILE_UNSUPPORTED", `'${show(path)}' is not a regular file`);
  }
  const ageMs = Date.now() - Number(stat.ctimeNs / 1_000_000n);
  if (Math.abs(ageMs) < TICK_MS) Atomics.wait(sleeper, 0, 0, TICK_MS - ageMs);
  return { fd, stat };
}

export function fileStat(fd: number): FileStat {
  const { dev, ino, size, mtimeNs, ctimeNs, mode } = fstatSync(fd, { bigint: true });
  return { dev, ino, sizeBytes: Number(size), mtimeNs, ctimeNs, mode: Number(mode) };
}

/** Throws FILE_CHANGED unless the file is what it was when it was opened, and still has a name. */
export function assertUnchanged(path: string, fd: number, before: FileStat, readBytes: number): void {
  const { size, mtimeNs, ctimeNs, nlink } = fstatSync(fd, { bigint: true });
  const isSame = mtimeNs === before.mtimeNs && ctimeNs === before.ctimeNs && nlink > 0n;
  if (!isSame || Number(size) !== before.sizeBytes || readBytes !== before.sizeBytes) {
    throw new SmcError("FILE_CHANGED", `'${show(path)}' changed while it was read; nothing was committed`);
  }
}

/** SHA-256 of a file, storing nothing. */
export function hashFile(path: string, buffer: Uint8Array, onRead: (bytes: number) => void): ReadFile {
  const { fd, stat } = openRegular(path);
  try {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    for (;;) {
      const read = readSync(fd, buffer, 0, buffer.length, null);
      if (read === 0) break;
      hash.update(buffer.subarray(0, read));
      sizeBytes += read;
      onRead(read);
      if (sizeBytes > stat.sizeBytes) break;
    }
    assertUnchanged(path, fd, stat, sizeBytes);
    return { digest: hash.digest("hex") as Digest, sizeBytes, stat };
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  } finally {
    closeSync(fd);
  }
}
