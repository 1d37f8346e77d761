/** Writes one pack, record after record. Synchronous: it runs in a worker. */
import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import { encodeBest } from "../codecs/registry.ts";
import type { EncodeHints } from "../codecs/codec.ts";
import type { Digest } from "../digest.ts";
import { createFileSync, removeFileSync, writePartsSync } from "../fs.ts";
import {
  encodeFooter,
  encodePackHeader,
  encodeRecordHeader,
  HEADER_BYTES,
  PACK_BYTES_TARGET,
  PACK_RECORDS_MAX,
  paddedBytes,
  packName,
  recordBytes,
  type RecordKind,
  type RecordRow,
  TRAILER_BYTES,
} from "./format.ts";

/** A pack with its footer written; not yet synced, not yet in its place. */
export interface WrittenPack {
  readonly path: string;
  readonly name: Digest;
  readonly sizeBytes: number;
  readonly rows: readonly RecordRow[];
}

/** Small records are gathered to this size before they are written. */
const BATCH_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(64);

export class PackWriter {
  readonly path: string;
  readonly #fd: number;
  readonly #header: Buffer;
  readonly #rows: RecordRow[] = [];
  /** End of the records, written or waiting. */
  #size: number;
  #written = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  constructor(path: string, storeId: string) {
    this.path = path;
    this.#header = encodePackHeader({ nonce: randomBytes(16), storeId });
    this.#size = HEADER_BYTES;
    this.#fd = createFileSync(path, 0o400);
    this.#wait(this.#header);
  }

  isFull(): boolean {
    return this.#size >= PACK_BYTES_TARGET || this.#rows.length >= PACK_RECORDS_MAX;
  }

  /** Appends one record in its shortest form; returns the id of the codec that made it. `raw` may change afterwards. */
  add(kind: RecordKind, digest: Digest, raw: Uint8Array, hints: EncodeHints = {}): number {
    const { codec, stored } = encodeBest(raw, hints);
    const record = { digest, kind, codec, flags: 0, rawBytes: raw.length, storedBytes: stored.length };
    const { bytes, headerCrc } = encodeRecordHeader(record, stored);
    this.#rows.push({ ...record, offset: this.#size, headerCrc });
    this.#size += recordBytes(stored.length);
    this.#wait(bytes);
    const isOwn = stored !== raw;
    const isBig = stored.length >= BATCH_BYTES / 4;
    this.#wait(isOwn || isBig ? stored : stored.slice());
    const padding = paddedBytes(stored.length) - stored.length;
    if (padding > 0) this.#wait(ZEROS.subarray(0, padding));
    if (this.#waitingBytes >= BATCH_BYTES || (isBig && !isOwn)) this.#flush();
    return codec;
  }

  #wait(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #flush(): void {
    const isMany = this.#waiting.length > 4;
    const parts = isMany ? [Buffer.concat(this.#waiting)] : this.#waiting;
    writePartsSync(this.#fd, this.path, parts, this.#written);
    this.#written += this.#waitingBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** Writes the footer and closes the file. */
  finish(): WrittenPack {
    const footer = encodeFooter(this.#rows, this.#size);
    this.#wait(footer);
    this.#flush();
    closeSync(this.#fd);
    const name = packName(this.#header, footer.subarray(-TRAILER_BYTES));
    return { path: this.path, name, sizeBytes: this.#written, rows: this.#rows };
  }

  /** Closes and removes the file. */
  abandon(): void {
    closeSync(this.#fd);
    removeFileSync(this.path);
  }
}
