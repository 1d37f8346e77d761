/** Opening and hashing a user's file, sure that it did not change meanwhile. Synchronous, for workers. */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { Digest } from "../objects/digest.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { show } from "../show.ts";
import type { FileStat, ReadFile } from "../store.ts";

/** Opens a regular file for reading. Throws FILE_UNSUPPORTED for anything else, without waiting on it. */
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
  return { fd, stat };
}

export function fileStat(fd: number): FileStat {
  const { dev, ino, size, mtimeNs, ctimeNs, mode } = fstatSync(fd, { bigint: true });
  return { dev, ino, sizeBytes: Number(size), mtimeNs, ctimeNs, mode: Number(mode) };
}

/** Throws FILE_CHANGED unless the file is what it was when it was opened. */
export function assertUnchanged(path: string, before: FileStat, after: FileStat, readBytes: number): void {
  const isSame =
    before.sizeBytes === after.sizeBytes &&
    before.mtimeNs === after.mtimeNs &&
    before.ctimeNs === after.ctimeNs;
  if (!isSame || readBytes !== after.sizeBytes) {
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
    assertUnchanged(path, stat, fileStat(fd), sizeBytes);
    return { digest: hash.digest("hex") as Digest, sizeBytes, stat };
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  } finally {
    closeSync(fd);
  }
}
