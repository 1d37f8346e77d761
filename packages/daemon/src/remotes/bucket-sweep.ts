/**
 * Takes packs out of a bucket that nothing needs, beside others who push. First a snapshot of the refs says that they
 * are gone: only one who has seen all refs can make it, and whoever relied on one of the packs cannot move refs any
 * more. Then they go.
 */
import { randomBytes } from "node:crypto";
import type { Call, Digest, RefReason, RemoteRef, RemoteSweep, SweepOptions, SweptPacks } from "@smc/store";
import { inLanes } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import type { Bucket, BucketEntry } from "./bucket.ts";
import { INDEX, newPackId, PACKS, parseIndexKey, parsePackKey, type StoredPack } from "./bucket-key.ts";
import { GONE_MAX, listRefs, publishSweep, readNewest, readPast, type Snapshot } from "./bucket-refs.ts";

/** Requests at a time. */
const LANES = 16;
const PACKS_MAX = 400_000;
/** An upload in parts that was begun so long ago is nobody's any more. */
const UPLOAD_AGE_MS = 7 * 24 * 60 * 60 * 1000;

/** What lies in the bucket for one upload of a pack. */
interface Found extends StoredPack {
  readonly keys: string[];
  packBytes: number;
  /** Of what was written last. */
  modifiedMs: number;
  isIndexed: boolean;
}

export class BucketSweep implements RemoteSweep {
  readonly refs: readonly RemoteRef[];
  readonly past: readonly RemoteRef[];
  readonly #bucket: Bucket;
  readonly #before: Snapshot;
  readonly #nowMs: number;

  private constructor(
    bucket: Bucket,
    { before, past, nowMs }: { before: Snapshot; past: readonly RemoteRef[]; nowMs: number },
  ) {
    this.#bucket = bucket;
    this.#before = before;
    this.#nowMs = nowMs;
    this.refs = listRefs(before);
    this.past = past;
  }

  /** Reads the refs, those of the span before too; nothing is taken away. */
  static async begin(bucket: Bucket, { spanMs }: { spanMs: number }, call: Call): Promise<BucketSweep> {
    const nowMs = await clockOf(bucket, call);
    const before = await readNewest(bucket, call);
    const now = new Set(before.refs.values());
    const past = new Map<Digest, RemoteRef>();
    for await (const snapshot of readPast(bucket, nowMs - spanMs, call))
      for (const ref of listRefs(snapshot)) if (!now.has(ref.digest)) past.set(ref.digest, ref);
    return new BucketSweep(bucket, { before, past: [...past.values()], nowMs });
  }

  async finish({ needed, graceMs, dryRun, reason }: SweepOptions, call: Call): Promise<SweptPacks> {
    const all = await findPacks(this.#bucket, call);
    // What an earlier sweep has not come to the end of must stay among what is gone.
    const left = new Set(this.#before.swept.gone);
    const unneeded = all.filter(
      ({ id, name, isIndexed }) => !left.has(id) && !(isIndexed && needed.has(name)),
    );
    const old = unneeded.filter(({ modifiedMs }) => modifiedMs <= this.#nowMs - graceMs);
    const chosen = [...all.filter(({ id }) => left.has(id)), ...old].slice(0, GONE_MAX);
    const leftCount = all.filter(({ id }) => left.has(id)).length;
    const dropped = chosen.length;
    const swept = {
      kept: all.length - dropped,
      dropped,
      postponed: unneeded.length - (dropped - leftCount),
      bytes: chosen.reduce((sum, { packBytes }) => sum + packBytes, 0),
    };
    if (!dryRun && chosen.length > 0) {
      await this.#publish(chosen, reason, call);
      await this.#remove(chosen, call);
    }
    const isOurs = (key: string): boolean => (parseIndexKey(key) ?? parsePackKey(key)) !== undefined;
    const stale = { beforeMs: this.#nowMs - UPLOAD_AGE_MS, isOurs, dryRun };
    const uploads = (await this.#bucket.dropUploads?.(stale, call)) ?? 0;
    return { ...swept, uploads };
  }

  async #publish(chosen: readonly Found[], reason: RefReason, call: Call): Promise<void> {
    const gone = chosen.map(({ id }) => id);
    if (await publishSweep(this.#bucket, { before: this.#before, gone, reason }, call)) return;
    throw new SmcError(
      "REF_CHANGED",
      `${this.#bucket.url}: refs were moved meanwhile; nothing was taken away`,
      {
        hint: "run the command again",
      },
    );
  }

  /** Indexes first: a pack that is half gone is not there for anybody. */
  async #remove(chosen: readonly Found[], call: Call): Promise<void> {
    let done = 0;
    const total = chosen.length;
    call.onProgress({ phase: "sweep", done, total, unit: "files" });
    await inLanes(chosen, LANES, async ({ keys }) => {
      for (const key of keys) await this.#bucket.remove(key, call);
      done += 1;
      call.onProgress({ phase: "sweep", done, total, unit: "files" });
    });
  }
}

/** All packs, with their indexes in front. Throws LIMIT_EXCEEDED. */
async function findPacks(bucket: Bucket, call: Call): Promise<Found[]> {
  const found = new Map<string, Found>();
  const note = ({ name, id }: StoredPack, entry: BucketEntry): Found => {
    const known = found.get(id) ?? { name, id, keys: [], packBytes: 0, modifiedMs: 0, isIndexed: false };
    known.keys.push(entry.key);
    known.modifiedMs = Math.max(known.modifiedMs, entry.modifiedMs);
    found.set(id, known);
    if (found.size > PACKS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `${bucket.url}: more than ${PACKS_MAX} packs`);
    return known;
  };
  for await (const entry of bucket.list(INDEX, call)) {
    const parsed = parseIndexKey(entry.key);
    if (parsed !== undefined) note(parsed, entry).isIndexed = true;
  }
  for await (const entry of bucket.list(PACKS, call)) {
    const parsed = parsePackKey(entry.key);
    if (parsed !== undefined) note(parsed, entry).packBytes += entry.sizeBytes;
  }
  return [...found.values()];
}

/** The bucket's own clock, by an object that is made for it and removed again. */
async function clockOf(bucket: Bucket, call: Call): Promise<number> {
  const key = `probe/${newPackId()}-clock`;
  await bucket.create(key, { bytes: randomBytes(16) }, call);
  try {
    const entry = await bucket.stat(key, call);
    if (entry !== undefined) return entry.modifiedMs;
    throw new SmcError(
      "REMOTE_FAILED",
      `${bucket.url}: ${key} was made and is not there; nothing was taken away`,
    );
  } finally {
    await bucket.remove(key, call);
  }
}
