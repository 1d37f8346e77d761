/**
 * Rows that are committed in the journal and not yet in LevelDB, laid over LevelDB: readers see them from the commit
 * point on, and they are written again after LevelDB failed.
 */
import type { Db, DbChange, DbRange } from "../db/db.ts";

/** Rows in one LevelDB batch: small enough not to hold up the event loop. */
const BATCH_ROWS = 2000;

export class PendingRows {
  readonly #db: Db;
  /** By the key's bytes as Latin-1 text, whose order is the order of the bytes. */
  readonly #rows = new Map<string, DbChange>();

  constructor(db: Db) {
    this.#db = db;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The last one is written last, also when it replaces a row that waits already. */
  add(changes: readonly DbChange[]): void {
    for (const change of changes) {
      const text = textOf(change.key);
      this.#rows.delete(text);
      this.#rows.set(text, change);
    }
  }

  /** Forgets what waits, for those who make all rows anew. */
  clear(): void {
    this.#rows.clear();
  }

  /** Writes all of it, in order; what fails stays pending. Calls must not overlap. */
  async flush(options: { sync: boolean }): Promise<void> {
    while (this.#rows.size > 0) {
      const rows: [string, DbChange][] = [];
      for (const row of this.#rows) {
        if (rows.length === BATCH_ROWS) break;
        rows.push(row);
      }
      const isLast = rows.length === this.#rows.size;
      const changes = rows.map(([, change]) => change);
      await this.#db.batch(changes, { sync: options.sync && isLast });
      for (const [text] of rows) this.#rows.delete(text);
    }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const [value] = await this.getMany([key]);
    return value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const changes = keys.map((key) => this.#rows.get(textOf(key)));
    const stored = await this.#db.getMany(keys);
    return stored.map((value, index) => {
      const change = changes[index];
      if (change === undefined) return value;
      return change.type === "put" ? change.value : undefined;
    });
  }

  async *iterate(range: DbRange): AsyncIterable<[key: Uint8Array, value: Uint8Array]> {
    const { limit = Number.POSITIVE_INFINITY, reverse = false } = range;
    const pending = this.#within(range);
    const stored = this.#db.iterate({
      ...range,
      limit: limit === Number.POSITIVE_INFINITY ? -1 : limit + pending.length,
    });
    let left = limit;
    for await (const row of merge(stored, pending, reverse ? -1 : 1)) {
      if (left-- <= 0) return;
      yield row;
    }
  }

  #within({ gte, lt, reverse = false }: DbRange): DbChange[] {
    if (this.#rows.size === 0) return [];
    const [from, to] = [textOf(gte), textOf(lt)];
    const texts = [...this.#rows.keys()].filter((text) => text >= from && text < to).sort();
    if (reverse) texts.reverse();
    return texts.flatMap((text) => this.#rows.get(text) ?? []);
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

/** Rows of both in order; of one key the pending one. */
async function* merge(
  stored: AsyncIterable<[Uint8Array, Uint8Array]>,
  pending: readonly DbChange[],
  direction: 1 | -1,
): AsyncIterable<[Uint8Array, Uint8Array]> {
  let next = 0;
  for await (const row of stored) {
    let isReplaced = false;
    for (let change = pending[next]; change !== undefined; change = pending[next]) {
      const order = Buffer.compare(change.key, row[0]) * direction;
      if (order > 0) break;
      next += 1;
      isReplaced ||= order === 0;
      if (change.type === "put") yield [change.key, change.value];
    }
    if (!isReplaced) yield row;
  }
  for (const change of pending.slice(next)) {
    if (change.type === "put") yield [change.key, change.value];
  }
}
