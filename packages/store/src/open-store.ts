/** Makes, opens and recovers a store. Order of opening: owner lock, format, journal, LevelDB, packs. */
import { randomBytes } from "node:crypto";
import { lstat, readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { recordInterrupted } from "./begun.ts";
import { noteDamage, readScrubState, type ScrubState } from "./check/scrub.ts";
import { nowMs } from "./clock.ts";
import { type Db, openDb } from "./db/db.ts";
import { GatedDb } from "./db/gated-db.ts";
import { setAside } from "./db/db-recovery.ts";
import { fromErrno, isSmcError, SmcError } from "./errors.ts";
import type { Digest } from "./objects/digest.ts";
import { createFolder, removeTree, syncFolder } from "./fs.ts";
import { type Journal, openJournal } from "./journal/journal.ts";
import { acquireLock, type Lock } from "./lock/lock.ts";
import { ObjectIndex } from "./db/object-index.ts";
import { PackedObjects } from "./object-store.ts";
import { findElsewhere } from "./other-copies.ts";
import type { DamagedRecord } from "./pack/reader.ts";
import { type LostPacks, reconcile } from "./pack/folder.ts";
import { Pool } from "./pool/pool.ts";
import { Pins } from "./pins.ts";
import { Readers } from "./readers.ts";
import { guardOf } from "./registry/protection.ts";
import { createRefStore, type StoredRefs } from "./refs/ref-store.ts";
import { show } from "./show.ts";
import type { Store, WriteSession } from "./store.ts";
import { readFormat, STORE_VERSION, type StoreFormat, writeFormat } from "./store-format.ts";
import { PackSession } from "./write-session.ts";

const PATH_BYTES_MAX = 3800;

export interface OpenOptions {
  /** Makes the store when there is none. */
  readonly create?: boolean;
  /** Builds LevelDB anew from packs and journal. */
  readonly rebuild?: boolean;
  /** Told of damage that a read met, once for each pack until it was read again. */
  onDamage?(record: DamagedRecord): void;
}

/** What opening found and did. */
export interface Recovery extends LostPacks {
  /** Why LevelDB was built anew, or undefined. */
  readonly rebuilt: string | undefined;
}

interface Parts {
  readonly lock: Lock;
  readonly journal: Journal;
  readonly pool: Pool;
  readonly db: GatedDb;
  readonly index: ObjectIndex;
  readonly refs: StoredRefs;
  readonly pins: Pins;
  readonly onDamage: (record: DamagedRecord) => void;
}

/** A store that this process owns. */
export class OwnedStore implements Store {
  readonly path: string;
  readonly id: string;
  readonly #parts: Parts;
  readonly #format: StoreFormat;
  /** Commands that may rely on something that only they know of; gc waits for those that began before it. */
  readonly calls = new Readers();
  #alone: Promise<unknown> = Promise.resolve();
  #rebuilding: { readonly pool: Pool; readonly ended: Promise<unknown> } | undefined;
  #noted: Promise<void> = Promise.resolve();
  readonly objects: PackedObjects;
  recovery: Recovery;

  constructor(path: string, format: StoreFormat, parts: Parts, recovery: Recovery) {
    this.path = path;
    this.id = format.storeId;
    this.#format = format;
    this.#parts = parts;
    this.recovery = recovery;
    const { index, pool } = parts;
    this.objects = new PackedObjects({ path, index, pool });
    parts.refs.guard = guardOf(this);
    pool.elsewhere = async (digests, damaged) => {
      // One after the other: each pack is told of once.
      const noted = this.#noted.then(() => this.#note(damaged.at(-1)));
      this.#noted = noted.catch(() => undefined);
      await noted;
      return findElsewhere({ path, index }, digests, damaged);
    };
  }

  async #note(record: DamagedRecord | undefined): Promise<void> {
    if (record === undefined) return;
    try {
      if (await noteDamage(this.db, record)) this.#parts.onDamage(record);
    } catch (error) {
      // Who reads is given the bytes also when LevelDB takes no rows; the next check finds the damage.
      if (!isSmcError(error)) throw error;
    }
  }

  get refs(): StoredRefs {
    return this.#parts.refs;
  }

  get index(): ObjectIndex {
    return this.#parts.index;
  }

  get journal(): Journal {
    return this.#parts.journal;
  }

  get pool(): Pool {
    return this.#parts.pool;
  }

  get pins(): Pins {
    return this.#parts.pins;
  }

  get db(): Db {
    return this.#parts.db;
  }

  get readOnlyReason(): string | undefined {
    return this.#parts.journal.failure;
  }

  assertWritable(): void {
    const reason = this.readOnlyReason;
    if (reason !== undefined) {
      throw new SmcError("READ_ONLY", `the store takes no writes: ${reason}`, {
        hint: 'check it with "smc fsck --full"',
      });
    }
  }

  write(op: string): WriteSession {
    return new PackSession(this, op);
  }

  /** As `write`, for those who deal with packs and records themselves. */
  writePacks(op: string, again?: ReadonlySet<Digest>): PackSession {
    return new PackSession(this, op, again);
  }

  /** What reading packs again from time to time has found. */
  scrubState(): Promise<ScrubState> {
    return readScrubState(this);
  }

  /** Writes `format.json` as it was when the store was opened; durable when it returns. */
  restoreFormat(): Promise<void> {
    return writeFormat(this.path, this.#format);
  }

  /** Work that changes where records are, one after the other. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#alone.then(work);
    this.#alone = done.catch(() => undefined);
    return done;
  }

  /** Forgets the object index and the refs in LevelDB and builds both from packs and journal. */
  rebuild(): Promise<Recovery> {
    return this.alone(async () => {
      try {
        return await this.#rebuild("asked for", { renew: false });
      } catch (error) {
        if (!isSmcError(error, "INDEX_CORRUPT")) throw error;
        return this.#rebuild(error.message, { renew: true });
      }
    });
  }

  /**
   * Makes LevelDB anew, when it is damaged or `why` says that it must be; what is there is set aside.
   * Throws JOURNAL_CORRUPT, and changes nothing, when the journal is damaged too.
   */
  heal(why?: string): Promise<Recovery | undefined> {
    return this.alone(async () => {
      if (why === undefined && !this.#parts.db.isDamaged) return undefined;
      // Refs come from the journal: LevelDB is given up only for one that is whole.
      await this.journal.verify(new AbortController().signal);
      return this.#rebuild(why ?? "rows of LevelDB were damaged", { renew: true });
    });
  }

  /** Everybody else waits at LevelDB's gate, also with workers of the pool: this has its own. */
  async #rebuild(why: string, { renew }: { renew: boolean }): Promise<Recovery> {
    const { index, refs, db } = this.#parts;
    await using pool = new Pool();
    const done = refs.inTurn(async () => {
      using _ = await index.pause();
      return await db.whileClosed(async (rows) => {
        if (renew) await rows.renew();
        const fill = (fresh: ObjectIndex): Promise<LostPacks> =>
          reconcile({ path: this.path, index: fresh, pool }, { rebuild: true });
        const lost = await index.anew(rows, fill);
        await refs.rebuild(rows);
        this.recovery = { ...lost, rebuilt: why };
        return this.recovery;
      });
    });
    this.#rebuilding = { pool, ended: done.catch(() => undefined) };
    try {
      return await done;
    } finally {
      this.#rebuilding = undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pool, db, journal, lock } = this.#parts;
    try {
      await pool[Symbol.asyncDispose]();
      await this.#rebuilding?.pool[Symbol.asyncDispose]();
      await this.#rebuilding?.ended;
      await db[Symbol.asyncDispose]();
    } finally {
      await journal[Symbol.asyncDispose]();
      await lock.release();
    }
  }
}

/**
 * Opens the store below `path` for this process alone. Throws STORE_NOT_FOUND, STORE_LOCKED (naming the pid),
 * UNSAFE_OWNER, FORMAT_UNSUPPORTED, STORE_CORRUPT, JOURNAL_CORRUPT.
 */
export async function openStore(path: string, options: OpenOptions = {}): Promise<OwnedStore> {
  const root = await checkPath(path, options.create === true);
  if ((await readFormat(root)) === undefined && options.create !== true) throw noStore(root);
  await createFolder(join(root, "run"));
  const lock = await acquireLock(join(root, "run", "lock"));
  try {
    const format = (await readFormat(root)) ?? (await createStore(root));
    return await openParts(root, format, lock, options);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

function noStore(path: string): SmcError {
  return new SmcError("STORE_NOT_FOUND", `there is no store at '${show(path)}'`, {
    hint: 'make one with "smc init"',
  });
}

async function checkPath(path: string, create: boolean): Promise<string> {
  if (path === "") throw new SmcError("ARGUMENT_INVALID", "the path of the store is empty");
  const root = resolve(path);
  if (Buffer.byteLength(root) > PATH_BYTES_MAX) {
    throw new SmcError("PATH_INVALID", `the path of the store is longer than ${PATH_BYTES_MAX} bytes`);
  }
  if (create) await createFolder(root);
  let found;
  try {
    found = await stat(root);
  } catch (error) {
    const known = fromErrno(error, `cannot open the store '${show(root)}'`);
    throw isSmcError(known, "PATH_NOT_FOUND") ? noStore(root) : known;
  }
  if (!found.isDirectory()) throw new SmcError("STORE_NOT_FOUND", `'${show(root)}' is not a folder`);
  const uid = process.getuid?.();
  if (uid !== undefined && found.uid !== uid) {
    throw new SmcError(
      "UNSAFE_OWNER",
      `the store '${show(root)}' is owned by uid ${found.uid}, not by you (${uid})`,
    );
  }
  if (uid !== undefined && (found.mode & 0o022) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
    throw new SmcError("UNSAFE_OWNER", `the store '${show(root)}' can be written by others (mode ${mode})`, {
      hint: "take their right to write with chmod go-w",
    });
  }
  return root;
}

/** Everything but `format.json` may be half made by a predecessor that was killed: it is made anew. */
async function createStore(root: string): Promise<StoreFormat> {
  await assertNoData(root);
  const storeId = randomBytes(16).toString("hex");
  await removeTree(join(root, "db"));
  await removeTree(join(root, "journal"));
  for (const name of ["packs", "incoming", "journal", "logs"]) await createFolder(join(root, name));
  const signal = new AbortController().signal;
  await using journal = await openJournal(join(root, "journal"), { storeId, create: true, signal });
  await using db = await openDb(join(root, "db"), { storeId, create: true });
  void journal;
  void db;
  for (const folder of ["packs", "journal", "."]) await syncFolder(join(root, folder));
  await syncFolder(dirname(root));
  const format = { version: STORE_VERSION, features: [], storeId, createdMs: nowMs() };
  await writeFormat(root, format);
  return format;
}

async function assertNoData(root: string): Promise<void> {
  const isThere = await lstat(join(root, "packs")).then(
    () => true,
    () => false,
  );
  const packs = isThere ? await readdir(join(root, "packs"), { recursive: true }) : [];
  if (packs.some((name) => name.endsWith(".pack"))) {
    throw new SmcError(
      "STORE_CORRUPT",
      `'${show(root)}' holds packs but no format.json; nothing was changed`,
      {
        hint: "restore format.json from a copy of the store",
      },
    );
  }
}

/** LevelDB that turns out to be damaged only when its rows are used is set aside and made anew, once. */
async function openParts(
  root: string,
  format: StoreFormat,
  lock: Lock,
  options: OpenOptions,
): Promise<OwnedStore> {
  try {
    return await openPartsOnce(root, format, lock, options);
  } catch (error) {
    if (!isSmcError(error, "INDEX_CORRUPT")) throw error;
    await setAside(join(root, "db"));
    return openPartsOnce(root, format, lock, options);
  }
}

async function openPartsOnce(
  root: string,
  format: StoreFormat,
  lock: Lock,
  options: OpenOptions,
): Promise<OwnedStore> {
  const { storeId } = format;
  await removeTree(join(root, "incoming"));
  for (const name of ["packs", "incoming"]) await createFolder(join(root, name));
  const opened = await openDbOrAnew(root, storeId);
  const db = new GatedDb(opened.db);
  const pool = new Pool();
  let journal: Journal | undefined;
  try {
    const signal = new AbortController().signal;
    journal = await openJournal(join(root, "journal"), { storeId, signal, applied: await db.applied() });
    const index = await ObjectIndex.open(db);
    const pins = new Pins();
    const refs = await createRefStore({ db, journal, pins });
    await recordInterrupted({ path: root, journal, refs });
    const rebuild = options.rebuild === true || opened.rebuilt !== undefined || !isWhole(index, db);
    const lost = await reconcile({ path: root, index, pool }, { rebuild });
    const rebuilt = opened.rebuilt ?? (rebuild ? "rows of the object index were missing" : undefined);
    const onDamage = (record: DamagedRecord): void => options.onDamage?.(record);
    const parts = { lock, db, journal, pool, index, refs, pins, onDamage };
    return new OwnedStore(root, format, parts, { ...lost, rebuilt });
  } catch (error) {
    await pool[Symbol.asyncDispose]();
    await journal?.[Symbol.asyncDispose]();
    await db[Symbol.asyncDispose]();
    throw error;
  }
}

/** After a power cut parts of LevelDB's logs may be gone: every pack must have all its rows. */
function isWhole(index: ObjectIndex, db: Db): boolean {
  if (index.wasCleared) return false;
  const counts = db.placeCounts;
  if (counts === undefined) return true;
  const packs = index.packs().filter(({ count }) => count > 0);
  // Rows of a pack whose own row is gone name it by a number that nobody knows.
  return counts.size === packs.length && packs.every(({ no, count }) => counts.get(no) === count);
}

/** Opens LevelDB; when it is gone or damaged, sets it aside and makes an empty one to be filled again. */
async function openDbOrAnew(root: string, storeId: string): Promise<{ db: Db; rebuilt: string | undefined }> {
  const path = join(root, "db");
  try {
    return { db: await openDb(path, { storeId, create: false }), rebuilt: undefined };
  } catch (error) {
    if (!isSmcError(error, "INDEX_CORRUPT")) throw error;
    await setAside(path);
    return { db: await openDb(path, { storeId, create: true }), rebuilt: error.message };
  }
}
