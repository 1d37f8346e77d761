/** Finds out what a bucket does, by doing it. */
import { randomBytes } from "node:crypto";
import type { Call } from "@smc/store";
import { type ErrorCode, isSmcError, SmcError } from "@smc/store/errors";
import type { Bucket, BucketAbilities } from "./bucket.ts";

/** Of removing what a probe left, when its caller is gone. */
const CLEAN_UP_MS = 10_000;
const PROBE_BYTES = 64;
const WRONG_SHA256 = "0".repeat(64);
/** What says of the first thing written that nothing may be written. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(["READ_ONLY", "PERMISSION_DENIED", "AUTH_FAILED"]);

/**
 * Works below `probe/` with random names and leaves nothing behind. Where nothing may be written at all, what is thrown
 * satisfies `isWriteRefused`.
 */
export async function probeBucket(bucket: Bucket, call: Call): Promise<BucketAbilities> {
  const folder = `probe/${randomBytes(16).toString("hex")}`;
  const keys = ["again", "race", "checksum"].map((name) => `${folder}-${name}`);
  const [again = "", race = "", checksum = ""] = keys;
  let isDone = false;
  try {
    const exclusive = (await keepsFirst(bucket, again, call)) && (await hasOneWinner(bucket, race, call));
    const checksums = await refusesWrong(bucket, checksum, call);
    isDone = true;
    return { exclusive, checksums };
  } finally {
    const signal = isDone ? call.signal : AbortSignal.timeout(CLEAN_UP_MS);
    for (const key of keys) {
      const removed = bucket.remove(key, { signal, onProgress: call.onProgress });
      // What failed first is what is told.
      await (isDone ? removed : removed.catch(() => undefined));
    }
  }
}

/** True for a failure of a probe whose very first write was refused. */
export function isWriteRefused(error: unknown): boolean {
  return isSmcError(error) && error.details.refused === "write";
}

async function createFirst(bucket: Bucket, { key, bytes }: { key: string; bytes: Buffer }, call: Call) {
  try {
    return await bucket.create(key, { bytes }, call);
  } catch (error) {
    if (!isSmcError(error) || !REFUSALS.has(error.code)) throw error;
    // A folder that takes files and gives none up refuses something else.
    if ((await bucket.stat(key, call)) !== undefined) throw error;
    const { code, message, hint, details } = error;
    throw new SmcError(code, message, {
      ...(hint === undefined ? {} : { hint }),
      details: { ...details, refused: "write" },
      cause: error,
    });
  }
}

async function keepsFirst(bucket: Bucket, key: string, call: Call): Promise<boolean> {
  const first = randomBytes(PROBE_BYTES);
  if (!(await createFirst(bucket, { key, bytes: first }, call))) return false;
  const isSecond = await bucket.create(key, { bytes: randomBytes(PROBE_BYTES) }, call);
  return !isSecond && first.equals(await readAll(bucket, key, call));
}

async function hasOneWinner(bucket: Bucket, key: string, call: Call): Promise<boolean> {
  const bodies = [randomBytes(PROBE_BYTES), randomBytes(PROBE_BYTES)];
  const answers = await Promise.all(bodies.map((bytes) => bucket.create(key, { bytes }, call)));
  const winners = bodies.filter((_, index) => answers[index]);
  const [winner] = winners;
  return winners.length === 1 && winner !== undefined && winner.equals(await readAll(bucket, key, call));
}

async function refusesWrong(bucket: Bucket, key: string, call: Call): Promise<boolean> {
  try {
    await bucket.create(key, { bytes: randomBytes(PROBE_BYTES), sha256: WRONG_SHA256 }, call);
    return false;
  } catch (error) {
    if (isSmcError(error, "REMOTE_FAILED") && error.details.refused === "sha256") return true;
    throw error;
  }
}

async function readAll(bucket: Bucket, key: string, call: Call): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bucket.read(key, call, { from: 0, to: PROBE_BYTES })) pieces.push(piece);
  return Buffer.concat(pieces);
}
