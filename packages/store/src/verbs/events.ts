/** `smc events`: what happened, as programs are told of it, and what happens from now on. */
import { type Call, createPacer } from "../call.ts";
import { SmcError } from "../errors.ts";
import { EVENTS, type EventName, eventsOf, isEventName, type StoreEvent } from "../events.ts";
import type { OwnedStore } from "../open-store.ts";
import { show } from "../show.ts";

const EVENTS_TOLD = 20;
const EVENTS_MAX = 1000;

export interface EventsOptions {
  /** Only these. */
  readonly event?: string;
  /** At most so many of those that were: 20; at most 1000. */
  readonly limit?: number;
  /** Tells each through `call.onEvent`, then each that comes, until the call ends. */
  readonly follow?: boolean;
}

export interface EventsResult {
  /** Oldest first; none after `follow`. */
  readonly events: readonly StoreEvent[];
}

/** A follower who reads slowly is told of everything, later. Throws ARGUMENT_INVALID, JOURNAL_CORRUPT, CANCELED. */
export async function events(store: OwnedStore, options: EventsOptions, call: Call): Promise<EventsResult> {
  const { limit = EVENTS_TOLD, follow = false } = options;
  const name = options.event === undefined ? undefined : requireEvent(options.event);
  if (!Number.isSafeInteger(limit) || limit < 0 || limit > EVENTS_MAX)
    throw new SmcError("ARGUMENT_INVALID", `limit ${limit} is not a whole number from 0 to ${EVENTS_MAX}`);
  const upTo = store.journal.position.seq;
  const latest = await readLatest(store, { name, limit, upTo }, call);
  if (!follow) return { events: latest };
  for (const event of latest) await call.onEvent?.(event);
  for await (const record of store.journal.follow(upTo + 1, call.signal))
    for (const event of eventsOf(record, store.id))
      if (name === undefined || event.event === name) await call.onEvent?.(event);
  return { events: [] };
}

/** Throws ARGUMENT_INVALID. */
export function requireEvent(text: string): EventName {
  if (isEventName(text)) return text;
  throw new SmcError("ARGUMENT_INVALID", `there is no event '${show(text, 80)}'`, {
    hint: `there are ${EVENTS.join(", ")}`,
  });
}

interface Wanted {
  readonly name: EventName | undefined;
  readonly limit: number;
  readonly upTo: number;
}

/** One file of the journal at a time, the newest first. */
async function readLatest(
  store: OwnedStore,
  { name, limit, upTo }: Wanted,
  call: Call,
): Promise<StoreEvent[]> {
  const pace = createPacer(call);
  let found: StoreEvent[] = [];
  let end = upTo + 1;
  for (const start of [...store.journal.fileStarts()].reverse()) {
    if (found.length >= limit) break;
    if (start >= end) continue;
    const older: StoreEvent[] = [];
    for await (const { record } of store.journal.records(start)) {
      if (record.seq >= end) break;
      older.push(...eventsOf(record, store.id).filter(({ event }) => name === undefined || event === name));
      if (older.length > limit) older.splice(0, older.length - limit);
      await pace();
    }
    found = [...older, ...found];
    end = start;
  }
  return limit === 0 ? [] : found.slice(-limit);
}
