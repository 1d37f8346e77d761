/** The packs that the object index knows: their numbers, and whether all their rows are there. */
import type { Db, DbChange } from "./db.ts";
import { decodePack, encodePack, key, packBytes, TAG } from "./object-rows.ts";
import { SmcError } from "../errors.ts";
import { Readers } from "../readers.ts";
import type { Digest } from "../objects/digest.ts";

/** How long packs that are just being added may take before the index is made anew. */
const ADDING_MS_MAX = 600_000;

export interface IndexedPack {
  readonly no: number;
  readonly name: Digest;
  readonly sizeBytes: number;
  readonly count: number;
}

/**
 * A pack's own row says that it is whole only while all rows of its records are there. Writes of LevelDB are lost from
 * the last one back, so whoever is stopped while rows come or go leaves a pack that says it is not whole.
 */
export class PackRows {
  readonly #db: Db;
  #whole = new Map<number, IndexedPack>();
  #partial = new Map<Digest, number>();
  /** Of all packs that a row may name. */
  readonly #names = new Map<number, Digest>();
  /** A number is never given twice: who looked up a place before a rebuild may still go by it. */
  #next = 1;
  readonly #adding = new Readers();
  #paused: Promise<void> | undefined;

  private constructor(db: Db) {
    this.#db = db;
  }

  static async open(db: Db): Promise<PackRows> {
    const packs = new PackRows(db);
    for await (const [rowKey, value] of db.iterate({ gte: key(TAG.pack), lt: key(TAG.pack + 1) })) {
      const no = Buffer.from(rowKey).readUInt32BE(1);
      const { isWhole, ...pack } = decodePack(value);
      if (isWhole) packs.#whole.set(no, { no, ...pack });
      else packs.#partial.set(pack.name, no);
      packs.#names.set(no, pack.name);
      packs.#next = Math.max(packs.#next, no + 1);
    }
    return packs;
  }

  /** Adding a pack is between `enter` and dispose; it waits while paused. */
  async enter(): Promise<Disposable> {
    while (this.#paused !== undefined) await this.#paused;
    return this.#adding.enter();
  }

  /** Who is adding a pack has added it, others wait until it is disposed of. Throws STORE_BUSY. */
  async pause(): Promise<Disposable> {
    let resume = (): void => undefined;
    this.#paused = new Promise((resolve) => {
      resume = resolve;
    });
    const end = (): void => {
      this.#paused = undefined;
      resume();
    };
    if (await this.#adding.drain(new AbortController().signal, ADDING_MS_MAX))
      return { [Symbol.dispose]: end };
    end();
    throw new SmcError("STORE_BUSY", "packs are being added to the index; nothing was changed");
  }

  /** Without packs, and with numbers that none of these has. */
  fresh(db: Db): PackRows {
    const packs = new PackRows(db);
    packs.#next = this.#next;
    return packs;
  }

  /** These packs from now on; what was looked up before can still be told by its number. */
  adopt(packs: PackRows): void {
    this.#whole = packs.#whole;
    this.#partial = packs.#partial;
    for (const [no, name] of packs.#names) this.#names.set(no, name);
    this.#next = packs.#next;
  }

  isWhole(name: Digest): boolean {
    for (const pack of this.#whole.values()) if (pack.name === name) return true;
    return false;
  }

  whole(): IndexedPack[] {
    return [...this.#whole.values()];
  }

  partial(): Digest[] {
    return [...this.#partial.keys()];
  }

  /** Throws INDEX_CORRUPT for a number that no pack has. */
  nameOf(no: number): Digest {
    const name = this.#names.get(no);
    if (name === undefined)
      throw new SmcError("INDEX_CORRUPT", `the object index names pack ${no}, which it does not know`);
    return name;
  }

  /** Before the first of its rows; a pack that is there in part keeps its number, so that its rows are written over. */
  async beginToAdd(pack: Omit<IndexedPack, "no">): Promise<IndexedPack> {
    const no = this.#partial.get(pack.name) ?? this.#next;
    this.#next = Math.max(this.#next, no + 1);
    this.#names.set(no, pack.name);
    this.#partial.set(pack.name, no);
    await this.#put({ no, ...pack }, false);
    return { no, ...pack };
  }

  async markWhole(pack: IndexedPack): Promise<void> {
    await this.#put(pack, true);
    this.#whole.set(pack.no, pack);
    this.#partial.delete(pack.name);
  }

  /** Before the first of its rows goes; until `remove` this process goes on as if it were whole. */
  async beginToForget(no: number): Promise<void> {
    const pack = this.#whole.get(no);
    if (pack !== undefined) await this.#put(pack, false);
  }

  /** After its rows; durable when it returns. */
  async remove(no: number): Promise<void> {
    await this.#db.batch([{ type: "del", key: key(TAG.pack, packBytes(no)) }], { sync: true });
    this.#whole.delete(no);
    this.#names.delete(no);
  }

  /** After all rows were removed from LevelDB. */
  clear(): void {
    this.#whole.clear();
    this.#partial.clear();
    this.#names.clear();
  }

  async #put(pack: IndexedPack, isWhole: boolean): Promise<void> {
    const value = encodePack({ ...pack, isWhole });
    const row: DbChange = { type: "put", key: key(TAG.pack, packBytes(pack.no)), value };
    await this.#db.batch([row], { sync: false });
  }
}
