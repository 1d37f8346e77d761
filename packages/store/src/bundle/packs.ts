/**
 * A bundle as packs that are written nowhere: their records are its blocks as they are. The same bundle gives the same
 * packs.
 */
import { type Call, createPacer, throwIfCanceled } from "../call.ts";
import { SmcError } from "../errors.ts";
import { type Digest, digestToBytes } from "../objects/digest.ts";
import { RAW } from "../codecs/raw.ts";
import {
  encodeFooter,
  encodePackHeader,
  encodeRecordHeader,
  PACK_BYTES_TARGET,
  PACK_RECORDS_MAX,
  packName,
  RECORD_HEADER_BYTES,
  recordBytes,
  TRAILER_BYTES,
} from "../pack/format.ts";
import type { ByteRange } from "../store.ts";
import type { RemoteRow } from "../transfer/remote.ts";
import { type BundleBlock, readBundle, type ReadBundle } from "./check.ts";
import type { BundleFile } from "./file.ts";

const NONCE_BYTES = 16;
/** No store has written them. */
const NO_STORE = "0".repeat(32);

interface BundlePack {
  readonly header: Uint8Array;
  readonly rows: readonly RemoteRow[];
  readonly footer: Uint8Array;
  readonly sizeBytes: number;
}

export class BundlePacks {
  readonly #read: ReadBundle;
  readonly #rows = new Map<Digest, RemoteRow>();
  readonly #packs = new Map<Digest, BundlePack>();

  private constructor(read: ReadBundle) {
    this.#read = read;
  }

  /** Compares every block with its digest. Throws FILE_MALFORMED, OBJECT_CORRUPT, FORMAT_UNSUPPORTED. */
  static async of(file: BundleFile, call: Call): Promise<BundlePacks> {
    const read = await readBundle(file, call);
    const { digest: root } = await file.readRoot();
    const packs = new BundlePacks(read);
    await packs.#divide(
      encodePackHeader({ nonce: digestToBytes(root).subarray(0, NONCE_BYTES), storeId: NO_STORE }),
      call,
    );
    return packs;
  }

  /** In the order of the file, packs of the usual size. */
  async #divide(header: Buffer, call: Call): Promise<void> {
    const pace = createPacer(call);
    const blobs = new Map([...this.#read.lists].map(([blob, list]) => [list, blob]));
    let rows: Omit<RemoteRow, "pack">[] = [];
    let at = header.length;
    const end = (): void => {
      const footer = encodeFooter(rows, at);
      const name = packName(header, footer.subarray(-TRAILER_BYTES));
      const named = rows.map((row) => ({ ...row, pack: name }));
      this.#packs.set(name, { header, rows: named, footer, sizeBytes: at + footer.length });
      for (const row of named) this.#rows.set(row.digest, row);
      rows = [];
      at = header.length;
    };
    for (const [digest, block] of this.#read.blocks) {
      const blob = blobs.get(digest);
      rows.push({ ...rowOf(digest, block), offset: at, ...(blob === undefined ? {} : { blob }) });
      at += recordBytes(block.sizeBytes);
      if (at >= PACK_BYTES_TARGET || rows.length >= PACK_RECORDS_MAX) end();
      await pace();
    }
    if (rows.length > 0) end();
  }

  /** The record of this name, or the list of the blob of this name. */
  find(digest: Digest): RemoteRow | undefined {
    return this.#rows.get(this.#read.lists.get(digest) ?? digest);
  }

  pack(name: Digest): Pick<BundlePack, "rows" | "sizeBytes"> | undefined {
    return this.#packs.get(name);
  }

  /** Throws REMOTE_FAILED for a range outside the pack, OBJECT_CORRUPT when the file was changed meanwhile. */
  async *readPack(name: Digest, { from, to }: ByteRange, call: Call): AsyncIterable<Uint8Array> {
    const pack = this.#packs.get(name);
    if (pack === undefined || to > pack.sizeBytes)
      throw new SmcError("REMOTE_FAILED", `pack ${name} does not have bytes ${from} to ${to}`);
    const clip = (bytes: Uint8Array, at: number): Uint8Array =>
      bytes.subarray(Math.max(0, from - at), Math.max(0, to - at));
    yield clip(pack.header, 0);
    for (const row of pack.rows) {
      if (row.offset + recordBytes(row.storedBytes) <= from || row.offset >= to) continue;
      throwIfCanceled(call);
      yield clip(await this.#record(row), row.offset);
    }
    yield clip(pack.footer, pack.sizeBytes - pack.footer.length);
  }

  async #record(row: RemoteRow): Promise<Uint8Array> {
    const { file, blocks } = this.#read;
    const block = blocks.get(row.digest);
    if (block === undefined) throw new SmcError("INTERNAL", `a record without a block: ${row.digest}`);
    const bytes = Buffer.alloc(recordBytes(block.sizeBytes));
    encodeRecordHeader(row, block.crc).bytes.copy(bytes);
    bytes.set(await file.read(block, row.digest), RECORD_HEADER_BYTES);
    return bytes;
  }
}

function rowOf(digest: Digest, { kind, sizeBytes, crc }: BundleBlock): Omit<RemoteRow, "pack" | "offset"> {
  const record = { digest, kind, codec: RAW.id, flags: 0, storedBytes: sizeBytes, rawBytes: sizeBytes };
  return { ...record, headerCrc: encodeRecordHeader(record, crc).headerCrc };
}
