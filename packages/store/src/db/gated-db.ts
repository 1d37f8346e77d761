/** LevelDB as everybody sees it: who reads or writes while its rows are made anew waits until they are all there. */
import type { Db, DbChange, DbRange } from "./db.ts";
import { isSmcError } from "../errors.ts";
import type { JournalPosition } from "../journal/journal.ts";

export class GatedDb implements Db {
  readonly #db: Db;
  #closed: Promise<void> | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  /**
   * Runs with the rows that nobody else sees meanwhile. When it fails they are not all there: they count as damaged, so
   * the next who asks has them made anew. One at a time.
   */
  async whileClosed<T>(work: (db: Db) => Promise<T>): Promise<T> {
    let open = (): void => undefined;
    this.#closed = new Promise((resolve) => {
      open = resolve;
    });
    try {
      return await work(this.#db);
    } catch (error) {
      this.#db.giveUp(isSmcError(error) ? error.message : String(error));
      throw error;
    } finally {
      this.#closed = undefined;
      open();
    }
  }

  get path(): string {
    return this.#db.path;
  }

  get wasUnclean(): boolean {
    return this.#db.wasUnclean;
  }

  get placeCounts(): Db["placeCounts"] {
    return this.#db.placeCounts;
  }

  get isDamaged(): boolean {
    return this.#db.isDamaged;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#closed === undefined ? this.#db.get(key) : this.#closed.then(() => this.get(key));
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#closed === undefined ? this.#db.getMany(keys) : this.#closed.then(() => this.getMany(keys));
  }

  batch(changes: readonly DbChange[], options: { sync: boolean }): Promise<void> {
    return this.#closed === undefined
      ? this.#db.batch(changes, options)
      : this.#closed.then(() => this.batch(changes, options));
  }

  async *iterate(range: DbRange): AsyncIterable<[key: Uint8Array, value: Uint8Array]> {
    while (this.#closed !== undefined) await this.#closed;
    yield* this.#db.iterate(range);
  }

  applied(): Promise<JournalPosition | undefined> {
    return this.#closed === undefined ? this.#db.applied() : this.#closed.then(() => this.applied());
  }

  renew(): Promise<void> {
    return this.#db.renew();
  }

  giveUp(why: string): void {
    this.#db.giveUp(why);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#db[Symbol.asyncDispose]();
  }
}
