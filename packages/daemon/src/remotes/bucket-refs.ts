/**
 * Refs in a bucket: each change is a new object that says what all refs are from then on. Its name is the next number, which
 * only one of several writers can create; so nobody's change is lost, several refs change together, and what the refs were stays
 * there. Numbers count down in the names, so that the newest is the first of a list.
 */
import { randomBytes } from "node:crypto";
import { type Call, type Digest, hashBytes, isDigest, type RefChange, type RefReason } from "@smc/store";
import type { RemoteRef } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { pause } from "../connect.ts";
import type { Bucket } from "./bucket.ts";
import { readSmall } from "./bucket-read.ts";

const FOLDER = "refs/";
const SEQ_MAX = 999_999_999_999;
const SEQ_DIGITS = 12;
const SNAPSHOT_BYTES_MAX = 64 * 1024 * 1024;
const REFS_MAX = 100_000;
/** Others may be faster so many times in a row. */
const TRIES_MAX = 200;
const PAUSE_MS_MAX = 200;
const VERSION = 1;

interface Snapshot {
  /** 0 when nobody has pushed yet. */
  readonly seq: number;
  readonly hash: Digest | null;
  readonly refs: ReadonlyMap<string, Digest>;
}

const EMPTY: Snapshot = { seq: 0, hash: null, refs: new Map() };

/** Throws REMOTE_FAILED for what is not a list of refs, FORMAT_UNSUPPORTED for that of a newer smc. */
export async function readRefs(bucket: Bucket, call: Call): Promise<RemoteRef[]> {
  const { refs } = await readNewest(bucket, call);
  return [...refs].map(([name, digest]) => ({ name, digest })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** All changes or none. Throws REF_CHANGED when a `from` is not what is there, STORE_BUSY when others are faster all the time. */
export async function updateRefs(
  bucket: Bucket,
  { changes, reason }: { changes: readonly RefChange[]; reason: RefReason },
  call: Call,
): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const before = await readNewest(bucket, call);
    const refs = apply(before.refs, changes, bucket.url);
    const text = JSON.stringify({
      version: VERSION,
      seq: before.seq + 1,
      prev: before.hash,
      ms: Date.now(),
      ...reason,
      nonce: randomBytes(16).toString("hex"),
      refs: Object.fromEntries([...refs].sort(([a], [b]) => (a < b ? -1 : 1))),
    });
    if (await bucket.create(keyOf(before.seq + 1), { bytes: Buffer.from(text) }, call)) return;
    await pause(Math.random() * Math.min(PAUSE_MS_MAX, 5 * 2 ** Math.min(tries, 8)), call.signal);
  }
  throw new SmcError("STORE_BUSY", `${bucket.url}: others move refs all the time; no ref was moved`);
}

function apply(
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

async function readNewest(bucket: Bucket, call: Call): Promise<Snapshot> {
  for await (const { key } of bucket.list(FOLDER, call)) {
    const digits = /^refs\/(\d{12})\.json$/.exec(key)?.[1];
    if (digits !== undefined) return readSnapshot(bucket, { key, seq: SEQ_MAX - Number(digits) }, call);
  }
  return EMPTY;
}

async function readSnapshot(
  bucket: Bucket,
  { key, seq }: { key: string; seq: number },
  call: Call,
): Promise<Snapshot> {
  const bytes = await readSmall(bucket, { key, bytesMax: SNAPSHOT_BYTES_MAX }, call);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw unusable(bucket, key, "not JSON", error);
  }
  const record = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (record["version"] !== VERSION)
    throw new SmcError("FORMAT_UNSUPPORTED", `${bucket.url}: ${key} is of another version of smc`);
  if (record["seq"] !== seq) throw unusable(bucket, key, "its number is not that of its name");
  const listed = record["refs"];
  if (typeof listed !== "object" || listed === null) throw unusable(bucket, key, "it has no refs");
  const refs = new Map<string, Digest>();
  for (const [name, digest] of Object.entries(listed)) {
    if (typeof digest !== "string" || !isDigest(digest))
      throw unusable(bucket, key, `'${show(name, 80)}' names no digest`);
    refs.set(name, digest);
  }
  if (refs.size > REFS_MAX) throw unusable(bucket, key, `more than ${REFS_MAX} refs`);
  return { seq, hash: hashBytes(bytes), refs };
}

function unusable(bucket: Bucket, key: string, why: string, cause?: unknown): SmcError {
  return new SmcError("REMOTE_FAILED", `${bucket.url}: ${key} is not a list of refs: ${why}`, {
    hint: "look at it: nothing but smc should write there",
    ...(cause === undefined ? {} : { cause }),
  });
}
