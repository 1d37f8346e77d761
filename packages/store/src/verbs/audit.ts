/** The journal as the log of what was done: who changed which ref of which repository, when, and why. */
import { type Call, createPacer } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { formatMoment, momentAt, parseDate, parseSpan } from "../history/dates.ts";
import type { JournalRecord } from "../journal/journal.ts";
import type { Digest } from "../objects/digest.ts";
import { JOB_FINISHED } from "../events.ts";
import { JOB_ID } from "../jobs/job-folder.ts";
import type { OwnedStore } from "../open-store.ts";
import { matchesPattern } from "../pattern.ts";
import { show } from "../show.ts";
import { shortRefName } from "../refs/ref-find.ts";

const ROWS = 1000;
const ROWS_MAX = 10_000;

export interface AuditOptions {
  /** Only changes of refs whose name, short or in full, fits: `main`, `refs/tags/*`. */
  readonly ref?: string;
  /** Only what this verb did: `backbone` is also `backbone.set`. */
  readonly op?: string;
  /** Only what concerns the job of this id: changes of its configuration, its commits, its end. */
  readonly job?: string;
  /** Only what happened since: a date, or an age as `gc` takes it. */
  readonly since?: string;
  /** At most so many rows, or as many more as the last record has: 1000; at most 10,000. */
  readonly limit?: number;
  /** Goes on below this record: `next` of the page before. */
  readonly before?: number;
  /** Instead of listing, reads all of it and checks every byte. */
  readonly verify?: boolean;
}

/**
 * One change of a ref; or, where `ref` is null, a repository or a worktree that was made known, work on files, or a
 * change that was declined.
 */
export interface AuditRow {
  /** Number of the record; the changes that one command made at once share it. */
  readonly seq: number;
  readonly date: string;
  readonly actor: string;
  readonly op: string;
  /** Empty for work on files outside of any. */
  readonly repository: string;
  readonly ref: string | null;
  /** Null when there was nothing before. */
  readonly from: Digest | null;
  /** Null when the ref was deleted. */
  readonly to: Digest | null;
  readonly reason: string;
}

export interface AuditVerified {
  readonly records: number;
  readonly files: number;
  readonly sizeBytes: number;
  /** Null when there is no record. */
  readonly first: string | null;
  readonly last: string | null;
  /** The chain hash after the last record: write it down elsewhere, and any later change before it shows. */
  readonly head: string;
}

export interface AuditResult {
  /** Newest first. */
  readonly entries: readonly AuditRow[];
  /** `before` of the next page; null when there is none. */
  readonly next: number | null;
  readonly verified: AuditVerified | null;
}

/**
 * Reads one file of the journal at a time, the newest first. Throws JOURNAL_CORRUPT with the place of the damage, also
 * when listing; ARGUMENT_INVALID, DATE_INVALID, CANCELED.
 */
export async function audit(store: OwnedStore, options: AuditOptions, call: Call): Promise<AuditResult> {
  if (options.verify === true) return { entries: [], next: null, verified: await verify(store, call) };
  if (options.job !== undefined && !JOB_ID.test(options.job))
    throw new SmcError("ARGUMENT_INVALID", `'${show(options.job, 80)}' is no id of a job`);
  const limit = options.limit ?? ROWS;
  if (!Number.isSafeInteger(limit) || limit < 0 || limit > ROWS_MAX)
    throw new SmcError("ARGUMENT_INVALID", `limit ${limit} is not a whole number from 0 to ${ROWS_MAX}`);
  const sinceMs = options.since === undefined ? undefined : sinceOf(options.since);
  const entries: AuditRow[] = [];
  let end = Math.min(options.before ?? Number.MAX_SAFE_INTEGER, store.journal.position.seq + 1);
  for (const start of [...store.journal.fileStarts()].reverse()) {
    if (start >= end) continue;
    const records = await matching(store, { start, end, sinceMs, ...options }, call);
    for (const record of records.reverse()) {
      if (entries.length >= limit) return { entries, next: record.seq + 1, verified: null };
      entries.push(...rowsOf(record, options.ref));
    }
    end = start;
  }
  return { entries, next: null, verified: null };
}

async function verify(store: OwnedStore, call: Call): Promise<AuditVerified> {
  const { records, files, sizeBytes, firstMs, lastMs, head } = await store.journal.verify(call.signal);
  const date = (ms: number | undefined): string | null =>
    ms === undefined ? null : formatMoment(momentAt(ms));
  return {
    records,
    files,
    sizeBytes,
    first: date(firstMs),
    last: date(lastMs),
    head: Buffer.from(head).toString("hex"),
  };
}

/** A date, else how long ago. */
function sinceOf(text: string): number {
  try {
    return parseDate(text);
  } catch (error) {
    if (!isSmcError(error, "DATE_INVALID")) throw error;
    try {
      return Date.now() - parseSpan(text);
    } catch (span) {
      if (isSmcError(span)) throw error;
      throw span;
    }
  }
}

interface Wanted {
  readonly start: number;
  readonly end: number;
  readonly sinceMs: number | undefined;
  readonly ref?: string;
  readonly op?: string;
  readonly job?: string;
}

/** The records of one file that fit, oldest first. */
async function matching(store: OwnedStore, wanted: Wanted, call: Call): Promise<JournalRecord[]> {
  const pace = createPacer(call);
  const found: JournalRecord[] = [];
  for await (const { record } of store.journal.records(wanted.start)) {
    if (record.seq >= wanted.end) break;
    if (fits(record, wanted)) found.push(record);
    await pace();
  }
  return found;
}

/** Verbs whose reasons name a job. */
const JOB_OPS: ReadonlySet<string> = new Set(["train", "train.config", JOB_FINISHED]);

/** Their reasons begin with `job <id>`, or with the verb before that. */
function concerns({ op, reason }: JournalRecord, job: string): boolean {
  return JOB_OPS.has(op) && new RegExp(`^(?:[a-z.]+: )?job ${job}\\b`).test(reason);
}

function fits(record: JournalRecord, { op, ref, job, sinceMs }: Wanted): boolean {
  // Clocks go back as well: a later record may be of an earlier time, so nothing is left out by its place.
  if (sinceMs !== undefined && record.ms < sinceMs) return false;
  if (op !== undefined && record.op !== op && !record.op.startsWith(`${op}.`)) return false;
  if (job !== undefined && !concerns(record, job)) return false;
  return (
    ref === undefined || (record.type === "refs" && record.changes.some(({ name }) => isNamed(name, ref)))
  );
}

function isNamed(name: string, pattern: string): boolean {
  return matchesPattern(pattern, name) || matchesPattern(pattern, shortRefName(name));
}

function rowsOf(record: JournalRecord, ref: string | undefined): AuditRow[] {
  const { seq, actor, op, repository, reason } = record;
  const common = { seq, date: formatMoment(momentAt(record.ms)), actor, op, repository, reason };
  // A record of no change tells of work on files, and of what was asked for and declined.
  if (record.type !== "refs" || record.changes.length === 0)
    return [{ ...common, ref: null, from: null, to: null }];
  return record.changes
    .filter(({ name }) => ref === undefined || isNamed(name, ref))
    .map(({ name, from, to }) => ({
      ...common,
      ref: name,
      from: from === "absent" ? null : from,
      to: to === "absent" ? null : to,
    }));
}
