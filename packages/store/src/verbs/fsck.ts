/** Checks a store: what refs need is there; with `full`, every byte is as it was written; with `repair`, mends it. */
import type { Call } from "../call.ts";
import { checkStore, type StoreReport } from "../check/check-store.ts";
import type { WalkCounts } from "../check/walk.ts";
import { repair, type RepairReport } from "../check/repair.ts";
import { localSources } from "../check/sources.ts";
import { SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { PRUNED_PREFIX } from "../refs/refs.ts";
import { show } from "../show.ts";
import type { Remote } from "../transfer/remote.ts";
import { checkRemote } from "../transfer/remote-check.ts";
import { RemoteCopies } from "../transfer/remote-source.ts";

export interface FsckOptions {
  /** Only that everything is there: what is done without `full`. */
  readonly quick?: boolean;
  /** Reads and hashes every byte. */
  readonly full?: boolean;
  /** As `full`, and stores again what is damaged or missing, from whatever copy is left. */
  readonly repair?: boolean;
  /** First builds the index and the refs anew from packs and journal. */
  readonly rebuild?: boolean;
  /** Checks what this remote holds instead of the store; with `repair`, takes from it what no copy is left of here. */
  readonly remote?: Remote;
  readonly remoteName?: string;
}

export interface FsckProblem {
  /** The object that is hit, or null for a pack's own header or footer, the journal and other files. */
  readonly digest: string | null;
  readonly pack: string | null;
  readonly message: string;
  /** Refs, commits and paths that need it, at most ten. */
  readonly affects: readonly string[];
}

/** What was mended before the final check. */
export interface FsckRepair extends RepairReport {
  /** Problems before; those that are left are in `problems`. */
  readonly found: number;
}

export interface FsckResult {
  readonly ok: boolean;
  readonly full: boolean;
  readonly rebuilt: boolean;
  readonly checked: WalkCounts & { packs: number; bytes: number; journalRecords: number };
  readonly problems: readonly FsckProblem[];
  /** What was wrong with LevelDB; it was made anew from packs and journal, so nothing was lost. */
  readonly healed: readonly string[];
  /** Null unless it was asked for. */
  readonly repair: FsckRepair | null;
  /** What was checked: null for the store. */
  readonly remote: { readonly name: string; readonly url: string } | null;
  /** Harmless: files that are not ours, damaged copies that nothing is read from. */
  readonly notes: readonly string[];
}

/**
 * Throws ARGUMENT_INVALID for options that exclude each other, JOURNAL_CORRUPT when a damaged LevelDB cannot be made
 * anew, CANCELED; with `repair` also READ_ONLY and DISK_FULL.
 */
export async function fsck(store: OwnedStore, options: FsckOptions, call: Call): Promise<FsckResult> {
  const full = options.full === true || options.repair === true;
  if (options.quick === true && full)
    throw new SmcError("ARGUMENT_INVALID", "quick excludes full and repair");
  const { remote, remoteName = "" } = options;
  if (remote !== undefined && options.repair !== true) {
    if (options.rebuild === true)
      throw new SmcError("ARGUMENT_INVALID", "what is rebuilt is the store's own: not with a remote");
    return fsckRemote(store, { remote, remoteName, full }, call);
  }
  if (options.rebuild === true) await store.rebuild();
  let report = await checkStore(store, { full }, call);
  const { healed } = report;
  let mended: FsckRepair | null = null;
  if (options.repair === true) {
    const local = localSources(store);
    const sources = remote === undefined ? [local] : [local, [...local, new RemoteCopies({ store, remote })]];
    mended = { found: problemsOf(report).length, repaired: [], setAside: [] };
    // The remote is asked only for what no copy is left of here.
    for (const from of sources) {
      if (problemsOf(report).length === 0) break;
      const { repaired, setAside } = await repair(store, { report, sources: from }, call);
      mended = {
        ...mended,
        repaired: [...mended.repaired, ...repaired],
        setAside: [...mended.setAside, ...setAside],
      };
      report = await checkStore(store, { full }, call);
    }
  }
  const problems = problemsOf(report);
  const { counts, packs, bytes, journalRecords } = report;
  return {
    ok: problems.length === 0,
    full,
    rebuilt: options.rebuild === true,
    checked: { ...counts, packs, bytes, journalRecords },
    problems,
    healed: mended === null || report.healed === healed ? healed : [...healed, ...report.healed],
    repair: mended,
    remote: null,
    notes: report.notes,
  };
}

/** What all refs there need. */
async function fsckRemote(
  store: OwnedStore,
  { remote, remoteName, full }: { remote: Remote; remoteName: string; full: boolean },
  call: Call,
): Promise<FsckResult> {
  const refs = await remote.refs(call);
  const pruned = refs.filter(({ name }) => name.startsWith(PRUNED_PREFIX)).map(({ digest }) => digest);
  const roots = refs.map(({ name, digest }) => {
    return { digest, kind: "unknown" as const, root: `${show(remoteName)} ${show(name, 300)}` };
  });
  const options = { roots, pruned: new Set(pruned), full: full ? ("packs" as const) : undefined };
  const { problems, counts, packs, bytes } = await checkRemote({ store, remote }, options, call);
  return {
    ok: problems.length === 0,
    full,
    rebuilt: false,
    checked: { ...counts, packs, bytes, journalRecords: 0 },
    problems,
    healed: [],
    repair: null,
    remote: { name: remoteName, url: remote.url },
    notes: [],
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
