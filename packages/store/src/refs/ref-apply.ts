/** Turns a record of the journal into the rows it means. The only place that knows both. */
import { createHash } from "node:crypto";
import { breathe } from "../call.ts";
import type { DbChange } from "../db/db.ts";
import type { JournalChange, JournalEntry, JournalPosition, JournalRecord } from "../journal/journal.ts";
import { foldName } from "../objects/names.ts";
import {
  APPLIED_KEY,
  encodeEvent,
  encodeMove,
  encodeMs,
  encodeRef,
  encodeState,
  encodeWorktree,
  eventKey,
  foldKey,
  refKey,
  reflogKey,
  type RefState,
  repositoryKey,
  worktreeKey,
} from "./ref-rows.ts";

const MIX_BYTES = 32;

export const EMPTY_MIX: Uint8Array = new Uint8Array(MIX_BYTES);

/** Adds a row to the rolling hash, or takes it out: XOR does both. */
export function mixRow(mix: Uint8Array, key: Uint8Array, value: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(key.length);
  const hash = createHash("sha256").update(length).update(key).update(value).digest();
  return mix.map((byte, index) => byte ^ (hash[index] ?? 0));
}

/** Keys whose values `rowsOf` needs as they were. Known before the entry is written. */
export function keysOf(entry: JournalEntry): Uint8Array[] {
  switch (entry.type) {
    case "repository":
      return [repositoryKey(entry.repository)];
    case "worktree":
      return [worktreeKey(entry.worktree)];
    case "refs":
      return entry.changes.map(({ name }) => refKey(entry.repository, name));
  }
}

/** The rows of a record, its state row last, and the state after it. Reads nothing, so it cannot fail half-way. */
export async function rowsOf(
  state: RefState,
  { record, position }: { record: JournalRecord; position: JournalPosition },
  before: readonly (Uint8Array | undefined)[],
): Promise<{ changes: DbChange[]; state: RefState }> {
  const changes: DbChange[] = [];
  let { count, mix } = state;
  for (const [index, change] of currentRows(record).entries()) {
    const old = before[index];
    if (old !== undefined) [count, mix] = [count - 1, mixRow(mix, change.key, old)];
    if (change.type === "put") [count, mix] = [count + 1, mixRow(mix, change.key, change.value)];
    changes.push(change);
    if (index % 1000 === 999) await breathe();
  }
  const after = { ...position, count, mix };
  for (const row of historyRows(record)) changes.push(row);
  changes.push({ type: "put", key: APPLIED_KEY, value: encodeState(after) });
  return { changes, state: after };
}

/** Rows that say how things are now, in the order of `keysOf`: they are in the rolling hash. */
function currentRows(record: JournalRecord): DbChange[] {
  switch (record.type) {
    case "repository":
      return [{ type: "put", key: repositoryKey(record.repository), value: encodeMs(record.ms) }];
    case "worktree":
      return [{ type: "put", key: worktreeKey(record.worktree), value: encodeWorktree(record) }];
    case "refs":
      return record.changes.map(({ name, to }) => {
        const key = refKey(record.repository, name);
        return to === "absent"
          ? { type: "del", key }
          : { type: "put", key, value: encodeRef(to, record.seq) };
      });
  }
}

/** Rows that are never changed again, but folded names: what happened. */
export function historyRows(record: JournalRecord): DbChange[] {
  if (record.type !== "refs") return [];
  const { repository, seq } = record;
  const event: DbChange = { type: "put", key: eventKey(seq), value: encodeEvent(record) };
  return [event, ...record.changes.flatMap((change) => historyOf(change, { repository, seq }))];
}

function historyOf(
  { name, from, to }: JournalChange,
  where: { repository: string; seq: number },
): DbChange[] {
  const { repository, seq } = where;
  const moved: DbChange = { type: "put", key: reflogKey(repository, name, seq), value: encodeMove(from, to) };
  const key = foldKey(repository, foldName(name), name);
  const folded: DbChange =
    to === "absent" ? { type: "del", key } : { type: "put", key, value: new Uint8Array() };
  return from === "absent" || to === "absent" ? [moved, folded] : [moved];
}
