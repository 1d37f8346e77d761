/** What a ref was, when, and who changed it. */
import type { Call } from "../call.ts";
import { formatMoment, momentAt, parseDate } from "../history/dates.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { notFound, refOfLog, shortRefName } from "../refs/ref-find.ts";
import type { ReflogEntry } from "../refs/refs.ts";
import type { Repository } from "../repository.ts";

export interface ReflogOptions {
  /** HEAD when left out. */
  readonly ref?: string;
  /** Answers only with the entry that was in force then. */
  readonly at?: string;
  readonly limit?: number;
}

export interface ReflogRow {
  /** `main@{0}` is the newest. */
  readonly selector: string;
  readonly seq: number;
  /** Null when there was nothing before. */
  readonly from: Digest | null;
  /** Null when the ref was deleted. */
  readonly to: Digest | null;
  readonly date: string;
  readonly op: string;
  readonly reason: string;
  readonly actor: string;
}

export interface ReflogResult {
  readonly ref: string;
  readonly entries: readonly ReflogRow[];
}

/** Newest first; a deleted ref still has its entries. Throws REVISION_NOT_FOUND, DATE_INVALID, ARGUMENT_INVALID. */
export async function reflog(
  repository: Repository,
  options: ReflogOptions,
  _call: Call,
): Promise<ReflogResult> {
  const { limit } = options;
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0)) {
    throw new SmcError("ARGUMENT_INVALID", `limit ${limit} is not a whole number from 0`);
  }
  const name = options.ref === undefined || options.ref === "@" ? "HEAD" : options.ref;
  const ref = await refOfLog(repository, name);
  const shown = name === "HEAD" ? "HEAD" : shortRefName(ref);
  if (options.at === undefined) {
    const entries = limit === 0 ? [] : await repository.store.refs.log(repository.name, ref, limit);
    return { ref, entries: entries.map((entry, index) => rowOf(entry, `${shown}@{${index}}`)) };
  }
  const ms = parseDate(options.at);
  const entries = await repository.store.refs.log(repository.name, ref);
  const index = entries.findIndex((entry) => entry.ms <= ms);
  const entry = entries[index];
  if (entry === undefined) throw notFound(name, `'${shown}' was not there at ${formatMoment(momentAt(ms))}`);
  return { ref, entries: [rowOf(entry, `${shown}@{${index}}`)] };
}

function rowOf(entry: ReflogEntry, selector: string): ReflogRow {
  const { seq, op, reason, actor } = entry;
  const from = entry.from === "absent" ? null : entry.from;
  const to = entry.to === "absent" ? null : entry.to;
  return { selector, seq, from, to, date: formatMoment(momentAt(entry.ms)), op, reason, actor };
}
