/**
 * A repository in a bucket: packs, an index beside each, and refs. Everything but the refs is written once and never
 * changed.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type {
  ByteRange,
  Call,
  Digest,
  OwnedStore,
  PackFile,
  RefChange,
  RefReason,
  Remote,
  RemoteRef,
  RemoteRow,
  RemoteSweep,
} from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import type { Bucket } from "./bucket.ts";
import { readSmall } from "./bucket-read.ts";
import { BucketIndex } from "./bucket-index.ts";
import { newPackId, packKey } from "./bucket-key.ts";
import { readHeads, updateHeads } from "./bucket-heads.ts";
import { listRefs, readNewest, type Snapshot, updateRefs } from "./bucket-refs.ts";
import { BucketSweep } from "./bucket-sweep.ts";

const FORMAT_KEY = "format.json";
/** Each change of refs is the next of a row of objects, which one writer alone can create. */
const IN_A_ROW = '{"format":"smc-bucket","version":1}\n';
/** Each writer has heads of its own: for servers where a second one replaces what the first created. */
const IN_HEADS = '{"format":"smc-bucket","version":1,"refs":"heads"}\n';
const FORMAT_BYTES_MAX = 4096;

export interface BucketRemoteOptions {
  readonly fresh?: boolean;
}

export class BucketRemote implements Remote {
  readonly verifiesPacks = false;
  readonly #bucket: Bucket;
  readonly #store: OwnedStore;
  readonly #index: BucketIndex;
  #layout: Promise<string> | undefined;
  /** Of the sweeps, when this remote was looked at first: what it was seen to have may be gone after the next. */
  #generation: number | undefined;
  #looked: Promise<BucketIndex> | undefined;

  /** With `fresh`, every index is read from the bucket, whatever is known of it. */
  constructor(bucket: Bucket, store: OwnedStore, options: BucketRemoteOptions = {}) {
    this.#bucket = bucket;
    this.#store = store;
    const name = createHash("sha256").update(bucket.url).digest("hex").slice(0, 32);
    this.#index = new BucketIndex(bucket, join(store.path, "cache", "remotes", name), options);
  }

  get url(): string {
    return this.#bucket.url;
  }

  async refs(call: Call): Promise<readonly RemoteRef[]> {
    const newest = await this.#readRefs(call);
    this.#generation ??= newest.swept.generation;
    return listRefs(newest);
  }

  /** A bucket has either; who only reads need not ask which. */
  async #readRefs(call: Call): Promise<Snapshot> {
    const newest = await readNewest(this.#bucket, call);
    return newest.seq > 0 ? newest : readHeads(this.#bucket, call);
  }

  /** The sweeps are looked at before the packs: one that comes between is noticed when refs move. */
  #refresh(call: Call): Promise<BucketIndex> {
    this.#looked ??= this.#look(call).catch((error: unknown) => {
      this.#looked = undefined;
      throw error;
    });
    return this.#looked;
  }

  async #look(call: Call): Promise<BucketIndex> {
    const { swept } = await this.#readRefs(call);
    this.#generation ??= swept.generation;
    await this.#index.refresh(swept.gone, call);
    return this.#index;
  }

  async missing(digests: readonly Digest[], call: Call): Promise<Uint8Array> {
    const index = await this.#refresh(call);
    return Uint8Array.from(digests, (digest) => (index.has(digest) ? 0 : 1));
  }

  async putPack(pack: PackFile, call: Call): Promise<void> {
    const index = await this.#refresh(call);
    if (index.hasPack(pack.name)) return;
    await this.#findLayout(call);
    const [file] = await this.#store.objects.hashFiles([pack.path], call);
    if (file === undefined || file.sizeBytes !== pack.sizeBytes)
      throw new SmcError("PACK_CORRUPT", `pack ${pack.name} changed on its way`);
    const { path, sizeBytes, onSent } = pack;
    const body = { path, sizeBytes, sha256: file.digest, onSent };
    const stored = { ...pack, id: newPackId() };
    if (!(await this.#bucket.create(packKey(stored), body, call)))
      throw new SmcError(
        "REMOTE_FAILED",
        `${this.url}: ${packKey(stored)} is there, and nobody could know its name`,
      );
    await index.add(stored, call);
  }

  async update(changes: readonly RefChange[], reason: RefReason, call: Call): Promise<void> {
    const layout = await this.#findLayout(call);
    if (layout === IN_HEADS) return updateHeads(this.#bucket, { changes, reason }, call);
    return updateRefs(this.#bucket, { changes, reason, generation: this.#generation }, call);
  }

  async beginSweep(options: { spanMs: number }, call: Call): Promise<RemoteSweep> {
    if ((await this.#findLayout(call)) === IN_HEADS)
      throw new SmcError(
        "REMOTE_UNSUITABLE",
        `${this.url} cannot be cleaned up: the server does not tell who came first, so somebody may be relying on what would go`,
        { hint: "push to a new place, and remove this one" },
      );
    return BucketSweep.begin(this.#bucket, options, call);
  }

  /**
   * How refs are kept there, by `format.json`, which is written when it is absent. Where they are in a row, also who
   * cloned, or changed the URL, sees for himself that it cannot be written twice: otherwise a change of somebody else's
   * would be lost. Throws FORMAT_UNSUPPORTED, REMOTE_UNSUITABLE.
   */
  #findLayout(call: Call): Promise<string> {
    this.#layout ??= this.#createFormat(call).catch((error: unknown) => {
      this.#layout = undefined;
      throw error;
    });
    return this.#layout;
  }

  async #createFormat(call: Call): Promise<string> {
    const row = { bytes: Buffer.from(IN_A_ROW) };
    // Looked for first: a bucket that ignores conditions would let us write over what a newer smc left.
    if ((await this.#bucket.stat(FORMAT_KEY, call)) === undefined)
      await this.#bucket.create(FORMAT_KEY, row, call);
    const found = (
      await readSmall(this.#bucket, { key: FORMAT_KEY, bytesMax: FORMAT_BYTES_MAX }, call)
    ).toString("utf8");
    if (found === IN_HEADS) return IN_HEADS;
    if (found !== IN_A_ROW)
      throw new SmcError(
        "FORMAT_UNSUPPORTED",
        `${this.url} is not a place of this version of smc; nothing was changed`,
      );
    // True also when an answer was lost on the way: only then the longer test is worth its time.
    if (!(await this.#bucket.create(FORMAT_KEY, row, call)) || (await isExclusive(this.#bucket, call)))
      return IN_A_ROW;
    // Everybody who pushes here first finds the same, and writes the same.
    await this.#bucket.create(FORMAT_KEY, { bytes: Buffer.from(IN_HEADS) }, call);
    return IN_HEADS;
  }

  /** With a tree, commit, tag or list comes everything of that kind in its pack. */
  async locate(digests: readonly Digest[], call: Call): Promise<readonly RemoteRow[]> {
    const index = await this.#refresh(call);
    const rows = new Map<Digest, RemoteRow>();
    const packs = new Set<Digest>();
    for (const digest of digests) {
      const row = index.find(digest);
      if (row === undefined) continue;
      rows.set(row.digest, row);
      if (row.kind !== "chunk") packs.add(row.pack);
    }
    for (const pack of packs)
      for (const row of index.pack(pack)?.rows ?? []) if (row.kind !== "chunk") rows.set(row.digest, row);
    return [...rows.values()];
  }

  async packBytes(pack: Digest, call: Call): Promise<number> {
    const known = (await this.#refresh(call)).pack(pack);
    if (known === undefined) throw this.#lacks(pack);
    return known.sizeBytes;
  }

  async statPack(pack: Digest, call: Call): Promise<number | undefined> {
    const known = (await this.#refresh(call)).pack(pack);
    return known === undefined ? undefined : (await this.#bucket.stat(packKey(known), call))?.sizeBytes;
  }

  async *readPack(pack: Digest, range: ByteRange, call: Call): AsyncIterable<Uint8Array> {
    const known = (await this.#refresh(call)).pack(pack);
    if (known === undefined) throw this.#lacks(pack);
    try {
      yield* this.#bucket.read(packKey(known), call, range);
    } catch (error) {
      if (isSmcError(error, "REMOTE_NOT_FOUND")) throw this.#lacks(pack);
      throw error;
    }
  }

  #lacks(pack: Digest): SmcError {
    return new SmcError("REMOTE_INCOMPLETE", `${this.url} lacks pack ${pack}; no ref was moved`, {
      details: { pack },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bucket[Symbol.asyncDispose]();
  }
}

/**
 * True when of two who write at the same time one is told. Throws REMOTE_UNSUITABLE when it is not so and refs are kept
 * there in a way that needs it.
 */
export async function isExclusive(bucket: Bucket, call: Call): Promise<boolean> {
  const { exclusive } = await bucket.probe(call);
  if (exclusive || (await readNewest(bucket, call)).seq === 0) return exclusive;
  throw new SmcError(
    "REMOTE_UNSUITABLE",
    `${bucket.url} ignores conditional writes, and did not when it was pushed to first: of two who push at the same time one would lose its change unseen`,
    { hint: "repair the server, or push to a new place" },
  );
}
