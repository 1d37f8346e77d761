/**
 * Brings records of a remote into the store. What arrives lies in `incoming/` until every record of it was decoded and
 * has the SHA-256 that it should have, and until what it is a difference to is stored: then it is durable and found.
 * Each pack on its own, so that after a kill only what was on its way is fetched again.
 */
import type { Call } from "../call.ts";
import type { ChunklistPlace } from "../db/object-index.ts";
import { ERRORS, isSmcError, SmcError } from "../errors.ts";
import { removeFile } from "../fs.ts";
import { inLanes } from "../lanes.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { indexPack, placePacks, readChunklists } from "../pack/folder.ts";
import { recordBytes, type RecordRow } from "../pack/format.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import type { PackContents } from "../pack/reader.ts";
import { READS_MAX, readsOf } from "./chains.ts";
import { type Arrived, Downloads } from "./downloads.ts";
import { parentsOfPack, tooMany } from "./pack-parents.ts";
import { assertRemoteRow, type PackSource, type RemoteRow } from "./remote.ts";

/** Packs on their way at a time. */
const LANES = 4;

export class Intake implements AsyncDisposable {
  objects = 0;
  readonly #store: OwnedStore;
  readonly #remote: PackSource;
  readonly #call: Call;
  readonly #downloads: Downloads;
  #waiting: Arrived[] = [];
  #settling: Promise<unknown> = Promise.resolve();

  constructor(store: OwnedStore, remote: PackSource, call: Call) {
    this.#store = store;
    this.#remote = remote;
    this.#call = call;
    this.#downloads = new Downloads({ store, remote }, call);
  }

  get receivedBytes(): number {
    return this.#downloads.receivedBytes;
  }

  /**
   * Fetches these records, which the store does not have; durable and verified when it returns. Throws OBJECT_CORRUPT
   * for what is not what it should be, REMOTE_INCOMPLETE when a difference comes without what it is a difference to.
   */
  async take(rows: readonly RemoteRow[]): Promise<void> {
    this.#store.assertWritable();
    const byPack = new Map<Digest, RemoteRow[]>();
    for (const row of rows) {
      assertRemoteRow(row);
      const known = byPack.get(row.pack);
      if (known === undefined) byPack.set(row.pack, [row]);
      else known.push(row);
      this.#downloads.expect(row);
    }
    await inLanes([...byPack], LANES, async ([pack, wanted]) => {
      const came = await this.#downloads.take(pack, await this.#wholeOrWanted(pack, wanted));
      const arrived = this.#remote.isPlain === true ? { ...came, isWhole: false } : came;
      this.#waiting.push(await this.#verify(arrived));
      await this.#settle(false);
    });
    while (this.#waiting.length > 0) await this.#settle(true);
  }

  /**
   * A pack that can be had without a copy is taken whole when what else is in it is stored, and less than what is
   * wanted.
   */
  async #wholeOrWanted(pack: Digest, wanted: readonly RemoteRow[]): Promise<readonly RemoteRow[]> {
    const all = this.#remote.rowsOf?.(pack) ?? [];
    const asked = new Set(wanted.map(({ digest }) => digest));
    const rest = all.filter(({ digest }) => !asked.has(digest));
    if (rest.length === 0 || bytesOf(rest) > bytesOf(wanted)) return wanted;
    const digests = rest.map(({ digest }) => digest);
    this.#store.pins.add(digests);
    const places = await this.#store.index.findMany(digests);
    return places.every((place) => place !== undefined) ? all : wanted;
  }

  /**
   * Compares the records of a whole pack with their SHA-256s, beside others; later when one is a difference to what is
   * not here yet.
   */
  async #verify(arrived: Arrived): Promise<Arrived> {
    if (!arrived.isWhole) return arrived;
    if (this.#remote.isVerified?.(arrived.pack) === true) return { ...arrived, isVerified: true };
    using _ = this.#store.objects.readers.enter();
    try {
      const { rows } = await this.#contents(arrived);
      const parents = await parentsOfPack(this.#store, { path: arrived.path, rows });
      if (parents === undefined) return arrived;
      await this.#verifyWhole(arrived.path, parents);
      return { ...arrived, isVerified: true };
    } catch (error) {
      throw this.#named(error, arrived.pack);
    }
  }

  /** One at a time: stores what has arrived and whose parents are there. At the end something must become ready. */
  async #settle(isEnd: boolean): Promise<void> {
    const turn = this.#settling.then(async () => {
      let isBetter = false;
      for (const arrived of this.#waiting.splice(0)) {
        const left = await this.#admit(arrived, isEnd && !isBetter);
        if (left === undefined || left.rows.length < arrived.rows.length) isBetter = true;
        if (left !== undefined) this.#waiting.push(left);
      }
      if (isEnd && !isBetter && this.#waiting.length > 0) throw this.#incomplete();
    });
    this.#settling = turn.catch(() => undefined);
    await turn;
  }

  #incomplete(): SmcError {
    const row = this.#waiting[0]?.rows[0];
    return new SmcError(
      "REMOTE_INCOMPLETE",
      `${this.#remote.url} lacks what ${row?.digest ?? "a record"} is a difference to; no ref was moved`,
    );
  }

  /** What cannot be stored yet. With `apart`, a whole pack may be taken apart: two packs may need each other. */
  async #admit(arrived: Arrived, apart: boolean): Promise<Arrived | undefined> {
    using _ = this.#store.objects.readers.enter();
    try {
      if (arrived.isWhole) {
        if (await this.#publishWhole(arrived)) return undefined;
        if (!apart) return arrived;
      }
      return await this.#publishRecords(arrived);
    } catch (error) {
      throw this.#named(error, arrived.pack);
    }
  }

  #named(error: unknown, pack: Digest): unknown {
    if (!isSmcError(error) || error.exit !== 4) return error;
    const message = `pack ${pack} of ${this.#remote.url} is damaged: ${error.message}; no ref was moved`;
    return new SmcError("OBJECT_CORRUPT", message, {
      // Packs that can be given away were pushed here: then it is told to who pushed them.
      hint:
        this.#remote.movePack === undefined
          ? ERRORS.REMOTE_INCOMPLETE.hint
          : "push again from a store that has it whole",
      details: { pack },
      cause: error,
    });
  }

  /** False when a parent is not stored yet. */
  async #publishWhole(arrived: Arrived): Promise<boolean> {
    const store = this.#store;
    const { path, pack, rows, isVerified } = arrived;
    const contents = await this.#contents(arrived);
    const parents = await parentsOfPack(store, { path, rows: contents.rows });
    if (parents === undefined) return false;
    if (isVerified !== true) await this.#verifyWhole(path, parents);
    // What cannot be read must not get among the packs of the store.
    assertLists(await readChunklists(store.pool, path, contents.rows), rows);
    await placePacks(store.path, [{ name: pack, path }]);
    await indexPack(store, contents);
    this.objects += contents.rows.length;
    return true;
  }

  /** Throws PACK_CORRUPT for another pack than was asked for. */
  async #contents({ path, pack, rows }: Arrived): Promise<PackContents> {
    const contents = await this.#store.pool.run("contents", { pack: path }, { signal: this.#call.signal });
    if (contents.name !== pack) throw new SmcError("PACK_CORRUPT", `it is called ${contents.name}`);
    const inside = new Map(contents.rows.map((row) => [row.digest, row]));
    if (inside.size === rows.length && rows.every(({ digest, kind }) => inside.get(digest)?.kind === kind))
      return contents;
    throw new SmcError("PACK_CORRUPT", "it does not hold what its index says");
  }

  /** Throws PACK_CORRUPT. */
  async #verifyWhole(pack: string, parents: ReadonlyMap<Digest, readonly ChunkPlace[]>): Promise<void> {
    const task = { signal: this.#call.signal };
    const [problem] = await this.#store.pool.run("verifyPack", { pack, parents }, task);
    if (problem !== undefined) throw new SmcError("PACK_CORRUPT", problem.message);
  }

  /** Stores the records whose parents are stored; the others are left. */
  async #publishRecords(arrived: Arrived): Promise<Arrived | undefined> {
    const needed = [...new Set(arrived.rows.flatMap(({ parents }) => parents ?? []))];
    this.#store.pins.add(needed);
    const there = await this.#store.objects.placesOf(needed);
    const isReady = ({ parents = [] }: RecordRow): boolean => parents.every((parent) => there.has(parent));
    const ready = arrived.rows.filter(isReady);
    const reads = new Map<ChunkPlace, number>();
    for (const { digest, parents = [] } of ready) {
      const places = parents.map((parent) => there.get(parent)).filter((place) => place !== undefined);
      if (places.reduce((sum, place) => sum + readsOf(place, reads), 1) > READS_MAX) throw tooMany(digest);
    }
    if (ready.length > 0) {
      assertLists(await readChunklists(this.#store.pool, arrived.path, ready), ready);
      await using session = this.#store.writePacks("fetch");
      const encode = this.#remote.isPlain === true;
      await session.copyFrom(arrived.path, { rows: ready, encode }, this.#call);
      await session.finish();
      this.objects += ready.length;
    }
    const rows = arrived.rows.filter((row) => !isReady(row));
    if (rows.length > 0) return { ...arrived, isWhole: false, rows };
    await removeFile(arrived.path);
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#downloads[Symbol.asyncDispose]();
  }
}

function bytesOf(rows: readonly RecordRow[]): number {
  return rows.reduce((sum, { storedBytes }) => sum + recordBytes(storedBytes), 0);
}

/** A list that describes another blob than it was asked for would take the place of that blob's own. */
function assertLists(lists: readonly ChunklistPlace[], rows: readonly RemoteRow[]): void {
  const blobs = new Map(rows.map(({ digest, blob }) => [digest, blob]));
  const other = lists.find(({ digest, blob }) => blobs.get(digest) !== blob);
  if (other !== undefined)
    throw new SmcError(
      "OBJECT_CORRUPT",
      `chunklist ${other.digest} is not that of the blob it was named for`,
    );
}
