/** `smc hook`: has a server or a program told of events. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { addHook, type HookOutcome, type HookRecord, readHooks, removeHook, requireHook } from "../hooks.ts";
import type { OwnedStore } from "../open-store.ts";
import { requireEvent } from "./events.ts";

export interface HookOptions {
  readonly action: "add" | "list" | "rm" | "test";
  /** For `add`: "ref.updated", "champion.changed", "integrity.failed", "job.finished". */
  readonly event?: string;
  /** For `add`: the server; or else */
  readonly url?: string;
  /** For `add`: the program and its arguments. */
  readonly exec?: readonly string[];
  /** For `rm` and `test`. */
  readonly id?: string;
}

export interface HookRow {
  readonly id: string;
  readonly event: string;
  /** Null for a program. */
  readonly url: string | null;
  /** Null for a server. */
  readonly exec: readonly string[] | null;
  readonly created: string;
  /** How telling of the last event ended; null before. */
  readonly last: (Omit<HookOutcome, "atMs"> & { readonly at: string }) | null;
  /** Events that were given up, and records of the journal that were passed over. */
  readonly failed: number;
  readonly skipped: number;
  /** Records of the journal that it was not told of yet, or need not be. */
  readonly behind: number;
}

export interface HookResult {
  readonly action: HookOptions["action"];
  /** Those listed; else the one that was added, removed or tried. */
  readonly hooks: readonly HookRow[];
  /** After `add` of a server: what its events are signed with. Nothing tells it again. */
  readonly secret: string | null;
  /** Of `test`. */
  readonly tried: HookOutcome | null;
}

/** Telling of events, which is not the store's business. */
export interface HookAccess {
  readonly store: OwnedStore;
  /** The address as it is kept. Throws URL_INVALID. */
  checkUrl(url: string): string;
  /** The program and its arguments as they are kept. Throws PATH_NOT_FOUND, ARGUMENT_INVALID. */
  checkProgram(exec: readonly string[]): readonly string[];
  /** Tells of a test event, once. Throws CANCELED. */
  tell(hook: HookRecord, call: Call): Promise<HookOutcome>;
  /** Hooks were added or removed. */
  changed(): void;
}

/** Throws USAGE, ARGUMENT_INVALID, URL_INVALID, LIMIT_EXCEEDED, STORE_CORRUPT, UNSAFE_OWNER. */
export async function hook(access: HookAccess, options: HookOptions, call: Call): Promise<HookResult> {
  const { store } = access;
  const { action, id = "" } = options;
  const { seq } = store.journal.position;
  const told = (hooks: readonly HookRecord[], rest: Partial<HookResult> = {}): HookResult => ({
    action,
    hooks: hooks.map((record) => rowOf(record, seq)),
    secret: null,
    tried: null,
    ...rest,
  });
  switch (action) {
    case "list":
      return told(await readHooks(store));
    case "test": {
      const found = requireHook(await readHooks(store), id);
      return told([found], { tried: await access.tell(found, call) });
    }
    case "rm": {
      const removed = await removeHook(store, id, call);
      access.changed();
      return told([removed]);
    }
    case "add": {
      const made = await addHook(store, { ...wantedOf(access, options), afterSeq: seq }, call);
      access.changed();
      return told([made], { secret: "url" in made.target ? made.target.secret : null });
    }
  }
}

function wantedOf(access: HookAccess, { event, url, exec }: HookOptions) {
  if (event === undefined || (url === undefined) === (exec === undefined))
    throw new SmcError("USAGE", "name an event, and either an address or a program; nothing was added");
  const to = url === undefined ? { exec: access.checkProgram(exec ?? []) } : { url: access.checkUrl(url) };
  return { event: requireEvent(event), to };
}

function rowOf(record: HookRecord, seq: number): HookRow {
  const { id, event, target, createdMs, afterSeq, last, failed, skipped } = record;
  const moment = (ms: number): string => formatMoment(momentAt(ms));
  let lastRow: HookRow["last"] = null;
  if (last !== null) {
    const { atMs, ...rest } = last;
    lastRow = { ...rest, at: moment(atMs) };
  }
  return {
    id,
    event,
    url: "url" in target ? target.url : null,
    exec: "exec" in target ? target.exec : null,
    created: moment(createdMs),
    last: lastRow,
    failed,
    skipped,
    behind: Math.max(0, seq - afterSeq),
  };
}
