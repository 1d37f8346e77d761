/**
 * A new file written from front to back in large aligned blocks, past the page cache where the system can (O_DIRECT).
 * Measured on ext4: 4 to 5 times the rate of buffered writes that are synced later, and no other program is slowed
 * down by a flood of dirty pages. Memory: one block.
 */
import { closeSync } from "node:fs";
import { type DirectFile, truncateSync, writeDirectSync } from "../fs.ts";

export const BLOCK_BYTES = 4 * 1024 * 1024;
/** Alignment that O_DIRECT may want of memory, offset and length. */
const SECTOR_BYTES = 4096;
const PAGE_BYTES = 64 * 1024;

/** What this file uses of the global; the types of Node 20 do not have it. */
declare const WebAssembly: {
  readonly Memory: new (options: { initial: number }) => { readonly buffer: ArrayBuffer };
};

export class BlockFile {
  readonly path: string;
  #file: DirectFile;
  // Memory of WebAssembly is the only memory of JavaScript that is sure to start on a page.
  readonly #block: Uint8Array;
  #used = 0;
  #position = 0;

  /** `block` is memory of `alignedMemory` to use again. */
  constructor(path: string, file: DirectFile, block = alignedMemory(BLOCK_BYTES)) {
    this.path = path;
    this.#file = file;
    this.#block = block;
  }

  /** Where the next byte goes. */
  get position(): number {
    return this.#position + this.#used;
  }

  append(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const length = Math.min(bytes.length - at, this.#block.length - this.#used);
      this.#block.set(bytes.subarray(at, at + length), this.#used);
      this.#used += length;
      at += length;
      if (this.#used === this.#block.length) this.#flush(this.#used);
    }
  }

  #flush(length: number): void {
    this.#file = writeDirectSync(this.#file, this.path, this.#block.subarray(0, length), this.#position);
    this.#position += this.#used;
    this.#used = 0;
  }

  /** Writes what is left, cuts the file there when it is not aligned, and returns the descriptor. It is not synced. */
  finish(): number {
    const end = this.position;
    const length = Math.ceil(this.#used / SECTOR_BYTES) * SECTOR_BYTES;
    this.#block.fill(0, this.#used, length);
    if (length > 0) this.#flush(length);
    if (end % SECTOR_BYTES !== 0) truncateSync(this.#file.fd, this.path, end);
    return this.#file.fd;
  }

  abandon(): void {
    closeSync(this.#file.fd);
  }
}

/** Zeroed memory that starts on a page. */
export function alignedMemory(sizeBytes: number): Uint8Array {
  return new Uint8Array(
    new WebAssembly.Memory({ initial: Math.ceil(sizeBytes / PAGE_BYTES) }).buffer,
    0,
    sizeBytes,
  );
}
