/** Writes one pack, record after record. Synchronous: it runs in a worker. */
import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { Encoded } from "../codecs/codec.ts";
import type { Digest } from "../objects/digest.ts";
import { createDirectFileSync, removeFileSync } from "../fs.ts";
import { BlockFile } from "./block-file.ts";
import { type DeltaPrefix, encodeDeltaPrefix } from "./delta.ts";
import {
  encodeFooter,
  encodePackHeader,
  encodeRecordHeader,
  PACK_BYTES_TARGET,
  PACK_RECORDS_MAX,
  paddedBytes,
  packName,
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

export interface NewRecord {
  readonly kind: RecordKind;
  readonly digest: Digest;
  readonly rawBytes: number;
}

/** With what a difference needs, when it is one. */
export interface EncodedRecord extends Encoded {
  readonly delta?: DeltaPrefix;
}

const ZEROS = Buffer.alloc(64);

export class PackWriter {
  readonly #file: BlockFile;
  readonly #header: Buffer;
  readonly #rows: RecordRow[] = [];

  /** `block` is aligned memory that no other open pack uses. */
  constructor(path: string, storeId: string, block?: Uint8Array) {
    this.#header = encodePackHeader({ nonce: randomBytes(16), storeId });
    this.#file = new BlockFile(path, createDirectFileSync(path, 0o600), block);
    this.#file.append(this.#header);
  }

  isFull(): boolean {
    return this.#file.position >= PACK_BYTES_TARGET || this.#rows.length >= PACK_RECORDS_MAX;
  }

  /** Appends one record. */
  add({ kind, digest, rawBytes }: NewRecord, { codec, stored: payload, delta }: EncodedRecord): void {
    const stored = delta === undefined ? payload : Buffer.concat([encodeDeltaPrefix(delta), payload]);
    const record = { digest, kind, codec, flags: 0, rawBytes, storedBytes: stored.length };
    const { bytes, headerCrc } = encodeRecordHeader(record, crc32(stored));
    const parents = delta === undefined ? {} : { parents: delta.parents, depth: delta.depth };
    this.#rows.push({ ...record, offset: this.#file.position, headerCrc, ...parents });
    this.#file.append(bytes);
    this.#file.append(stored);
    this.#file.append(ZEROS.subarray(0, paddedBytes(stored.length) - stored.length));
  }

  /** Writes the footer and closes the file. */
  finish(): WrittenPack {
    const footer = encodeFooter(this.#rows, this.#file.position);
    this.#file.append(footer);
    const sizeBytes = this.#file.position;
    closeSync(this.#file.finish());
    const name = packName(this.#header, footer.subarray(-TRAILER_BYTES));
    return { path: this.#file.path, name, sizeBytes, rows: this.#rows };
  }

  /** Closes and removes the file. */
  abandon(): void {
    this.#file.abandon();
    removeFileSync(this.#file.path);
  }
}
