/**
 * A new file written from front to back in large aligned blocks, past the page cache where the system can (O_DIRECT).
 * Measured on ext4: 4 to 5 times the rate of buffered writes that are synced later, and no other program is slowed
 * down by a flood of dirty pages. Memory: one block.
 */
import { closeSync } from "node:fs";
import { createDirectFileSync, truncateSync, writeDirectSync } from "../fs.ts";

const BLOCK_BYTES = 4 * 1024 * 1024;
/** Alignment that O_DIRECT may want of memory, offset and length. */
const SECTOR_BYTES = 4096;
const PAGE_BYTES = 64 * 1024;

/** What this file uses of the global; the types of Node 20 do not have it. */
declare const WebAssembly: { readonly Memory: new (options: { initial: number }) => { readonly buffer: ArrayBuffer } };

export class BlockFile {
  readonly path: string;
  #file: { fd: number; isDirect: boolean };
  // Memory of WebAssembly is the only memory of JavaScript that is sure to start on a page.
  readonly #block = new Uint8Array(new WebAssembly.Memory({ initial: BLOCK_BYTES / PAGE_BYTES }).buffer);
  #used = 0;
  #written = 0;

  constructor(path: string, mode: number) {
    this.path = path;
    this.#file = createDirectFileSync(path, mode);
  }

  get sizeBytes(): number {
    return this.#written + this.#used;
  }

  append(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const length = Math.min(bytes.length - at, BLOCK_BYTES - this.#used);
      this.#block.set(bytes.subarray(at, at + length), this.#used);
      this.#used += length;
      at += length;
      if (this.#used === BLOCK_BYTES) this.#flush(BLOCK_BYTES);
    }
  }

  #flush(length: number): void {
    this.#file = writeDirectSync(this.#file, this.path, this.#block.subarray(0, length), this.#written);
    this.#written += this.#used;
    this.#used = 0;
  }

  /** Writes what is left and closes the file; it is not synced. */
  finish(): void {
    const sizeBytes = this.sizeBytes;
    if (this.#used > 0) {
      const length = Math.ceil(this.#used / SECTOR_BYTES) * SECTOR_BYTES;
      this.#block.fill(0, this.#used, length);
      this.#flush(length);
    }
    truncateSync(this.#file.fd, this.path, sizeBytes);
    closeSync(this.#file.fd);
  }

  abandon(): void {
    closeSync(this.#file.fd);
  }
}
