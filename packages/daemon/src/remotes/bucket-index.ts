/**
 * Which records a bucket has, by the indexes that lie beside its packs. What was read once is kept in a folder of the
 * store.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Call,
  decodePackIndex,
  type Digest,
  encodePackIndex,
  hashBytes,
  inLanes,
  PACK_INDEX_BYTES_MAX,
  type PackFile,
  type RemoteRow,
} from "@smc/store";
import { fromErrno, isSmcError, SmcError } from "@smc/store/errors";
import { createFolder, removeTree, replaceFile } from "@smc/store/fs";
import type { Bucket } from "./bucket.ts";
import { INDEX, indexKey, parseIndexKey, type StoredPack } from "./bucket-key.ts";
import { readSmall } from "./bucket-read.ts";

/** Requests at a time. */
const LANES = 16;
const PACKS_MAX = 200_000;
const RECORDS_MAX = 4_000_000;

interface Known extends StoredPack {
  readonly sizeBytes: number;
  readonly rows: readonly RemoteRow[];
}

type IndexKey = StoredPack & { readonly hash: Digest };

export class BucketIndex {
  readonly #bucket: Bucket;
  readonly #cache: string;
  readonly #isFresh: boolean;
  readonly #packs = new Map<Digest, Known>();
  readonly #rows = new Map<Digest, RemoteRow>();
  readonly #blobs = new Map<Digest, RemoteRow>();

  /** `cache` is a folder that is made when it is needed; with `fresh`, what it has is read again all the same. */
  constructor(bucket: Bucket, cache: string, options: { fresh?: boolean } = {}) {
    this.#bucket = bucket;
    this.#cache = cache;
    this.#isFresh = options.fresh === true;
  }

  /** Reads all but the packs of these ids. */
  async refresh(goneIds: readonly string[], call: Call): Promise<void> {
    const gone = new Set(goneIds);
    await createFolder(this.#cache);
    const keys: IndexKey[] = [];
    for await (const { key } of this.#bucket.list(INDEX, call)) {
      const parsed = parseIndexKey(key);
      if (parsed === undefined || gone.has(parsed.id)) continue;
      keys.push(parsed);
      if (keys.length > PACKS_MAX)
        throw new SmcError("LIMIT_EXCEEDED", `${this.#bucket.url}: more than ${PACKS_MAX} packs`);
    }
    await this.#forgetOthers(keys);
    const total = keys.length;
    let done = 0;
    await inLanes(keys, LANES, async (key) => {
      const index = await this.#open(key, call);
      if (index !== undefined) this.#learn(index);
      done += 1;
      call.onProgress({ phase: "index", done, total, unit: "files" });
    });
  }

  /** What is kept of packs that are not there any more. */
  async #forgetOthers(keys: readonly IndexKey[]): Promise<void> {
    const names = new Set(keys.map(keptName));
    for (const name of await namesIn(this.#cache))
      if (!names.has(name)) await removeTree(join(this.#cache, name));
  }

  #learn(index: Known): void {
    // The same pack may lie there twice: two who pushed it at the same time.
    if (!this.#packs.has(index.name)) this.#packs.set(index.name, index);
    for (const row of index.rows) {
      if (!this.#rows.has(row.digest)) this.#rows.set(row.digest, row);
      if (row.blob !== undefined) this.#blobs.set(row.blob, row);
    }
    if (this.#rows.size > RECORDS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `${this.#bucket.url}: more than ${RECORDS_MAX} objects`);
  }

  /** Undefined for one that was taken away meanwhile. */
  async #open(stored: IndexKey, call: Call): Promise<Known | undefined> {
    const { name, id, hash } = stored;
    const key = indexKey(stored, hash);
    const path = join(this.#cache, keptName(stored));
    const kept = this.#isFresh ? undefined : await readKept(path);
    const bytes = kept !== undefined && hashBytes(kept) === hash ? kept : await this.#readIndex(key, call);
    if (bytes === undefined) return undefined;
    if (hashBytes(bytes) !== hash)
      throw new SmcError("OBJECT_CORRUPT", `${this.#bucket.url}: ${key} is damaged; nothing was changed`);
    const index = decodePackIndex(bytes);
    if (index.name !== name)
      throw new SmcError("OBJECT_CORRUPT", `${this.#bucket.url}: ${key} speaks of pack ${index.name}`);
    if (bytes !== kept) await keep(path, bytes);
    return { ...index, id };
  }

  async #readIndex(key: string, call: Call): Promise<Uint8Array | undefined> {
    try {
      return await readSmall(this.#bucket, { key, bytesMax: PACK_INDEX_BYTES_MAX }, call);
    } catch (error) {
      if (isSmcError(error, "REMOTE_NOT_FOUND")) return undefined;
      throw error;
    }
  }

  /** Makes a pack known that was put. */
  async add(pack: Omit<PackFile, "path"> & StoredPack, call: Call): Promise<void> {
    const bytes = encodePackIndex(pack);
    await this.#bucket.create(indexKey(pack, hashBytes(bytes)), { bytes }, call);
    const { name, id, sizeBytes, rows } = pack;
    this.#learn({ name, id, sizeBytes, rows });
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

function keptName({ name, hash }: IndexKey): string {
  return `${name}-${hash}`;
}

/** For the next time. A disk that is full, or somebody else who tidies up here, keeps nobody from going on without. */
async function keep(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await replaceFile(path, bytes, { durable: false });
  } catch (error) {
    if (!isSmcError(error)) throw error;
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    throw fromErrno(error, `cannot list '${path}'`);
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
