/** Checks a store: what refs need is there; with `full`, every byte is as it was written; with `repair`, mends it. */
import type { Call } from "../call.ts";
import { checkStore, type StoreReport } from "../check/check-store.ts";
import type { ConnectivityCounts } from "../check/connectivity.ts";
import { SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";

export interface FsckOptions {
  /** Only that everything is there: what is done without `full`. */
  readonly quick?: boolean;
  /** Reads and hashes every byte. */
  readonly full?: boolean;
  /** First builds the index and the refs anew from packs and journal. */
  readonly rebuild?: boolean;
}

export interface FsckProblem {
  /** The object that is hit, or null for a pack's own header or footer, the journal and other files. */
  readonly digest: string | null;
  readonly pack: string | null;
  readonly message: string;
  /** Refs, commits and paths that need it, at most ten. */
  readonly affects: readonly string[];
}

export interface FsckResult {
  readonly ok: boolean;
  readonly full: boolean;
  readonly rebuilt: boolean;
  readonly checked: ConnectivityCounts & { packs: number; bytes: number; journalRecords: number };
  readonly problems: readonly FsckProblem[];
  /** What was wrong with LevelDB; it was made anew from packs and journal, so nothing was lost. */
  readonly healed: readonly string[];
  /** Harmless: files that are not ours, damaged copies that nothing is read from. */
  readonly notes: readonly string[];
}

/**
 * Throws ARGUMENT_INVALID for options that exclude each other, JOURNAL_CORRUPT when a damaged LevelDB cannot be made anew,
 * CANCELED.
 */
export async function fsck(store: OwnedStore, options: FsckOptions, call: Call): Promise<FsckResult> {
  const full = options.full === true;
  if (options.quick === true && full)
    throw new SmcError("ARGUMENT_INVALID", "quick and full exclude each other");
  if (options.rebuild === true) await store.rebuild();
  const report = await checkStore(store, { full }, call);
  const problems = problemsOf(report);
  const { counts, packs, bytes, journalRecords } = report;
  return {
    ok: problems.length === 0,
    full,
    rebuilt: options.rebuild === true,
    checked: { ...counts, packs, bytes, journalRecords },
    problems,
    healed: report.healed,
    notes: report.notes,
  };
}

/** Packs and their records first, then objects that lack something, then everything that is no object. */
function problemsOf({ damaged, packFaults }: StoreReport): FsckProblem[] {
  const inPacks = packFaults.map(({ digest, pack, message }) => {
    const affects = digest === undefined ? [] : damaged.needersOf(digest);
    return { digest: digest ?? null, pack, message, affects };
  });
  const told = new Set<Digest | undefined>(packFaults.map(({ digest }) => digest));
  const objects = damaged
    .objects()
    .filter(({ digest }) => !told.has(digest))
    .map(({ digest, message, needers }) => ({ digest, pack: null, message, affects: needers }));
  const faults = damaged.faults().map((message) => ({ digest: null, pack: null, message, affects: [] }));
  return [...inPacks, ...objects, ...faults];
}
