/** Writes one pack, record after record. For workers. */
import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Encoded } from "../codecs/codec.ts";
import type { Digest } from "../objects/digest.ts";
import { removeTree } from "../fs.ts";
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

  private constructor(file: BlockFile, header: Buffer) {
    this.#file = file;
    this.#header = header;
  }

  /** Creates the file. `memory` is that of a `BlockFile`. */
  static async create(path: string, storeId: string, memory?: Uint8Array): Promise<PackWriter> {
    const header = encodePackHeader({ nonce: randomBytes(16), storeId });
    const file = await BlockFile.create(path, memory);
    await file.append(header);
    return new PackWriter(file, header);
  }

  isFull(): boolean {
    return this.#file.position >= PACK_BYTES_TARGET || this.#rows.length >= PACK_RECORDS_MAX;
  }

  /** Appends one record. One call at a time; what was encoded must stay as it is until it is done. */
  async add(
    { kind, digest, rawBytes }: NewRecord,
    { codec, stored: payload, delta }: EncodedRecord,
  ): Promise<void> {
    const stored = delta === undefined ? payload : Buffer.concat([encodeDeltaPrefix(delta), payload]);
    const record = { digest, kind, codec, flags: 0, rawBytes, storedBytes: stored.length };
    const { bytes, headerCrc } = encodeRecordHeader(record, crc32(stored));
    const parents = delta === undefined ? {} : { parents: delta.parents, depth: delta.depth };
    this.#rows.push({ ...record, offset: this.#file.position, headerCrc, ...parents });
    await this.#file.append(bytes);
    await this.#file.append(stored);
    await this.#file.append(ZEROS.subarray(0, paddedBytes(stored.length) - stored.length));
  }

  /** Writes the footer and closes the file. */
  async finish(): Promise<WrittenPack> {
    const footer = encodeFooter(this.#rows, this.#file.position);
    await this.#file.append(footer);
    const sizeBytes = this.#file.position;
    await this.#file.finish();
    const name = packName(this.#header, footer.subarray(-TRAILER_BYTES));
    return { path: this.#file.path, name, sizeBytes, rows: this.#rows };
  }

  /** Closes and removes the file. */
  async abandon(): Promise<void> {
    await this.#file.abandon();
    await removeTree(this.#file.path);
  }
}
