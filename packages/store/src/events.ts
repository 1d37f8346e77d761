/** What programs are told of: events, made of the records of the journal, which says what happened once and for all. */
import type { Digest } from "./objects/digest.ts";
import { isSmcError } from "./errors.ts";
import type { JournalRecord } from "./journal/journal.ts";
import type { OwnedStore } from "./open-store.ts";
import { PRUNED_PREFIX } from "./refs/refs.ts";
import { CHAMPION, roleRef } from "./registry/roles.ts";

export const EVENTS = ["ref.updated", "champion.changed", "integrity.failed", "job.finished"] as const;
export type EventName = (typeof EVENTS)[number];

/** The verb of records about damage. */
const INTEGRITY: EventName = "integrity.failed";
/** And about the end of a job, however it ended. */
export const JOB_FINISHED: EventName = "job.finished";
/** An event names so many refs and counts the others. */
const REFS_MAX = 100;
const MESSAGE_LENGTH_MAX = 2000;
/** Refs of smc itself: HEADs of worktrees, and marks of gc. */
const INNER = ["refs/worktrees/", PRUNED_PREFIX];
const NOBODY = "smc <smc@localhost>";

/** A ref that moved; null for "absent". */
export interface EventRef {
  readonly name: string;
  readonly from: Digest | null;
  readonly to: Digest | null;
}

export interface StoreEvent {
  /** The same whenever it is told: who got it before knows it by this. */
  readonly id: string;
  readonly event: EventName;
  /** Number of the record: events go by it. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Id of the store. */
  readonly store: string;
  /** Empty for what belongs to no repository. */
  readonly repository: string;
  /** The verb that did it. */
  readonly op: string;
  readonly actor: string;
  readonly reason: string;
  readonly refs: readonly EventRef[];
  readonly refsLeftOut: number;
}

/** The events that a record means, at most one of each name. */
export function eventsOf(record: JournalRecord, storeId: string): StoreEvent[] {
  if (record.type !== "refs") return [];
  const { seq, ms, repository, op, actor, reason } = record;
  const moved = record.changes.filter(({ name }) => !INNER.some((prefix) => name.startsWith(prefix)));
  const champion = moved.filter(({ name }) => name === roleRef(CHAMPION));
  const found: [EventName, typeof moved][] = [];
  if (moved.length > 0) found.push(["ref.updated", moved]);
  if (champion.length > 0) found.push(["champion.changed", champion]);
  if (op === INTEGRITY) found.push([INTEGRITY, []]);
  if (op === JOB_FINISHED) found.push([JOB_FINISHED, []]);
  return found.map(([event, changes]) => ({
    id: `${storeId}-${seq}-${event}`,
    event,
    seq,
    time: new Date(ms).toISOString(),
    store: storeId,
    repository,
    op,
    actor,
    reason,
    refs: changes.slice(0, REFS_MAX).map(({ name, from, to }) => ({
      name,
      from: from === "absent" ? null : from,
      to: to === "absent" ? null : to,
    })),
    refsLeftOut: Math.max(0, changes.length - REFS_MAX),
  }));
}

export function isEventName(text: string): text is EventName {
  return EVENTS.some((name) => name === text);
}

/** Writes into the journal that damage was found; false where it takes no record. Nothing waits for it to be mended. */
export async function noteIntegrity(store: Pick<OwnedStore, "refs">, message: string): Promise<boolean> {
  try {
    const reason = message.toWellFormed().slice(0, MESSAGE_LENGTH_MAX).toWellFormed();
    await store.refs.note("", { op: INTEGRITY, reason, actor: NOBODY });
    return true;
  } catch (error) {
    if (!isSmcError(error)) throw error;
    return false;
  }
}
