/** The one open LevelDB of this process per store. Nothing else opens it, and nothing opens files below its folder. */
import { randomBytes } from "node:crypto";
import { readdir, stat, statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type Database, fromLevel, openLevel, sealValue, unsealValue } from "./db-level.ts";
import { watchLock } from "./db-lock.ts";
import {
  checkInChild,
  type DbPrints,
  markClosed,
  markOpen,
  printFiles,
  readClosed,
  setAside,
  unmarkOpen,
  whileLocked,
} from "./db-recovery.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { removeTree, renamePath, syncFile, syncFolder } from "../fs.ts";
import type { JournalPosition } from "../journal/journal.ts";
import { APPLIED_KEY, decodeState } from "../refs/ref-rows.ts";
import { show } from "../show.ts";

const META_KEY: Uint8Array = Buffer.from("M");
const DB_VERSION = 1;
const ROWS = 1000;
const ROWS_BYTES = 256 * 1024;
/** What LevelDB writes while it opens, besides its write-ahead log. */
const REOPEN_ROOM_BYTES = 1024 * 1024;

/** One step of an atomic batch. */
export type DbChange =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

export interface DbRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
}

export interface DbOptions {
  /** 32 hex digits; must be what the database was made with. */
  readonly storeId: string;
  /** Makes it; there must be none. */
  readonly create: boolean;
  readonly signal?: AbortSignal;
}

/** Keys and values are copied; a value is returned only after its checksum matched. All of it throws INDEX_CORRUPT. */
export interface Db extends AsyncDisposable {
  readonly path: string;
  /** The last owner did not close it. */
  readonly wasUnclean: boolean;
  /** Rows of the object index by pack, when rows that were not synced may be lost; undefined when none is. */
  readonly placeCounts: ReadonlyMap<number, number> | undefined;
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** All or nothing; durable with `sync`. After a failure the next batch opens LevelDB anew first. */
  batch(changes: readonly DbChange[], options: { sync: boolean }): Promise<void>;
  /** In the order of the keys' bytes, as they were at the call. */
  iterate(range: DbRange): AsyncIterable<[key: Uint8Array, value: Uint8Array]>;
  /** The journal's record that the rows of refs were brought up to. */
  applied(): Promise<JournalPosition | undefined>;
  /** True once a row or the files were found damaged: it must be made anew, and the next open looks at all of it. */
  readonly isDamaged: boolean;
  /** Calls it damaged although every row can be read: not all that should be there is. */
  giveUp(why: string): void;
  /**
   * Sets what is there aside as `db.damaged-<n>` and goes on, empty; who walks over rows meanwhile fails with
   * STORE_BUSY.
   */
  renew(): Promise<void>;
}

/** A second open() in one process would drop LevelDB's lock. */
const openPaths = new Set<string>();

/**
 * Opens the LevelDB of a store, after checking it in a child process when it was not closed well: its files when only
 * the process was killed, otherwise every row.
 * Throws INDEX_CORRUPT when it is missing or damaged (set it aside and build it anew), STORE_LOCKED, DISK_FULL.
 */
export async function openDb(path: string, options: DbOptions): Promise<Db> {
  const full = resolve(path);
  if (openPaths.has(full))
    throw new SmcError("STORE_LOCKED", `'${show(full)}' is open in this process already`);
  openPaths.add(full);
  try {
    if (options.create) await createDb(full, options.storeId);
    const closed = options.create ? undefined : await readClosed(full);
    const wasUnclean = !options.create && closed === undefined;
    const places = wasUnclean
      ? await whileLocked(() => checkInChild(full, options.signal), options.signal)
      : undefined;
    const prints = closed ?? (await printFiles(full));
    await markOpen(full);
    const level = await whileLocked(() => openLevel(full, { create: false }), options.signal);
    const { storeId } = options;
    const placeCounts = places && new Map(places);
    const db = new LevelDb(level, { path: full, storeId, wasUnclean, placeCounts, prints });
    await db.assertMeta();
    return db;
  } catch (error) {
    openPaths.delete(full);
    throw error;
  }
}

/** In a temporary folder, then renamed: a database that has its name is whole, whatever stops the machine. */
async function createDb(path: string, storeId: string): Promise<void> {
  const parent = dirname(path);
  const prefix = `${basename(path)}.new-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await removeTree(join(parent, name));
  }
  const temporary = join(parent, prefix + randomBytes(6).toString("hex"));
  const level = await openLevel(temporary, { create: true });
  try {
    await level.put(META_KEY, sealValue(META_KEY, encodeMeta(storeId)), { sync: true });
  } catch (error) {
    throw fromLevel(error, { path: temporary, doing: "write" });
  } finally {
    await level.close();
  }
  for (const name of await readdir(temporary)) {
    if (name !== "LOCK") await syncFile(join(temporary, name));
  }
  await syncFolder(temporary);
  await renamePath(temporary, path);
  await syncFolder(parent);
}

function encodeMeta(storeId: string): Uint8Array {
  return Buffer.concat([Buffer.of(DB_VERSION), Buffer.from(storeId, "hex")]);
}

class LevelDb implements Db {
  readonly path: string;
  readonly wasUnclean: boolean;
  readonly placeCounts: ReadonlyMap<number, number> | undefined;
  readonly #storeId: string;
  /** What the files were when they were opened. */
  #prints: DbPrints;
  /** Undefined while it is being opened anew, and after that failed. */
  #level: Database | undefined;
  #reopening: Promise<void> | undefined;
  #writeFailed = false;
  #isLockHeld: (() => boolean) | undefined;
  #damage: unknown;
  #hasDamagedRows = false;
  #isClosed = false;
  #writes: Promise<unknown> = Promise.resolve();

  constructor(
    level: Database,
    about: Pick<Db, "path" | "wasUnclean" | "placeCounts"> & { storeId: string; prints: DbPrints },
  ) {
    this.#level = level;
    this.#isLockHeld = watchLock(about.path);
    this.path = about.path;
    this.wasUnclean = about.wasUnclean;
    this.placeCounts = about.placeCounts;
    this.#storeId = about.storeId;
    this.#prints = about.prints;
  }

  /** Throws INDEX_CORRUPT (and closes) unless the database was made for this store. */
  async assertMeta(): Promise<void> {
    try {
      const meta = await this.get(META_KEY);
      if (meta !== undefined && Buffer.compare(meta, encodeMeta(this.#storeId)) === 0) return;
      throw new SmcError("INDEX_CORRUPT", `LevelDB '${show(this.path)}' was not made for this store`);
    } catch (error) {
      await this.#level?.close();
      throw error;
    }
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const [value] = await this.getMany([key]);
    return value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const level = await this.#usable();
    let values;
    try {
      values = await level.getMany([...keys]);
    } catch (error) {
      throw fromLevel(error, { path: this.path, doing: "read" });
    }
    return values.map((value, index) =>
      value === undefined ? undefined : this.#unseal(keyAt(keys, index), value),
    );
  }

  batch(changes: readonly DbChange[], options: { sync: boolean }): Promise<void> {
    // One at a time: LevelDB goes on writing behind a record that failed half-way, and loses what it wrote there.
    const written = this.#writes.then(() => this.#batch(changes, options));
    this.#writes = written.catch(() => undefined);
    return written;
  }

  async #batch(changes: readonly DbChange[], options: { sync: boolean }): Promise<void> {
    if (changes.length === 0) return;
    if (options.sync && this.#isLockHeld?.() === false) this.#writeFailed = true;
    const isNew = this.#writeFailed || this.#level === undefined;
    if (this.#writeFailed) await this.#reopen();
    const sealed = changes.map((change) =>
      change.type === "del" ? change : { ...change, value: sealValue(change.key, change.value) },
    );
    try {
      await this.#write(sealed, options);
    } catch (error) {
      // LevelDB hands the failure of an old compaction to the next write, when there may be room again long since.
      // Opened anew it reads its log; the same rows once more change nothing.
      if (isNew) throw error;
      await this.#reopen();
      await this.#write(sealed, options);
    }
  }

  async #write(sealed: DbChange[], options: { sync: boolean }): Promise<void> {
    const level = await this.#usable();
    try {
      await level.batch(sealed, { sync: options.sync });
    } catch (error) {
      this.#writeFailed = true;
      throw fromLevel(error, { path: this.path, doing: "write" });
    }
  }

  giveUp(why: string): void {
    this.#damage ??= new SmcError("INDEX_CORRUPT", `LevelDB '${show(this.path)}' is not whole: ${why}`);
  }

  async *iterate({ gte, lt, reverse = false, limit = -1 }: DbRange): AsyncIterable<[Uint8Array, Uint8Array]> {
    const level = await this.#usable();
    const rows = level.iterator({ gte, lt, reverse, limit, highWaterMarkBytes: ROWS_BYTES });
    try {
      for (let part = await rows.nextv(ROWS); part.length > 0; part = await rows.nextv(ROWS)) {
        for (const [key, value] of part) yield [key, this.#unseal(key, value)];
      }
    } catch (error) {
      if (this.#level !== level) throw replaced(this.path);
      throw fromLevel(error, { path: this.path, doing: "read" });
    } finally {
      await rows.close();
    }
  }

  /** What was damaged once is not closed well: the next open reads all of it. */
  #unseal(key: Uint8Array, value: Uint8Array): Uint8Array {
    try {
      return unsealValue(key, value);
    } catch (error) {
      this.#hasDamagedRows ||= isSmcError(error, "INDEX_CORRUPT");
      throw error;
    }
  }

  get isDamaged(): boolean {
    return this.#hasDamagedRows || this.#damage !== undefined;
  }

  renew(): Promise<void> {
    const renewed = this.#writes.then(() => {
      this.#reopening = this.#startAnew().finally(() => {
        this.#reopening = undefined;
      });
      return this.#reopening;
    });
    this.#writes = renewed.catch(() => undefined);
    return renewed;
  }

  async #startAnew(): Promise<void> {
    const level = this.#level;
    this.#level = undefined;
    await level?.close();
    await setAside(this.path);
    await createDb(this.path, this.#storeId);
    await markOpen(this.path);
    this.#prints = {};
    this.#level = await whileLocked(() => openLevel(this.path, { create: false }), undefined);
    this.#isLockHeld = watchLock(this.path);
    this.#damage = undefined;
    this.#hasDamagedRows = false;
    this.#writeFailed = false;
  }

  async applied(): Promise<JournalPosition | undefined> {
    const state = await this.get(APPLIED_KEY);
    if (state === undefined) return undefined;
    const { seq, hash } = decodeState(state);
    return { seq, hash };
  }

  async #usable(): Promise<Database> {
    if (this.#isClosed) throw new SmcError("DAEMON_STOPPING", "the store is closed");
    if (this.#reopening !== undefined) await Promise.allSettled([this.#reopening]);
    if (this.#damage !== undefined) throw this.#damage;
    if (this.#level === undefined) await this.#reopen();
    if (this.#level === undefined)
      throw new SmcError("IO_FAILED", `LevelDB '${show(this.path)}' is not open`);
    return this.#level;
  }

  /** After a failed write LevelDB takes none, even when there is room again; after a lost lock this takes it again. */
  #reopen(): Promise<void> {
    this.#reopening ??= this.#closeAndOpen().finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #closeAndOpen(): Promise<void> {
    await this.#assertRoom();
    const level = this.#level;
    this.#level = undefined;
    await level?.close();
    try {
      this.#level = await whileLocked(() => openLevel(this.path, { create: false }), undefined);
      this.#isLockHeld = watchLock(this.path);
      this.#writeFailed = false;
    } catch (error) {
      if (isSmcError(error, "INDEX_CORRUPT")) this.#damage = error;
      throw error;
    }
  }

  /** Opening writes the log's rows into a table; without room for that the closed database could not be read either. */
  async #assertRoom(): Promise<void> {
    const names = (await readdir(this.path)).filter((name) => name.endsWith(".log"));
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(this.path, name))).size));
    const needed = sizes.reduce((sum, size) => sum + size, REOPEN_ROOM_BYTES);
    const { bavail, bsize } = await statfs(this.path);
    if (bavail * bsize >= needed) return;
    throw new SmcError(
      "DISK_FULL",
      `cannot write LevelDB '${show(this.path)}': it needs ${needed} bytes of room`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    await this.#writes;
    const level = this.#level;
    this.#isClosed = true;
    try {
      const isWell = level !== undefined && !this.#writeFailed && !this.isDamaged;
      const isSynced = isWell && (await this.#syncAll(level));
      await level?.close();
      if (isSynced) await markClosed(this.path, this.#prints);
      await unmarkOpen(this.path);
    } finally {
      openPaths.delete(this.path);
    }
  }

  /** Rows that nobody asked to sync become durable with this one. False when that failed: the next open checks them. */
  async #syncAll(level: Database): Promise<boolean> {
    try {
      await level.put(META_KEY, sealValue(META_KEY, encodeMeta(this.#storeId)), { sync: true });
      return true;
    } catch (error) {
      if (isSmcError(fromLevel(error, { path: this.path, doing: "write" }))) return false;
      throw error;
    }
  }
}

function replaced(path: string): SmcError {
  return new SmcError("STORE_BUSY", `LevelDB '${show(path)}' was opened or made anew meanwhile`);
}

function keyAt(keys: readonly Uint8Array[], index: number): Uint8Array {
  const key = keys[index];
  if (key === undefined) throw new SmcError("INTERNAL", "LevelDB answered more than it was asked");
  return key;
}
