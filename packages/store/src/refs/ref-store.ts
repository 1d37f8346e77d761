/**
 * Refs, reflogs, repositories and worktrees: rows in LevelDB over the journal. A change is committed when its journal
 * record is durable; the rows follow, and can be made again from the journal at any time.
 */
import { breathe, type Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import type { Db, DbChange } from "../db/db.ts";
import type { Digest } from "../objects/digest.ts";
import { isSmcError, SmcError } from "../errors.ts";
import type { Pins } from "../pins.ts";
import type { Journal, JournalEntry } from "../journal/journal.ts";
import { FIRST_HASH } from "../journal/journal-format.ts";
import { assertRepositoryName, parseRefName, type RefName } from "../objects/names.ts";
import { EMPTY_MIX, keysOf, mixRow, rowsOf } from "./ref-apply.ts";
import { checkRows } from "./ref-check.ts";
import { PendingRows } from "./ref-pending.ts";
import {
  APPLIED_KEY,
  decodeEvent,
  decodeMove,
  decodeMs,
  decodeRef,
  decodeState,
  decodeWorktree,
  eventKey,
  nameOfKey,
  placeOfKey,
  refKey,
  reflogRange,
  refRange,
  type RefState,
  repositoryKey,
  SEQ_KEY_BYTES,
  seqOfEventKey,
  seqOfReflogKey,
  tagRange,
  TAGS,
} from "./ref-rows.ts";
import { assertChanges, assertNoConflict, assertReason, resolveChanges } from "./ref-rules.ts";
import { PRUNED_PREFIX } from "./refs.ts";
import type {
  Ref,
  RefChange,
  ReflogEntry,
  NamedObject,
  RefGuard,
  RefReason,
  RefStore,
  RepositoryRecord,
  UpdateOptions,
  WorktreeRecord,
} from "./refs.ts";
import { show } from "../show.ts";

/** Rows that wait for LevelDB while it cannot be written; above it nothing new is taken. */
const PENDING_MAX = 100_000;
const BATCH_ROWS = 2000;
const PATH_BYTES_MAX = 4096;
const EMPTY: RefState = { seq: 0, hash: FIRST_HASH, count: 0, mix: EMPTY_MIX };

export interface StoredRefs extends RefStore {
  /** In turn with changes of refs: none is made meanwhile. */
  inTurn<T>(action: () => Promise<T>): Promise<T>;
  /** Forgets all rows of refs in `db` and makes them again from the journal. For who is in turn. */
  rebuild(db: Db): Promise<void>;
  /** What in the rows is not as the journal says; a few of them. Throws JOURNAL_CORRUPT, INDEX_CORRUPT, CANCELED. */
  check(call: Call): Promise<string[]>;
  /** Asked before every change; set once, by who opens the store. */
  guard: RefGuard | undefined;
  /** True when opening found rows that did not add up and made them again. */
  readonly wasRebuilt: boolean;
}

/**
 * Brings the rows up to the journal, and makes them again when they do not add up.
 * Throws JOURNAL_CORRUPT when the journal ends before what the rows were written from.
 */
export async function createRefStore(parts: {
  db: Db;
  journal: Journal;
  /** Told of what refs name, and named, whenever one changes. */
  pins?: Pick<Pins, "add">;
}): Promise<StoredRefs> {
  const refs = new JournalRefs(parts);
  await refs.open();
  return refs;
}

class JournalRefs implements StoredRefs {
  readonly #db: Db;
  readonly #journal: Journal;
  readonly #pins: Pick<Pins, "add"> | undefined;
  readonly #rows: PendingRows;
  #state: RefState = EMPTY;
  #queue: Promise<unknown> = Promise.resolve();
  wasRebuilt = false;
  guard: RefGuard | undefined;

  constructor({ db, journal, pins }: { db: Db; journal: Journal; pins?: Pick<Pins, "add"> }) {
    this.#db = db;
    this.#journal = journal;
    this.#pins = pins;
    this.#rows = new PendingRows(db);
  }

  async open(): Promise<void> {
    const value = await this.#db.get(APPLIED_KEY);
    this.#state = value === undefined ? EMPTY : decodeState(value);
    if (this.#state.seq > this.#journal.position.seq) {
      const { seq } = this.#state;
      throw new SmcError(
        "JOURNAL_CORRUPT",
        `the journal ends before record ${seq}, which LevelDB was written from`,
      );
    }
    if (await this.#addsUp()) await this.#replay();
    else await this.#rebuild();
  }

  inTurn<T>(action: () => Promise<T>): Promise<T> {
    return this.#exclusive(action);
  }

  async rebuild(db: Db): Promise<void> {
    const fresh = new JournalRefs({ db, journal: this.#journal });
    await fresh.#rebuild();
    this.#rows.clear();
    this.#state = fresh.#state;
    this.wasRebuilt = true;
  }

  check(call: Call): Promise<string[]> {
    // In turn with changes of refs: rows and journal are those of one moment.
    const upTo = this.#exclusive(async () => this.#state.seq);
    return upTo.then((seq) => checkRows({ rows: this.#rows, journal: this.#journal, upTo: seq }, call));
  }

  async #addsUp(): Promise<boolean> {
    let count = 0;
    let mix = EMPTY_MIX;
    for (const tag of [TAGS.ref, TAGS.repository, TAGS.worktree]) {
      for await (const [key, value] of this.#db.iterate(tagRange(tag))) {
        count += 1;
        mix = mixRow(mix, key, value);
        if (count % 1000 === 0) await breathe();
      }
    }
    return count === this.#state.count && Buffer.compare(mix, this.#state.mix) === 0;
  }

  async #rebuild(): Promise<void> {
    this.wasRebuilt = true;
    this.#rows.clear();
    // Without its state row a half wiped key space does not add up, so a stop here ends in another rebuild.
    await this.#db.batch([{ type: "del", key: APPLIED_KEY }], { sync: true });
    for (const tag of Object.values(TAGS)) {
      let gone: DbChange[] = [];
      for await (const [key] of this.#db.iterate(tagRange(tag))) {
        gone.push({ type: "del", key });
        if (gone.length < BATCH_ROWS) continue;
        await this.#db.batch(gone, { sync: false });
        gone = [];
      }
      await this.#db.batch(gone, { sync: false });
    }
    this.#state = EMPTY;
    await this.#replay();
  }

  async #replay(): Promise<void> {
    const from = this.#state.seq;
    for await (const entry of this.#journal.records(from + 1)) {
      await this.#add(entry, await this.#rows.getMany(keysOf(entry.record)));
      if (this.#rows.size >= BATCH_ROWS) await this.#rows.flush({ sync: false });
    }
    if (this.#state.seq > from) await this.#rows.flush({ sync: true });
  }

  async #add(entry: Parameters<typeof rowsOf>[1], before: Parameters<typeof rowsOf>[2]): Promise<void> {
    const { changes, state } = await rowsOf(this.#state, entry, before);
    this.#rows.add(changes);
    this.#state = state;
  }

  /** One change at a time: what was compared is still so when it is written. */
  #exclusive<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(action);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #commit(entry: JournalEntry): Promise<void> {
    if (this.#rows.size >= PENDING_MAX) await this.#rows.flush({ sync: true });
    const before = await this.#rows.getMany(keysOf(entry));
    await this.#add(await this.#journal.append(entry), before);
    try {
      await this.#rows.flush({ sync: true });
    } catch (error) {
      // The journal has it, so it is done; the rows stay pending and are written with the next change or at the next
      // start.
      if (!isSmcError(error)) throw error;
    }
  }

  async createRepository(name: string, reason: RefReason, options: { reuse?: boolean } = {}): Promise<void> {
    assertRepositoryName(name);
    assertReason(reason);
    await this.#exclusive(async () => {
      if (await this.#hasRepository(name)) {
        if (options.reuse === true) return;
        throw new SmcError(
          "ALREADY_EXISTS",
          `the repository '${show(name)}' is there already; nothing was changed`,
        );
      }
      const other = (await this.listRepositories()).find(
        (each) => each.name.toLowerCase() === name.toLowerCase(),
      );
      if (other !== undefined) {
        throw new SmcError(
          "ALREADY_EXISTS",
          `'${show(name)}' differs from the repository '${other.name}' only by case`,
          {
            hint: "choose another name",
          },
        );
      }
      await this.#commit({ type: "repository", ms: nowMs(), ...pick(reason), repository: name });
    });
  }

  async #hasRepository(name: string): Promise<boolean> {
    return (await this.#rows.get(repositoryKey(name))) !== undefined;
  }

  async #assertRepository(name: string): Promise<void> {
    if (await this.#hasRepository(name)) return;
    throw new SmcError("REPOSITORY_NOT_FOUND", `there is no repository '${show(name, 100)}'`);
  }

  async listRepositories(): Promise<RepositoryRecord[]> {
    const found: RepositoryRecord[] = [];
    for await (const [key, value] of this.#rows.iterate(tagRange(TAGS.repository))) {
      found.push({ name: nameOfKey(key), createdMs: decodeMs(value) });
    }
    return found;
  }

  async read(repository: string, name: RefName): Promise<Digest | undefined> {
    const value = await this.#rows.get(refKey(repository, name));
    return value === undefined ? undefined : decodeRef(value);
  }

  async list(repository: string, prefix = ""): Promise<Ref[]> {
    const found: Ref[] = [];
    for await (const [key, value] of this.#rows.iterate(refRange(repository, prefix))) {
      found.push({ name: parseRefName(nameOfKey(key)), digest: decodeRef(value) });
      if (found.length % 1000 === 0) await breathe();
    }
    return found;
  }

  async update(
    repository: string,
    changes: readonly RefChange[],
    reason: RefReason,
    options: UpdateOptions = {},
  ): Promise<void> {
    const { caseConflicts = "refuse" } = options;
    assertReason(reason);
    await assertChanges(changes);
    await this.#exclusive(async () => {
      await this.#assertRepository(repository);
      const context = { rows: this.#rows, repository, caseConflicts };
      const resolved = await resolveChanges(context, changes);
      if (resolved.length === 0) return;
      await assertNoConflict(context, resolved);
      await this.guard?.({ repository, changes: resolved, options });
      for (const { name, from, to } of resolved) {
        if (name.startsWith(PRUNED_PREFIX)) continue;
        if (from !== "absent") this.#pins?.add([from]);
        if (to !== "absent") this.#pins?.add([to]);
      }
      await this.#commit({ type: "refs", ms: nowMs(), ...pick(reason), repository, changes: resolved });
    });
  }

  async note(repository: string, reason: RefReason): Promise<void> {
    assertReason(reason);
    await this.#exclusive(async () => {
      if (repository !== "") await this.#assertRepository(repository);
      await this.#commit({ type: "refs", ms: nowMs(), ...pick(reason), repository, changes: [] });
    });
  }

  async log(repository: string, name: RefName, limit?: number): Promise<ReflogEntry[]> {
    const range = {
      ...reflogRange(repository, name),
      reverse: true,
      ...(limit === undefined ? {} : { limit }),
    };
    const found: ReflogEntry[] = [];
    for await (const [key, value] of this.#rows.iterate(range)) {
      const seq = seqOfReflogKey(key);
      const event = await this.#rows.get(eventKey(seq));
      if (event === undefined)
        throw new SmcError("INDEX_CORRUPT", `LevelDB lacks the reason of change ${seq}`);
      found.push({ seq, name, ...decodeMove(value), ...decodeEvent(event) });
    }
    return found;
  }

  async *named(sinceSeq: number): AsyncIterable<NamedObject> {
    for await (const [key, value] of this.#rows.iterate(tagRange(TAGS.ref)))
      yield { ...placeOfKey(key), digest: decodeRef(value) };
    for await (const [key, value] of this.#rows.iterate(tagRange(TAGS.reflog))) {
      if (seqOfReflogKey(key) <= sinceSeq) continue;
      const { from, to } = decodeMove(value);
      const place = placeOfKey(key.subarray(0, key.length - SEQ_KEY_BYTES));
      for (const digest of [from, to]) if (digest !== "absent") yield { ...place, digest };
    }
  }

  async *moments(): AsyncIterable<{ seq: number; ms: number }> {
    for await (const [key, value] of this.#rows.iterate({ ...tagRange(TAGS.event), reverse: true }))
      yield { seq: seqOfEventKey(key), ms: decodeEvent(value).ms };
  }

  async registerWorktree(worktree: WorktreeRecord, reason: RefReason): Promise<void> {
    const { id, path, repository } = worktree;
    assertReason(reason);
    if (!/^[0-9a-f]{32}$/.test(id))
      throw new SmcError("ARGUMENT_INVALID", `'${show(id, 80)}' is not the id of a worktree`);
    if (path === "" || !path.isWellFormed() || Buffer.byteLength(path) > PATH_BYTES_MAX) {
      throw new SmcError("PATH_INVALID", `'${show(path, 200)}' is not a path for a worktree`);
    }
    await this.#exclusive(async () => {
      await this.#assertRepository(repository);
      const known = (await this.listWorktrees()).find((each) => each.id === id);
      if (known !== undefined && known.path === path && known.repository === repository) return;
      await this.#commit({
        type: "worktree",
        ms: nowMs(),
        ...pick(reason),
        repository,
        worktree: id,
        path,
      });
    });
  }

  async listWorktrees(): Promise<WorktreeRecord[]> {
    const found: WorktreeRecord[] = [];
    for await (const [key, value] of this.#rows.iterate(tagRange(TAGS.worktree))) {
      found.push(decodeWorktree(nameOfKey(key), value));
    }
    return found;
  }
}

/** Callers may pass more than the three fields; the journal keeps no others. */
function pick({ op, reason, actor }: RefReason): RefReason {
  return { op, reason, actor };
}
