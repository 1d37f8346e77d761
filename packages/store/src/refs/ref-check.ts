/**
 * Compares the rows of refs in LevelDB with the journal they were made from. Changes nothing; memory stays the same.
 */
import { type Call, createPacer } from "../call.ts";
import type { Journal, JournalRecord } from "../journal/journal.ts";
import { foldName } from "../objects/names.ts";
import { show } from "../show.ts";
import { historyRows } from "./ref-apply.ts";
import type { PendingRows } from "./ref-pending.ts";
import {
  decodeMove,
  decodeRef,
  encodeMs,
  encodeWorktree,
  foldKey,
  reflogOwner,
  repositoryKey,
  seqOfReflogKey,
  seqOfRef,
  tagRange,
  TAGS,
  worktreeKey,
} from "./ref-rows.ts";

/** More than these are not told. */
const FAULTS_MAX = 20;
const ROWS = 1000;

export interface RowsAndJournal {
  readonly rows: PendingRows;
  readonly journal: Journal;
  /** The last record that both have. */
  readonly upTo: number;
}

type Row = readonly [key: Uint8Array, value: Uint8Array];

export async function checkRows(parts: RowsAndJournal, call: Call): Promise<string[]> {
  const check = new RowCheck(parts, call);
  await check.history();
  await check.current();
  return check.faults;
}

class RowCheck {
  readonly faults: string[] = [];
  readonly #parts: RowsAndJournal;
  readonly #pace: ReturnType<typeof createPacer>;
  #moves = 0;
  #events = 0;

  constructor(parts: RowsAndJournal, call: Call) {
    this.#parts = parts;
    this.#pace = createPacer(call);
  }

  #fault(message: string): void {
    if (this.faults.length < FAULTS_MAX) this.faults.push(message);
  }

  /** Every record has its rows of the reflog, repositories and worktrees are those of the last record about each. */
  async history(): Promise<void> {
    const { journal, upTo } = this.#parts;
    const named = new Map<string, Row>();
    let wanted: Row[] = [];
    for await (const { record } of journal.records(1)) {
      if (record.seq > upTo) break;
      if (record.type === "refs") wanted.push(...this.#rowsOf(record));
      else named.set(nameOf(record), rowOf(record));
      if (wanted.length >= ROWS) {
        await this.#compare(wanted);
        wanted = [];
      }
      await this.#pace();
    }
    await this.#compare([...wanted, ...named.values()]);
    await this.#count(TAGS.event, this.#events, (key) => seqOfReflogKey(key));
    await this.#count(TAGS.reflog, this.#moves, (key) => seqOfReflogKey(key));
  }

  #rowsOf(record: JournalRecord): Row[] {
    return historyRows(record).flatMap((change): Row[] => {
      const tag = String.fromCharCode(change.key[0] ?? 0);
      if (tag === TAGS.event) this.#events += 1;
      if (tag === TAGS.reflog) this.#moves += 1;
      // A folded name may have gone again; those are compared with the refs.
      return change.type === "put" && tag !== TAGS.fold ? [[change.key, change.value]] : [];
    });
  }

  async #compare(wanted: readonly Row[]): Promise<void> {
    const found = await this.#parts.rows.getMany(wanted.map(([key]) => key));
    for (const [index, [key, value]] of wanted.entries()) {
      const row = found[index];
      if (row !== undefined && Buffer.compare(row, value) === 0) continue;
      this.#fault(
        `the row '${textOf(key)}' ${row === undefined ? "is missing" : "is not what the journal says"}`,
      );
    }
  }

  async #count(tag: string, expected: number, seqOf: (key: Uint8Array) => number): Promise<void> {
    let count = 0;
    for await (const [key] of this.#parts.rows.iterate(tagRange(tag))) {
      if (seqOf(key) <= this.#parts.upTo) count += 1;
      await this.#pace();
    }
    if (count !== expected) this.#fault(`${count} rows '${tag}' instead of ${expected}`);
  }

  /** A ref is where the last entry of its reflog says; both are in the same order, so one pass does. */
  async current(): Promise<void> {
    const { rows, upTo } = this.#parts;
    const refs = rows.iterate(tagRange(TAGS.ref))[Symbol.asyncIterator]();
    let ref = await refs.next();
    let folded = 0;
    const check = async (last: LastMove): Promise<void> => {
      const isHere = ref.done !== true && Buffer.compare(ref.value[0].subarray(1), last.owner) === 0;
      const wanted = last.to === "absent" ? undefined : last.to;
      const value = isHere && ref.done !== true ? ref.value[1] : undefined;
      if (isHere) ref = await refs.next();
      if (value !== undefined) folded += await this.#checkFold(last.owner);
      if (last.isNewer || (value !== undefined && seqOfRef(value) > upTo)) return;
      const isRight =
        value === undefined
          ? wanted === undefined
          : decodeRef(value) === wanted && seqOfRef(value) === last.seq;
      if (!isRight) this.#fault(`the ref '${textOf(last.owner)}' is not where its reflog says`);
    };
    let last: LastMove | undefined;
    for await (const [key, value] of rows.iterate(tagRange(TAGS.reflog))) {
      const owner = reflogOwner(key);
      const seq = seqOfReflogKey(key);
      if (last !== undefined && Buffer.compare(last.owner, owner) !== 0) await check(last);
      last = { owner, seq, to: decodeMove(value).to, isNewer: seq > upTo };
      await this.#pace();
    }
    if (last !== undefined) await check(last);
    if (ref.done !== true) this.#fault(`the ref '${textOf(ref.value[0].subarray(1))}' has no reflog`);
    await refs.return?.();
    await this.#checkFolds(folded);
  }

  /** 1 when the name is found without regard to case. */
  async #checkFold(owner: Uint8Array): Promise<number> {
    const [repository = "", name = ""] = Buffer.from(owner).toString().split("\0");
    if ((await this.#parts.rows.get(foldKey(repository, foldName(name), name))) !== undefined) return 1;
    this.#fault(`the ref '${textOf(owner)}' is not found without regard to case`);
    return 0;
  }

  /** No folded name without its ref, as long as nothing moved meanwhile. */
  async #checkFolds(expected: number): Promise<void> {
    let count = 0;
    for await (const _ of this.#parts.rows.iterate(tagRange(TAGS.fold))) {
      count += 1;
      await this.#pace();
    }
    if (count !== expected && this.#parts.journal.position.seq === this.#parts.upTo)
      this.#fault(`${count} folded names instead of ${expected}`);
  }
}

interface LastMove {
  readonly owner: Uint8Array;
  readonly seq: number;
  readonly to: ReturnType<typeof decodeMove>["to"];
  /** Written after the moment that is checked. */
  readonly isNewer: boolean;
}

function nameOf(record: Exclude<JournalRecord, { type: "refs" }>): string {
  return record.type === "worktree" ? `worktree ${record.worktree}` : `repository ${record.repository}`;
}

function rowOf(record: Exclude<JournalRecord, { type: "refs" }>): Row {
  return record.type === "worktree"
    ? [worktreeKey(record.worktree), encodeWorktree(record)]
    : [repositoryKey(record.repository), encodeMs(record.ms)];
}

function textOf(key: Uint8Array): string {
  return show(Buffer.from(key).toString("utf8").replaceAll("\0", " "), 120);
}
