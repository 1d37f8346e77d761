/**
 * Refs in a bucket: each change is a new object that says what all refs are from then on. Its name is the next number,
 * which only one of several writers can create; so nobody's change is lost, several refs change together, and what the
 * refs were stays there. Numbers count down in the names, so that the newest is the first of a list.
 */
import { randomBytes } from "node:crypto";
import { type Call, type Digest, hashBytes, isDigest, type RefChange, type RefReason } from "@smc/store";
import type { RemoteRef } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { pause } from "../connect.ts";
import type { Bucket } from "./bucket.ts";
import { isPackId } from "./bucket-key.ts";
import { readSmall } from "./bucket-read.ts";

const FOLDER = "refs/";
const SEQ_MAX = 999_999_999_999;
const SEQ_DIGITS = 12;
export const SNAPSHOT_BYTES_MAX = 64 * 1024 * 1024;
const REFS_MAX = 100_000;
/** Others may be faster so many times in a row. */
const TRIES_MAX = 200;
const PAUSE_MS_MAX = 200;
/** Snapshots that are looked back at. */
const PAST_MAX = 10_000;
/** Packs of one sweep: every snapshot names them until the next. */
export const GONE_MAX = 10_000;
const VERSION = 1;

/** What was taken away from the bucket. */
export interface Swept {
  /** How often. Who relied on a pack before a sweep may not move refs after it. */
  readonly generation: number;
  /** Ids of the packs that went with the last one, or are about to go: they count as absent. */
  readonly gone: readonly string[];
}

export interface Snapshot {
  /** 0 when nobody has pushed yet. */
  readonly seq: number;
  readonly hash: Digest | null;
  readonly refs: ReadonlyMap<string, Digest>;
  readonly swept: Swept;
}

const EMPTY: Snapshot = { seq: 0, hash: null, refs: new Map(), swept: { generation: 0, gone: [] } };

/** All refs, in the byte order of their names. */
export function listRefs({ refs }: Snapshot): RemoteRef[] {
  return [...refs].map(([name, digest]) => ({ name, digest })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

export interface RefsUpdate {
  readonly changes: readonly RefChange[];
  readonly reason: RefReason;
  /** Of the sweeps, when what the refs need was looked up; undefined when nothing was. */
  readonly generation?: number | undefined;
}

/**
 * All changes or none. Throws REF_CHANGED when a `from` is not what is there, STORE_BUSY when others are faster all the
 * time or packs were taken away since the generation.
 */
export async function updateRefs(
  bucket: Bucket,
  { changes, reason, generation }: RefsUpdate,
  call: Call,
): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const before = await readNewest(bucket, call);
    if (generation !== undefined && generation !== before.swept.generation)
      throw new SmcError(
        "STORE_BUSY",
        `${bucket.url}: gc took packs away there meanwhile; no ref was moved`,
        {
          hint: "run the command again: what is missing now is sent",
        },
      );
    const refs = applyChanges(before.refs, changes, bucket.url);
    if (await follow(bucket, { before, refs, swept: before.swept, reason }, call)) return;
    await pause(Math.random() * Math.min(PAUSE_MS_MAX, 5 * 2 ** Math.min(tries, 8)), call.signal);
  }
  throw new SmcError("STORE_BUSY", `${bucket.url}: others move refs all the time; no ref was moved`);
}

/**
 * From now on these packs are absent, and nobody who relied on one can move refs. False when refs were moved since
 * `before`.
 */
export function publishSweep(
  bucket: Bucket,
  { before, gone, reason }: { before: Snapshot; gone: readonly string[]; reason: RefReason },
  call: Call,
): Promise<boolean> {
  const swept = { generation: before.swept.generation + 1, gone };
  return follow(bucket, { before, refs: before.refs, swept, reason }, call);
}

/** Writes the snapshot behind this one; false when somebody else has. */
function follow(
  bucket: Bucket,
  { before, refs, swept, reason }: Pick<Snapshot, "refs" | "swept"> & { before: Snapshot; reason: RefReason },
  call: Call,
): Promise<boolean> {
  const text = JSON.stringify({
    version: VERSION,
    seq: before.seq + 1,
    prev: before.hash,
    ms: Date.now(),
    ...reason,
    nonce: randomBytes(16).toString("hex"),
    swept,
    refs: Object.fromEntries([...refs].sort(([a], [b]) => (a < b ? -1 : 1))),
  });
  return bucket.create(keyOf(before.seq + 1), { bytes: Buffer.from(text) }, call);
}

/** Throws REF_CHANGED, LIMIT_EXCEEDED. */
export function applyChanges(
  before: ReadonlyMap<string, Digest>,
  changes: readonly RefChange[],
  url: string,
): Map<string, Digest> {
  const refs = new Map(before);
  for (const { name, from, to } of changes) {
    const now = before.get(name) ?? "absent";
    if (from !== "any" && now !== from) {
      throw new SmcError(
        "REF_CHANGED",
        `${url}: '${show(name)}' was moved by somebody else; no ref was moved`,
        {
          hint: 'take over what they did with "smc pull", then push again',
          details: { ref: name, current: now },
        },
      );
    }
    if (to === "absent") refs.delete(name);
    else refs.set(name, to);
  }
  if (refs.size > REFS_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${REFS_MAX} refs; no ref was moved`);
  return refs;
}

function keyOf(seq: number): string {
  return `${FOLDER}${String(SEQ_MAX - seq).padStart(SEQ_DIGITS, "0")}.json`;
}

/** Throws REMOTE_FAILED for what is not a list of refs, FORMAT_UNSUPPORTED for that of a newer smc. */
export async function readNewest(bucket: Bucket, call: Call): Promise<Snapshot> {
  for await (const { key } of bucket.list(FOLDER, call)) {
    const seq = seqOf(key);
    if (seq !== undefined) return readSnapshot(bucket, { key, seq }, call);
  }
  return EMPTY;
}

/**
 * What refs named since that moment of the bucket's clock, newest first: also the last snapshot before it, which was in
 * force then. Throws LIMIT_EXCEEDED for more than 10,000 of them.
 */
export async function* readPast(bucket: Bucket, sinceMs: number, call: Call): AsyncGenerator<Snapshot> {
  let count = 0;
  for await (const { key, modifiedMs } of bucket.list(FOLDER, call)) {
    const seq = seqOf(key);
    if (seq === undefined) continue;
    count += 1;
    if (count > PAST_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `${bucket.url}: refs moved more than ${PAST_MAX} times`, {
        hint: "look back less far: --older-than",
      });
    yield await readSnapshot(bucket, { key, seq }, call);
    if (modifiedMs < sinceMs) return;
  }
}

function seqOf(key: string): number | undefined {
  const digits = /^refs\/(\d{12})\.json$/.exec(key)?.[1];
  return digits === undefined ? undefined : SEQ_MAX - Number(digits);
}

async function readSnapshot(
  bucket: Bucket,
  { key, seq }: { key: string; seq: number },
  call: Call,
): Promise<Snapshot> {
  const bytes = await readSmall(bucket, { key, bytesMax: SNAPSHOT_BYTES_MAX }, call);
  const { record, refs } = parseRefs(bucket, { key, bytes, version: VERSION });
  if (record["seq"] !== seq) throw unusable(bucket, key, "its number is not that of its name");
  const swept = parseSwept(record["swept"]);
  if (swept === undefined) throw unusable(bucket, key, "it does not say what was taken away");
  return { seq, hash: hashBytes(bytes), refs, swept };
}

/** An object that lists refs. Throws REMOTE_FAILED, FORMAT_UNSUPPORTED for another version. */
export function parseRefs(
  bucket: Bucket,
  { key, bytes, version }: { key: string; bytes: Buffer; version: number },
): { record: Record<string, unknown>; refs: Map<string, Digest> } {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw unusable(bucket, key, "not JSON", error);
  }
  const record = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (record["version"] !== version)
    throw new SmcError("FORMAT_UNSUPPORTED", `${bucket.url}: ${key} is of another version of smc`);
  const listed = record["refs"];
  if (typeof listed !== "object" || listed === null) throw unusable(bucket, key, "it has no refs");
  const refs = new Map<string, Digest>();
  for (const [name, digest] of Object.entries(listed)) {
    if (typeof digest !== "string" || !isDigest(digest))
      throw unusable(bucket, key, `'${show(name, 80)}' names no digest`);
    refs.set(name, digest);
  }
  if (refs.size > REFS_MAX) throw unusable(bucket, key, `more than ${REFS_MAX} refs`);
  return { record, refs };
}

function parseSwept(value: unknown): Swept | undefined {
  const { generation, gone } = (value ?? {}) as Partial<Record<keyof Swept, unknown>>;
  if (typeof generation !== "number" || !Number.isSafeInteger(generation) || generation < 0) return undefined;
  if (!Array.isArray(gone) || gone.length > GONE_MAX) return undefined;
  return gone.every((id: unknown) => typeof id === "string" && isPackId(id))
    ? { generation, gone }
    : undefined;
}

export function unusable(bucket: Bucket, key: string, why: string, cause?: unknown): SmcError {
  return new SmcError("REMOTE_FAILED", `${bucket.url}: ${key} is not a list of refs: ${why}`, {
    hint: "look at it: nothing but smc should write there",
    ...(cause === undefined ? {} : { cause }),
  });
}
