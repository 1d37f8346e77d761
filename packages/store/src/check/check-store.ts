/** One check of a whole store: packs, journal, index and what refs need. Damaged rows of LevelDB are made anew. */
import type { Call } from "../call.ts";
import { readConfig } from "../config.ts";
import { isSmcError } from "../errors.ts";
import { DigestSet } from "../objects/digest-set.ts";
import type { OwnedStore } from "../open-store.ts";
import { listPacks } from "../pack/folder.ts";
import { isFormatWhole } from "../store-format.ts";
import { checkConnectivity } from "./connectivity.ts";
import type { WalkCounts } from "./walk.ts";
import { Damaged } from "./damaged.ts";
import { checkIndex } from "./index-rows.ts";
import { comparePacks, type PackFault, readBlobs, readPacks } from "./packs.ts";
import { noteScrubbed } from "./scrub.ts";

export interface StoreReport {
  readonly damaged: Damaged;
  readonly packFaults: readonly PackFault[];
  readonly counts: WalkCounts;
  readonly packs: number;
  readonly bytes: number;
  /** Records of the journal; 0 when it was not read. */
  readonly journalRecords: number;
  readonly notes: readonly string[];
  /** What was wrong with LevelDB before it was made anew. */
  readonly healed: readonly string[];
}

/** Throws CANCELED, JOURNAL_CORRUPT when LevelDB cannot be made anew, and what keeps a disk from being read. */
export async function checkStore(
  store: OwnedStore,
  { full }: { full: boolean },
  call: Call,
): Promise<StoreReport> {
  const healed: string[] = [];
  for (let round = 1; ; round += 1) {
    const found = await attempt(() => checkOnce(store, full, call));
    const indexFaults = found instanceof Error ? [found.message] : found.indexFaults;
    const isDone = indexFaults.length === 0 || round === 2;
    if (isDone) {
      if (found instanceof Error) throw found;
      for (const fault of indexFaults) found.damaged.addFault(fault);
      return { ...found, healed };
    }
    healed.push(...indexFaults);
    await store.heal(indexFaults[0]);
  }
}

/** A damaged row is met wherever the index is asked. */
async function attempt<T>(check: () => Promise<T>): Promise<T | Error> {
  try {
    return await check();
  } catch (error) {
    if (isSmcError(error, "INDEX_CORRUPT")) return error;
    throw error;
  }
}

interface Found extends Omit<StoreReport, "healed"> {
  readonly indexFaults: readonly string[];
}

async function checkOnce(store: OwnedStore, full: boolean, call: Call): Promise<Found> {
  using _ = store.objects.readers.enter();
  const damaged = new Damaged();
  const { names, foreign } = await listPacks(store.path);
  const notes = foreign.map((path) => `not ours, left alone: ${path}`);
  const packFaults = await comparePacks(store, names, { damaged, call });
  const told = new Set(packFaults.map(({ pack }) => pack));
  const found = { bytes: 0, journalRecords: 0, isJournalWhole: true };
  let whole = new DigestSet();
  if (full) {
    const read = await readPacks(store, names, call);
    // A pack whose footer cannot be read is told once.
    packFaults.push(...read.faults.filter(({ pack, digest }) => digest !== undefined || !told.has(pack)));
    notes.push(...read.notes);
    await noteScrubbed(store.db, names, (name) => read.faults.filter(({ pack }) => pack === name));
    found.bytes = read.bytes;
    whole = read.wholeBlobs;
    for (const { digest, message } of read.faults) if (digest !== undefined) damaged.mark(digest, message);
    Object.assign(found, await checkJournal(store, damaged, call));
    await checkFiles(store, damaged, notes);
  }
  const indexFaults: string[] = [];
  if (full) {
    indexFaults.push(...(await store.alone(() => checkIndex(store, damaged, call))));
    if (found.isJournalWhole) indexFaults.push(...(await store.refs.check(call)));
    if (indexFaults.length === 0) await readBlobs(store, { damaged, whole }, call);
  }
  const counts = await checkConnectivity(store, { damaged, everyNeeder: full }, call);
  if (!full && !damaged.isEmpty)
    indexFaults.push(...(await store.alone(() => checkIndex(store, damaged, call))));
  if (store.db.isDamaged && indexFaults.length === 0) indexFaults.push("rows of LevelDB are damaged");
  const { bytes, journalRecords } = found;
  return { damaged, packFaults, counts, packs: names.length, bytes, journalRecords, notes, indexFaults };
}

async function checkJournal(
  store: OwnedStore,
  damaged: Damaged,
  call: Call,
): Promise<{ journalRecords: number; isJournalWhole: boolean }> {
  try {
    const { records } = await store.journal.verify(call.signal);
    return { journalRecords: records, isJournalWhole: true };
  } catch (error) {
    if (!isSmcError(error, "JOURNAL_CORRUPT")) throw error;
    damaged.addFault(error.message);
    return { journalRecords: 0, isJournalWhole: false };
  }
}

/** False when any byte of `format.json` is not as it was written. */
export async function isStoreFormatWhole(store: OwnedStore): Promise<boolean> {
  try {
    return await isFormatWhole(store.path, store.id);
  } catch (error) {
    if (isSmcError(error) && (error.exit === 4 || error.code === "FORMAT_UNSUPPORTED")) return false;
    throw error;
  }
}

/** The small files of the store: what it wrote itself must be whole, what people write must be readable. */
async function checkFiles(store: OwnedStore, damaged: Damaged, notes: string[]): Promise<void> {
  if (!(await isStoreFormatWhole(store))) damaged.addFault("format.json is not as it was written");
  try {
    await readConfig({ storePath: store.path });
  } catch (error) {
    if (!isSmcError(error, "CONFIG_INVALID")) throw error;
    notes.push(`settings cannot be read: ${error.message}`);
  }
}
