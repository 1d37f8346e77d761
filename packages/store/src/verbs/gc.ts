/** `smc gc`: takes away what no ref, reflog, stage or running command needs. It can be brought back for a while. */
import { type Call, createPacer, throwIfCanceled } from "../call.ts";
import { nowMs } from "../clock.ts";
import { hasPassed, lookBack, type Moment } from "../gc/age.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { Mark } from "../gc/mark.ts";
import { type Plan, freedBytes, planPacks } from "../gc/plan.ts";
import {
  choosePruned,
  markPruned,
  NOBODY,
  type Pruned,
  readPruned,
  unmarkPruned,
} from "../history/pruned.ts";
import { roots } from "../gc/roots.ts";
import { sweep } from "../gc/sweep.ts";
import { emptyEpoch, type Epoch, listTrash, readExpired, writeExpired } from "../gc/trash.ts";
import { parseSpan } from "../history/dates.ts";
import type { OwnedStore } from "../open-store.ts";
import { ARCHIVE_PREFIX } from "../registry/archive-refs.ts";
import { show } from "../show.ts";

/** What refs named within this time is kept. */
const REFLOG_SPAN = "30 days";
/** How long what was taken away can be brought back. */
const GRACE_SPAN = "24 hours";
/** Of versions that give up their files, so many are listed. */
const COMMITS_MAX = 1000;
/** Of archived versions that are in the way. */
const ARCHIVED_TOLD_MAX = 5;
/** How long commands that run already may take. */
const CALLS_MS_MAX = 600_000;

export interface GcOptions {
  /** Tells what would be done, and does nothing. */
  readonly dryRun?: boolean;
  /** What refs named within this span ("30 days", the default) is kept. */
  readonly olderThan?: string;
  /** Gives up the files of versions that are not among the last so many of a branch; their commits stay. */
  readonly keepLast?: number;
  /** As `keepLast: 1`, but refused where versions are archived. */
  readonly pruneAll?: boolean;
  /** With `keepLast`: tagged versions keep their files. */
  readonly keepTags?: boolean;
  /** "Name <address>": who does it, for the journal. */
  readonly actor?: string;
  /**
   * What an earlier gc took away longer ago than this ("24 hours", the default) goes for good; "0 days": all, at once.
   */
  readonly grace?: string;
}

export interface GcResult {
  /** Of the store itself. */
  readonly remote: null;
  readonly dryRun: boolean;
  readonly live: { readonly count: number; readonly bytes: number };
  /** Objects that nothing needs. */
  readonly dead: {
    readonly commits: number;
    readonly trees: number;
    readonly tags: number;
    readonly chunks: number;
  };
  /** Versions that give up their files (at most 1,000 are listed), and how many had done so before. */
  readonly pruned: { readonly commits: readonly string[]; readonly count: number; readonly before: number };
  readonly packs: {
    readonly kept: number;
    readonly rewritten: number;
    readonly dropped: number;
    readonly postponed: number;
  };
  /** By how much the packs get smaller. */
  readonly freedBytes: number;
  /** Where it is until it goes for good. */
  readonly trash: { readonly epoch: string; readonly bytes: number; readonly untilMs: number } | null;
  /** What went for good. */
  readonly emptied: { readonly epochs: readonly string[]; readonly bytes: number };
  readonly notes: readonly string[];
}

/**
 * Runs beside other commands. Fails closed: when anything that is needed is missing or cannot be read, nothing is
 * taken away. Throws OBJECT_MISSING, OBJECT_CORRUPT, STAGE_CORRUPT …, READ_ONLY, DISK_FULL, CANCELED, and
 * STORE_BUSY when commands that began before it do not end.
 */
export function gc(store: OwnedStore, options: GcOptions, call: Call): Promise<GcResult> {
  const graceMs = parseSpan(options.grace ?? GRACE_SPAN);
  const spanMs = parseSpan(options.olderThan ?? REFLOG_SPAN);
  return store.alone(async () => {
    if (options.dryRun !== true) store.assertWritable();
    using _ = store.pins.begin();
    await waitForCalls(store, call);
    const packs = store.index.packs();
    const { expired, sinceSeq, notes } = await chooseExpired(store, spanMs);
    const before = await readPruned(store);
    const fresh = await chooseFresh(store, { ...options, sinceSeq }, call);
    const mark = new Mark(store, call, { pruned: digestsOf(before), fresh: digestsOf(fresh) });
    notes.push(...(await markRoots(store, { mark, sinceSeq }, call)));
    const plan = await planPacks(store, { packs, live: mark.live }, call);
    const old = await chooseOld(store, graceMs);
    notes.push(...old.notes);
    const commits = digestsOf(fresh).slice(0, COMMITS_MAX);
    const pruned = { commits, count: fresh.length, before: before.length };
    if (options.dryRun === true)
      return { ...describe(plan, { dryRun: true, old: old.epochs }), pruned, notes };
    if (expired !== undefined) await writeExpired(store.path, expired);
    const actor = options.actor ?? NOBODY;
    const what = options.pruneAll === true ? "--prune-all" : `--keep-last ${options.keepLast ?? 0}`;
    await markPruned(store, fresh, { reason: `gc: ${what}`, actor });
    const left = before.filter(({ digest }) => !mark.live.has(digest));
    await unmarkPruned(store, left, { reason: "gc: the version itself is gone", actor });
    return { ...(await clean(store, { plan, mark, old: old.epochs, graceMs }, call)), pruned, notes };
  });
}

/** Up to which change reflogs protect nothing; `expired` is what to remember of that, if it is news. */
async function chooseExpired(
  store: OwnedStore,
  spanMs: number,
): Promise<{ expired: Moment | undefined; sinceSeq: number; notes: string[] }> {
  const { last, isDoubtful } = await lookBack(store.refs.moments(), { nowMs: nowMs(), spanMs });
  const known = await knownExpired(store);
  const expired = last !== undefined && last.seq > known ? last : undefined;
  const notes = isDoubtful
    ? ["the clock says that much time passed without a change; it may be wrong, so more of the past is kept"]
    : [];
  return { expired, sinceSeq: expired?.seq ?? known, notes };
}

/** The number of the last change that an earlier gc left out. */
async function knownExpired(store: OwnedStore): Promise<number> {
  const { seq, ms } = (await readExpired(store.path)) ?? {};
  if (seq !== undefined) return seq;
  // One in the future was written by a clock that was wrong.
  if (ms === undefined || ms > nowMs()) return 0;
  for await (const moment of store.refs.moments()) if (moment.ms <= ms) return moment.seq;
  return 0;
}

/** What earlier gcs took away and nobody can want back any more. */
async function chooseOld(store: OwnedStore, graceMs: number): Promise<{ epochs: Epoch[]; notes: string[] }> {
  const epochs: Epoch[] = [];
  const notes: string[] = [];
  for (const epoch of await listTrash(store.path)) {
    const times = { sinceMs: epoch.ms, nowMs: nowMs(), spanMs: graceMs };
    if (await hasPassed(store.refs.moments(), times)) epochs.push(epoch);
    else if (epoch.ms <= times.nowMs - graceMs)
      notes.push(`what ${epoch.name} took away stays: the clock may be wrong; "smc gc --grace 0" frees it`);
  }
  return { epochs, notes };
}

function digestsOf(pruned: readonly Pruned[]): Digest[] {
  return pruned.map(({ digest }) => digest);
}

async function chooseFresh(
  store: OwnedStore,
  options: GcOptions & { sinceSeq: number },
  call: Call,
): Promise<Pruned[]> {
  const { pruneAll = false, keepTags = false, sinceSeq } = options;
  if (pruneAll) await assertNoneArchived(store, options);
  const keepLast = pruneAll ? 1 : options.keepLast;
  if (keepLast === undefined) return [];
  if (!Number.isSafeInteger(keepLast) || keepLast < 1)
    throw new SmcError("ARGUMENT_INVALID", "at least the last version of a branch keeps its files");
  return choosePruned(store, { keepLast, keepTags, sinceSeq }, call);
}

/**
 * Who asks for all is told that archived versions stay; who asks for a number of versions knows. Throws REF_PROTECTED,
 * USAGE.
 */
async function assertNoneArchived(store: OwnedStore, { keepLast, keepTags }: GcOptions): Promise<void> {
  if (keepLast !== undefined || keepTags === true)
    throw new SmcError("USAGE", "--prune-all goes without --keep-last and --keep-tags; nothing was removed");
  const archived: string[] = [];
  for (const { name } of await store.refs.listRepositories())
    for (const ref of await store.refs.list(name, ARCHIVE_PREFIX))
      archived.push(`${name} ${ref.name.slice(ARCHIVE_PREFIX.length)}`);
  if (archived.length === 0) return;
  const shown = archived.slice(0, ARCHIVED_TOLD_MAX).map((text) => show(text, 200));
  const more = archived.length > shown.length ? ` and ${archived.length - shown.length} more` : "";
  throw new SmcError(
    "REF_PROTECTED",
    `archived versions keep their files for ever: ${shown.join(", ")}${more}; nothing was removed`,
    {
      hint: '"smc gc --keep-last 1" gives up the files of all versions but these and the last of each branch',
    },
  );
}

/** Notes on what could not be looked at because it is gone. */
async function markRoots(
  store: OwnedStore,
  { mark, sinceSeq }: { mark: Mark; sinceSeq: number },
  call: Call,
): Promise<string[]> {
  const notes: string[] = [];
  const onGone = (path: string): void => {
    notes.push(`the worktree '${show(path)}' is gone; what was only staged there is not kept`);
  };
  const pace = createPacer(call);
  for await (const root of roots(store, { sinceSeq, onGone })) {
    await mark.add(root);
    await pace();
  }
  return notes;
}

/** What began before pins were kept may rely on something that nobody told us of. */
async function waitForCalls(store: OwnedStore, call: Call): Promise<void> {
  if (await store.calls.drain(call.signal, CALLS_MS_MAX)) return;
  throwIfCanceled(call);
  throw new SmcError(
    "STORE_BUSY",
    `commands that began before gc still run after ${CALLS_MS_MAX / 60_000} minutes; nothing was removed`,
    {
      hint: 'run "smc gc" when they are done; "smc daemon status" counts them',
    },
  );
}

async function clean(
  store: OwnedStore,
  { plan, mark, old, graceMs }: { plan: Plan; mark: Mark; old: readonly Epoch[]; graceMs: number },
  call: Call,
): Promise<Omit<GcResult, "pruned" | "notes">> {
  const { epoch, removed, postponed } = await sweep(store, { plans: plan.packs, mark }, call);
  const all = await listTrash(store.path);
  const fresh = all.find(({ name }) => name === epoch);
  const emptied = graceMs === 0 ? all : old;
  for (const each of emptied) await emptyEpoch(store.path, each);
  const isKept = fresh !== undefined && !emptied.includes(fresh);
  return {
    ...describe(plan, { dryRun: false, old: emptied }),
    packs: { ...countPacks(plan), postponed },
    freedBytes: removed.reduce((sum, each) => sum + freedBytes(each), 0),
    trash: isKept ? { epoch: fresh.name, bytes: fresh.sizeBytes, untilMs: fresh.ms + graceMs } : null,
  };
}

function describe(
  plan: Plan,
  { dryRun, old }: { dryRun: boolean; old: readonly Epoch[] },
): Omit<GcResult, "pruned" | "notes"> {
  return {
    remote: null,
    dryRun,
    live: plan.live,
    dead: plan.dead,
    packs: { ...countPacks(plan), postponed: 0 },
    freedBytes: plan.freedBytes,
    trash: null,
    emptied: {
      epochs: old.map(({ name }) => name),
      bytes: old.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    },
  };
}

function countPacks({ packs }: Plan): { kept: number; rewritten: number; dropped: number } {
  const count = (wanted: string): number => packs.filter(({ action }) => action === wanted).length;
  return { kept: count("keep"), rewritten: count("rewrite"), dropped: count("drop") };
}
