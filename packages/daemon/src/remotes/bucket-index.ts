/** Which records a bucket has, by the indexes that lie beside its packs. What was read once is kept in a folder of the store. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Call,
  decodePackIndex,
  type Digest,
  encodePackIndex,
  hashBytes,
  inLanes,
  isDigest,
  PACK_INDEX_BYTES_MAX,
  type PackFile,
  type RemoteRow,
} from "@smc/store";
import { fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { createFolder, replaceFile } from "@smc/store/fs";
import type { Bucket } from "./bucket.ts";
import { readSmall } from "./bucket-read.ts";

const FOLDER = "index/";
/** Requests at a time. */
const LANES = 16;
const PACKS_MAX = 200_000;
const RECORDS_MAX = 4_000_000;

interface Known {
  readonly name: Digest;
  readonly sizeBytes: number;
  readonly rows: readonly RemoteRow[];
}

/** The name says which pack it is about, and what its own bytes must be. */
function keyOf(pack: Digest, bytes: Uint8Array): string {
  return `${FOLDER}${pack}-${hashBytes(bytes)}`;
}

export class BucketIndex {
  readonly #bucket: Bucket;
  readonly #cache: string;
  readonly #isFresh: boolean;
  readonly #packs = new Map<Digest, Known>();
  readonly #rows = new Map<Digest, RemoteRow>();
  readonly #blobs = new Map<Digest, RemoteRow>();
  #read: Promise<void> | undefined;

  /** `cache` is a folder that is made when it is needed; with `fresh`, what it has is read again all the same. */
  constructor(bucket: Bucket, cache: string, options: { fresh?: boolean } = {}) {
    this.#bucket = bucket;
    this.#cache = cache;
    this.#isFresh = options.fresh === true;
  }

  /** Reads what it has not read yet; once for each remote that is opened. */
  refresh(call: Call): Promise<void> {
    this.#read ??= this.#refresh(call).catch((error: unknown) => {
      this.#read = undefined;
      throw error;
    });
    return this.#read;
  }

  async #refresh(call: Call): Promise<void> {
    await createFolder(this.#cache);
    const keys: { key: string; pack: Digest; hash: Digest }[] = [];
    for await (const { key } of this.#bucket.list(FOLDER, call)) {
      const [pack, hash] = key.slice(FOLDER.length).split("-");
      if (pack === undefined || hash === undefined || !isDigest(pack) || !isDigest(hash)) continue;
      keys.push({ key, pack, hash });
      if (keys.length > PACKS_MAX)
        throw new SmcError("LIMIT_EXCEEDED", `${this.#bucket.url}: more than ${PACKS_MAX} packs`);
    }
    const total = keys.length;
    let done = 0;
    await inLanes(keys, LANES, async (key) => {
      this.#learn(await this.#open(key, call));
      done += 1;
      call.onProgress({ phase: "index", done, total, unit: "files" });
    });
  }

  #learn(index: Known): void {
    this.#packs.set(index.name, index);
    for (const row of index.rows) {
      if (!this.#rows.has(row.digest)) this.#rows.set(row.digest, row);
      if (row.blob !== undefined) this.#blobs.set(row.blob, row);
    }
    if (this.#rows.size > RECORDS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `${this.#bucket.url}: more than ${RECORDS_MAX} objects`);
  }

  async #open({ key, pack, hash }: { key: string; pack: Digest; hash: Digest }, call: Call): Promise<Known> {
    const path = join(this.#cache, `${pack}-${hash}`);
    const kept = this.#isFresh ? undefined : await readKept(path);
    const bytes =
      kept !== undefined && hashBytes(kept) === hash
        ? kept
        : await readSmall(this.#bucket, { key, bytesMax: PACK_INDEX_BYTES_MAX }, call);
    if (hashBytes(bytes) !== hash)
      throw new SmcError("OBJECT_CORRUPT", `${this.#bucket.url}: ${key} is damaged; nothing was changed`);
    const index = decodePackIndex(bytes);
    if (index.name !== pack)
      throw new SmcError("OBJECT_CORRUPT", `${this.#bucket.url}: ${key} speaks of pack ${index.name}`);
    if (bytes !== kept) await replaceFile(path, bytes, { durable: false });
    return index;
  }

  /** Makes a pack known that was put. */
  async add(pack: Omit<PackFile, "path">, call: Call): Promise<void> {
    const bytes = encodePackIndex(pack);
    await this.#bucket.create(keyOf(pack.name, bytes), { bytes }, call);
    this.#learn({ name: pack.name, sizeBytes: pack.sizeBytes, rows: pack.rows });
  }

  has(digest: Digest): boolean {
    return this.#rows.has(digest);
  }

  hasPack(name: Digest): boolean {
    return this.#packs.has(name);
  }

  /** The record of that digest, or the chunklist of the blob. */
  find(digest: Digest): RemoteRow | undefined {
    return this.#rows.get(digest) ?? this.#blobs.get(digest);
  }

  pack(name: Digest): Known | undefined {
    return this.#packs.get(name);
  }
}

async function readKept(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    const known = fromErrno(error, `cannot read '${path}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}
