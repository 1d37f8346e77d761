/**
 * What one client has put and no ref needs yet: packs in a folder of their own, `quarantine/<client>/` below the store.
 * Nobody else finds them. Each record was compared with its SHA-256 when it arrived, but where it is a difference to
 * what was not here yet, and what was put before the store was opened.
 */
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Call, orCanceled, throwIfCanceled } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { createFolder, removeTree, renamePath, syncFolder } from "../fs.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { packAt, readChunklists } from "../pack/folder.ts";
import type { PackProblem } from "../pack/reader.ts";
import type { ByteRange } from "../store.ts";
import { type IncomingPack, writeBody } from "./incoming-body.ts";
import { parentsOfPack } from "./pack-parents.ts";
import { readPieces, statOrGone } from "./pack-pieces.ts";
import type { QuarantineRoom, RoomRules } from "./quarantine-room.ts";
import { assertRemoteRow, type PackFile, type RemoteRow } from "./remote.ts";

/** Packs that one client may have there. */
export const QUARANTINE_PACKS_MAX = 10_000;
/** Records in them; each takes about 300 bytes of memory. As many as one push may send. */
const QUARANTINE_RECORDS_MAX = 1_000_000;
const NEVER = new AbortController().signal;

/** Who has sent a pack and hears nothing for long gives up: after so much time it is verified when refs move. */
const VERIFY_MS_MAX = 10_000;

export interface QuarantineParts {
  readonly store: OwnedStore;
  readonly room: QuarantineRoom;
  readonly folder: string;
  /** Whoever puts a pack waits for its verification until this aborts; 10 s when left out. */
  readonly patience?: () => AbortSignal;
}

/** A pack that lies here. */
export interface HeldPack extends PackFile {
  /** Every record of it was compared with its SHA-256 since it was written. */
  readonly isVerified: boolean;
}

export class Quarantine {
  readonly #parts: QuarantineParts;
  readonly #packs = new Map<Digest, HeldPack>();
  readonly #rows = new Map<Digest, RemoteRow>();
  /** Chunklists by their blobs. */
  readonly #lists = new Map<Digest, RemoteRow>();
  #records = 0;
  #loaded: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #placing: Promise<unknown> = Promise.resolve();

  constructor(parts: QuarantineParts) {
    this.#parts = parts;
  }

  /** Learns what lies in the folder; what is no good pack, or was cut off, is removed. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  async #load(): Promise<void> {
    const { folder } = this.#parts;
    for (const name of await namesIn(folder)) {
      const path = join(folder, name);
      const pack = packAt(path);
      try {
        if (pack === undefined) await this.#remove(path);
        else await this.#learn(path, pack);
      } catch (error) {
        if (!isBad(error) && !isSmcError(error, "QUOTA_EXCEEDED")) throw error;
        await this.#remove(path);
      }
    }
  }

  async #learn(path: string, name: Digest): Promise<void> {
    const pack = await this.#read(path, name);
    this.#assertFits(pack);
    this.#add({ ...pack, isVerified: false });
  }

  /** One after the other: what moves packs out of here, and what removes them. */
  async inTurn<T>(work: () => Promise<T>, call: Call): Promise<T> {
    const before = this.#turn;
    const done = before.then(() => {
      throwIfCanceled(call);
      return work();
    });
    this.#turn = done.catch(() => undefined);
    await orCanceled(before, call);
    return done;
  }

  /**
   * One after the other, and none takes long: what gives a file a pack's name, or takes it away. So what is known of a
   * pack is always about the file that has its name.
   */
  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#placing.then(work);
    this.#placing = done.catch(() => undefined);
    return done;
  }

  row(digest: Digest): RemoteRow | undefined {
    return this.#rows.get(digest);
  }

  /** The chunklist of a blob, as it says itself. */
  list(blob: Digest): RemoteRow | undefined {
    return this.#lists.get(blob);
  }

  pack(name: Digest): HeldPack | undefined {
    return this.#packs.get(name);
  }

  /** Paths of the packs that are not verified. */
  unverified(): ReadonlySet<string> {
    return new Set([...this.#packs.values()].flatMap(({ path, isVerified }) => (isVerified ? [] : [path])));
  }

  /** Where a pack lies that is here. */
  pathOf(name: Digest): string {
    return join(this.#parts.folder, `${name}.pack`);
  }

  /** Commits, trees and tags of a pack. */
  objectsOf(name: Digest): RemoteRow[] {
    const rows = this.#packs.get(name)?.rows ?? [];
    return rows.filter(({ kind }) => kind !== "chunk" && kind !== "chunklist");
  }

  /**
   * Stores a pack under its name; durable when it returns true. False when it was here already: the body was not read
   * then. Throws OBJECT_INVALID for a body that is not that pack, or in which a record that stands alone is not what
   * its digest says; QUOTA_EXCEEDED. Nothing of it is kept then.
   */
  async put(pack: IncomingPack, rules: RoomRules, call: Call): Promise<boolean> {
    const { folder, room } = this.#parts;
    if (this.#packs.has(pack.name)) return false;
    if (this.#packs.size >= QUARANTINE_PACKS_MAX) throw tooMuch(`${QUARANTINE_PACKS_MAX} packs`);
    using reserved = await room.reserve(pack.sizeBytes, rules);
    const temporary = join(folder, `${pack.name}-${randomBytes(6).toString("hex")}.tmp`);
    try {
      await this.#createFolder();
      await writeBody(temporary, { pack, reserved }, call);
      const held = await this.#read(temporary, pack.name);
      this.#assertFits(held);
      const isVerified = await this.#verify(held, call);
      throwIfCanceled(call);
      await this.#inOrder(async () => {
        // Somebody else may have put it meanwhile. That one stays: it may be verified, and this one not.
        if (this.#packs.has(pack.name)) return removeTree(temporary);
        const path = this.pathOf(pack.name);
        await renamePath(temporary, path);
        await syncFolder(folder);
        this.#add({ ...held, path, isVerified });
        reserved.keep();
      });
      return true;
    } catch (error) {
      // What failed first is what is told; the sweep removes what is left.
      await removeTree(temporary).catch(() => undefined);
      throw isBad(error) ? notThatPack(pack.name, error) : error;
    }
  }

  async #createFolder(): Promise<void> {
    const { folder, store } = this.#parts;
    await createFolder(folder);
    await syncFolder(dirname(folder));
    await syncFolder(store.path);
  }

  /** What a file holds, by its footer and its lists. Throws PACK_CORRUPT, OBJECT_CORRUPT, OBJECT_INVALID. */
  async #read(path: string, name: Digest): Promise<PackFile> {
    const { pool } = this.#parts.store;
    const contents = await pool.run("contents", { pack: path }, { signal: NEVER });
    if (contents.name !== name) throw new SmcError("PACK_CORRUPT", `it is called ${contents.name}`);
    const lists = await readChunklists(pool, path, contents.rows);
    const blobs = new Map(lists.map(({ digest, blob }) => [digest, blob]));
    const rows = contents.rows.map((row): RemoteRow => {
      const blob = blobs.get(row.digest);
      return { ...row, pack: name, ...(blob === undefined ? {} : { blob }) };
    });
    for (const row of rows) assertSound(row);
    return { path, name, sizeBytes: contents.sizeBytes, rows };
  }

  /**
   * False when that cannot be told yet, of differences, or takes long, because others wait for the same workers. Throws
   * OBJECT_CORRUPT.
   */
  async #verify(pack: PackFile, call: Call): Promise<boolean> {
    const late = this.#parts.patience?.() ?? AbortSignal.timeout(VERIFY_MS_MAX);
    const signal = AbortSignal.any([call.signal, late]);
    try {
      return await orCanceled(this.#verifyRecords(pack, signal), { ...call, signal });
    } catch (error) {
      if (isSmcError(error, "CANCELED") && !call.signal.aborted) return false;
      throw error;
    }
  }

  async #verifyRecords({ path, name, rows }: PackFile, signal: AbortSignal): Promise<boolean> {
    const { store } = this.#parts;
    // The packs of the store that differences of this one are read with stay meanwhile.
    using _ = store.objects.readers.enter();
    const parents = await parentsOfPack(store, { path, rows });
    if (parents === undefined) return false;
    const problems = await store.pool.run("verifyPack", { pack: path, name, parents }, { signal });
    const differences = new Set<unknown>(parents.keys());
    // Of a difference it may be the other record that is damaged.
    const problem = problems.find(({ digest }) => !differences.has(digest));
    if (problem !== undefined) throw damagedIn(problem);
    return problems.length === 0;
  }

  #assertFits({ rows }: PackFile): void {
    if (this.#packs.size >= QUARANTINE_PACKS_MAX) throw tooMuch(`${QUARANTINE_PACKS_MAX} packs`);
    if (this.#records + rows.length > QUARANTINE_RECORDS_MAX)
      throw tooMuch(`${QUARANTINE_RECORDS_MAX} objects`);
  }

  #add(pack: HeldPack): void {
    this.#records += pack.rows.length;
    this.#packs.set(pack.name, pack);
    for (const row of pack.rows) {
      this.#rows.set(row.digest, row);
      if (row.blob !== undefined) this.#lists.set(row.blob, row);
    }
  }

  /** From now on it is not found. */
  #forget(name: Digest): void {
    const pack = this.#packs.get(name);
    if (pack === undefined) return;
    this.#packs.delete(name);
    this.#records -= pack.rows.length;
    for (const { digest, blob } of pack.rows) {
      if (this.#rows.get(digest)?.pack === name) this.#rows.delete(digest);
      if (blob !== undefined && this.#lists.get(blob)?.pack === name) this.#lists.delete(blob);
    }
  }

  drop(name: Digest): Promise<void> {
    return this.#inOrder(async () => {
      this.#forget(name);
      await this.#remove(this.pathOf(name));
    });
  }

  /** Removes the packs `bad`, and all in which something is a difference to what is lost, or is lost by that. */
  async dropWithout(lost: Set<unknown>, bad: readonly Digest[]): Promise<void> {
    for (let names = [...bad]; names.length > 0 || lost.size > 0;) {
      for (const name of names) {
        for (const { digest } of this.#packs.get(name)?.rows ?? []) lost.add(digest);
        await this.drop(name);
      }
      names = [...this.#packs.values()].filter((pack) => needsAny(pack, lost)).map(({ name }) => name);
      if (names.length === 0) return;
    }
  }

  /** Moves a pack out of here and returns what it held. */
  move(name: Digest, path: string): Promise<HeldPack> {
    return this.#inOrder(async () => {
      const pack = this.#packs.get(name);
      if (pack === undefined) throw goneFromHere(name);
      this.#forget(name);
      await renamePath(pack.path, path);
      this.#parts.room.release(pack.sizeBytes);
      return pack;
    });
  }

  async *readPack(name: Digest, range: ByteRange, call: Call): AsyncIterable<Uint8Array> {
    const pack = this.#packs.get(name);
    if (pack === undefined) throw goneFromHere(name);
    yield* readPieces(pack.path, { pack: name, range }, call);
  }

  /** What is in `packs/` by now, every record of it, is not kept here. */
  async removeStored(call: Call): Promise<void> {
    const { store } = this.#parts;
    for (const { name, rows } of this.#packs.values()) {
      const digests = rows.map(({ digest }) => digest);
      store.pins.add(digests);
      if ((await store.index.findMany(digests)).every((place) => place !== undefined)) await this.drop(name);
      throwIfCanceled(call);
    }
  }

  /** Removes files that were last written before. */
  async sweep(beforeMs: number): Promise<number> {
    const { folder } = this.#parts;
    let count = 0;
    for (const name of await namesIn(folder)) {
      const path = join(folder, name);
      const found = await statOrGone(path);
      if (found === undefined || found.mtimeMs >= beforeMs) continue;
      const pack = packAt(path);
      if (pack !== undefined) this.#forget(pack);
      await this.#remove(path);
      count += 1;
    }
    return count;
  }

  async #remove(path: string): Promise<void> {
    const found = await statOrGone(path);
    await removeTree(path);
    if (found !== undefined) this.#parts.room.release(found.size);
  }
}

function needsAny({ rows }: PackFile, lost: ReadonlySet<unknown>): boolean {
  return rows.some(({ parents }) => parents?.some((parent) => lost.has(parent)) === true);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const known = fromErrno(error, "cannot list what is in quarantine");
    if (isSmcError(known, "PATH_NOT_FOUND")) return [];
    throw known;
  }
}

/** The bytes are wrong, whoever is to blame; not that the disk does not give them. */
function isBad(error: unknown): error is SmcError {
  return isSmcError(error) && error.exit === 4;
}

function damagedIn({ digest, message }: PackProblem): SmcError {
  return new SmcError("OBJECT_CORRUPT", digest === undefined ? message : `${digest}: ${message}`);
}

function assertSound(row: RemoteRow): void {
  try {
    assertRemoteRow(row);
  } catch (error) {
    if (!isSmcError(error, "REMOTE_FAILED")) throw error;
    throw new SmcError("PACK_CORRUPT", `what it says of ${row.digest} cannot be true`, { cause: error });
  }
}

function notThatPack(name: Digest, error: SmcError): SmcError {
  const message = `pack ${name} cannot be taken: ${error.message}; nothing of it was kept`;
  return new SmcError("OBJECT_INVALID", message, { details: { pack: name }, cause: error });
}

function tooMuch(what: string): SmcError {
  const message = `more than ${what} of pushes that did not end wait here; nothing of this one was kept`;
  return new SmcError("QUOTA_EXCEEDED", message, {
    hint: "end those pushes, or wait: what they left goes after 7 days",
  });
}

export function goneFromHere(name: Digest): SmcError {
  return new SmcError("REMOTE_INCOMPLETE", `pack ${name} of the push is no longer there; no ref was moved`, {
    hint: "run the command again",
    details: { pack: name },
  });
}
