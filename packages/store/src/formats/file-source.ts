/** A local file as the bytes that a format parser reads. Synchronous, for workers. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { fromErrno, SmcError } from "../errors.ts";
import { show } from "../show.ts";
import { type ByteSource, READ_BYTES_MAX } from "./table.ts";

export class FileSource implements ByteSource, Disposable {
  readonly path: string;
  readonly sizeBytes: number;
  /** Changes when the file does. */
  readonly stamp: string;
  readonly #fd: number;
  #buffer = new Uint8Array(0);

  private constructor(path: string, fd: number) {
    const { dev, ino, size, mtimeNs, ctimeNs } = fstatSync(fd, { bigint: true });
    this.path = path;
    this.sizeBytes = Number(size);
    this.stamp = [dev, ino, size, mtimeNs, ctimeNs].join();
    this.#fd = fd;
  }

  /**
   * Opens a regular file; a link in its place is not followed, a fifo or device not waited for. Throws
   * FILE_UNSUPPORTED.
   */
  static open(path: string): FileSource {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    } catch (error) {
      throw fromErrno(error, `cannot read '${show(path)}'`);
    }
    if (fstatSync(fd).isFile()) return new FileSource(path, fd);
    closeSync(fd);
    throw new SmcError("FILE_UNSUPPORTED", `'${show(path)}' is not a regular file`);
  }

  read(offset: number, length: number): Uint8Array {
    if (length > this.#buffer.length) this.#buffer = new Uint8Array(Math.min(length, READ_BYTES_MAX));
    let done = 0;
    try {
      for (let read = -1; read !== 0 && done < length; done += read)
        read = readSync(this.#fd, this.#buffer, done, length - done, offset + done);
    } catch (error) {
      throw fromErrno(error, `cannot read '${show(this.path)}'`);
    }
    return this.#buffer.subarray(0, done);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
