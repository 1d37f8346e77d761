/** The quarantines of a store's clients, each known once, whoever asks for it. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import type { OwnedStore } from "../open-store.ts";
import { show } from "../show.ts";
import { Quarantine } from "./quarantine.ts";
import { QuarantineRoom } from "./quarantine-room.ts";

/** How long what was put waits for the refs that need it. */
export const QUARANTINE_DAYS = 7;
const DAY_MS = 86_400_000;

interface Known {
  readonly room: Promise<QuarantineRoom>;
  readonly clients: Map<string, Quarantine>;
}

const KNOWN = new WeakMap<OwnedStore, Known>();

function folderOf(store: OwnedStore): string {
  return join(store.path, "quarantine");
}

function known(store: OwnedStore): Known {
  const found = KNOWN.get(store);
  if (found !== undefined) return found;
  const made: Known = { room: QuarantineRoom.open(store, folderOf(store)), clients: new Map() };
  // Who waits for it is told; the next one tries again.
  made.room.catch(() => KNOWN.delete(store));
  KNOWN.set(store, made);
  return made;
}

/** Throws ARGUMENT_INVALID for what is no id of a client. */
export function assertClient(client: string): void {
  if (!/^[0-9a-f]{16,64}$/.test(client))
    throw new SmcError("ARGUMENT_INVALID", `'${show(client, 80)}' is not the id of a client`);
}

/** What this client has put, as far as its files are good. */
export async function openQuarantine(store: OwnedStore, client: string): Promise<Quarantine> {
  assertClient(client);
  const quarantine = await quarantineOf(store, client);
  await quarantine.load();
  return quarantine;
}

async function quarantineOf(store: OwnedStore, client: string): Promise<Quarantine> {
  const { room, clients } = known(store);
  const parts = { store, room: await room, folder: join(folderOf(store), client) };
  const quarantine = clients.get(client) ?? new Quarantine(parts);
  clients.set(client, quarantine);
  return quarantine;
}

/**
 * Removes what was put more than 7 days ago and is still not needed by a ref; returns how many files. For the start of
 * a server, and then from time to time.
 */
export async function sweepQuarantine(store: OwnedStore, call: Call): Promise<number> {
  const beforeMs = nowMs() - QUARANTINE_DAYS * DAY_MS;
  let count = 0;
  for (const client of await clientsOf(store)) {
    const quarantine = await quarantineOf(store, client);
    count += await quarantine.inTurn(() => quarantine.sweep(beforeMs), call);
  }
  return count;
}

async function clientsOf(store: OwnedStore): Promise<string[]> {
  try {
    const names = await readdir(folderOf(store));
    return names.filter((name) => /^[0-9a-f]{16,64}$/.test(name));
  } catch (error) {
    const found = fromErrno(error, "cannot list what is in quarantine");
    if (isSmcError(found, "PATH_NOT_FOUND")) return [];
    throw found;
  }
}
