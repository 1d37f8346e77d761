/**
 * Reading packs again from time to time, the one that was read longest ago first. When each was read last, and what was
 * found, is in LevelDB and nowhere else: when that is lost, all of them count as never read.
 */
import { nowMs } from "../clock.ts";
import type { Call } from "../call.ts";
import type { Db } from "../db/db.ts";
import type { IndexedPack, ObjectIndex } from "../db/object-index.ts";
import { type Digest, digestFromBytes, digestToBytes } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { packAt } from "../pack/folder.ts";
import type { DamagedRecord } from "../pack/reader.ts";
import { readPack } from "./packs.ts";

const TAG = "c";
const FIXED_BYTES = 10;
const MESSAGE_LENGTH_MAX = 500;
const DAY_MS = 86_400_000;

/** How a pack was when it was read last. */
export interface ScrubbedPack {
  readonly pack: Digest;
  readonly sizeBytes: number;
  readonly checkedMs: number;
  /** Damaged records, or 1 for a pack that cannot say what it holds; 0: all of it is right. */
  readonly problems: number;
  /** The first of them. */
  readonly message: string;
}

export interface ScrubState {
  readonly packs: number;
  /** Packs that were not read since they were written, or since LevelDB was made anew. */
  readonly never: number;
  /** When a pack was read last; undefined when none ever was. */
  readonly lastMs: number | undefined;
  readonly damaged: readonly ScrubbedPack[];
}

type Row = Pick<ScrubbedPack, "checkedMs" | "problems" | "message">;

function keyOf(pack: Digest): Uint8Array {
  return Buffer.concat([Buffer.from(TAG), digestToBytes(pack)]);
}

function encodeRow({ checkedMs, problems, message }: Row): Uint8Array {
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.writeUIntBE(checkedMs, 0, 6);
  fixed.writeUInt32BE(problems, 6);
  return Buffer.concat([fixed, Buffer.from(message.slice(0, MESSAGE_LENGTH_MAX))]);
}

function decodeRow(raw: Uint8Array): Row {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  return {
    checkedMs: bytes.readUIntBE(0, 6),
    problems: bytes.readUInt32BE(6),
    message: bytes.toString("utf8", FIXED_BYTES),
  };
}

interface Parts {
  readonly db: Db;
  readonly index: ObjectIndex;
}

/** What is known of each pack that the index has. */
export async function readScrubState({ db, index }: Parts): Promise<ScrubState> {
  const rows = await readRows(db);
  const packs = index.packs();
  const known = packs.flatMap((pack) => {
    const row = rows.get(pack.name);
    return row === undefined ? [] : [{ pack: pack.name, sizeBytes: pack.sizeBytes, ...row }];
  });
  return {
    packs: packs.length,
    never: packs.length - known.length,
    lastMs: known.length === 0 ? undefined : Math.max(...known.map(({ checkedMs }) => checkedMs)),
    damaged: known.filter(({ problems }) => problems > 0),
  };
}

async function readRows(db: Db): Promise<Map<Digest, Row>> {
  const rows = new Map<Digest, Row>();
  const range = { gte: Buffer.from(TAG), lt: Buffer.of(TAG.charCodeAt(0) + 1) };
  for await (const [key, value] of db.iterate(range))
    rows.set(digestFromBytes(key.subarray(1)), decodeRow(value));
  return rows;
}

/** Packs of which every byte was right when they were read, at this moment or since: and when that was. */
export async function provenSince(db: Db, sinceMs: number): Promise<Map<Digest, number>> {
  const proven = new Map<Digest, number>();
  const now = nowMs();
  for (const [pack, { checkedMs, problems }] of await readRows(db))
    if (problems === 0 && checkedMs >= sinceMs && checkedMs <= now) proven.set(pack, checkedMs);
  return proven;
}

/** Notes that these packs were read just now. Not synced: what is lost is read once more. */
export async function noteScrubbed(
  db: Db,
  packs: readonly Digest[],
  faultsOf: (pack: Digest) => readonly { readonly message: string }[],
): Promise<void> {
  const changes = packs.map((pack) => {
    const faults = faultsOf(pack);
    const row = { checkedMs: nowMs(), problems: faults.length, message: faults[0]?.message ?? "" };
    return { type: "put" as const, key: keyOf(pack), value: encodeRow(row) };
  });
  await db.batch(changes, { sync: false });
}

/** Notes damage that a read met; false when damage of that pack is known. Not synced: the next read notes it again. */
export async function noteDamage(db: Db, { pack, message }: DamagedRecord): Promise<boolean> {
  const name = packAt(pack);
  if (name === undefined) return false;
  const known = await db.get(keyOf(name));
  if (known !== undefined && decodeRow(known).problems > 0) return false;
  await noteScrubbed(db, [name], () => [{ message: `met by a read: ${message}` }]);
  return true;
}

/**
 * Reads every byte of the pack that was read longest ago, when that was more than `days` ago, and notes what it found.
 * Undefined when none is due. Throws CANCELED, and then knows nothing of that pack.
 */
export async function scrubNext(
  store: OwnedStore,
  { days }: { days: number },
  call: Call,
): Promise<ScrubbedPack | undefined> {
  using _ = store.objects.readers.enter();
  const rows = await readRows(store.db);
  const packs = store.index.packs();
  await forgetOthers(store.db, rows, packs);
  const [due] = packs
    .map((pack) => ({ pack, checkedMs: rows.get(pack.name)?.checkedMs ?? 0 }))
    .filter(({ checkedMs }) => isDue(checkedMs, days))
    .sort((a, b) => a.checkedMs - b.checkedMs);
  if (due === undefined) return undefined;
  const { name, sizeBytes } = due.pack;
  const { faults } = await readPack(store, name, { call });
  await noteScrubbed(store.db, [name], () => faults);
  return {
    pack: name,
    sizeBytes,
    checkedMs: nowMs(),
    problems: faults.length,
    message: faults[0]?.message ?? "",
  };
}

/** A moment that is still to come is of a clock that was wrong. */
function isDue(checkedMs: number, days: number): boolean {
  const ageMs = nowMs() - checkedMs;
  return ageMs < 0 || ageMs >= days * DAY_MS;
}

/** Rows of packs that are no more. */
async function forgetOthers(
  db: Db,
  rows: ReadonlyMap<Digest, Row>,
  packs: readonly IndexedPack[],
): Promise<void> {
  const names = new Set(packs.map(({ name }) => name));
  const gone = [...rows.keys()].filter((name) => !names.has(name));
  await db.batch(
    gone.map((name) => ({ type: "del", key: keyOf(name) })),
    { sync: false },
  );
}
