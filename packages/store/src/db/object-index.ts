/**
 * Where every record is: digest → pack and offset, in LevelDB. Everything here can be rebuilt from the packs.
 * Keys and values are described in docs/design/format.md.
 */
import { breathe, type Call, createPacer } from "../call.ts";
import type { Db, DbChange } from "./db.ts";
import { type Digest, digestFromBytes, digestToBytes } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import {
  copyKey,
  decodePlace,
  DIGEST_BYTES,
  encodeNameAndSizes,
  encodePlace,
  key,
  type Place,
  TAG,
} from "./object-rows.ts";
import { recordBytes, type RecordKind, type RecordRow } from "../pack/format.ts";

import { type IndexedPack, PackRows } from "./pack-rows.ts";

export type { IndexedPack } from "./pack-rows.ts";
export type { Place } from "./object-rows.ts";

/** A chunklist of a pack and the blob it describes. */
export interface ChunklistPlace {
  readonly digest: Digest;
  readonly blob: Digest;
  readonly sizeBytes: number;
}

/** Rows that are read or written in one turn of the event loop: LevelDB's binding takes about 20 µs for each. */
const BATCH_ROWS = 250;

function decodeChunklistRow(value: Uint8Array): { digest: Digest; sizeBytes: number } {
  const row = Buffer.from(value.buffer, value.byteOffset, value.length);
  return { digest: digestFromBytes(row.subarray(0, 32)), sizeBytes: row.readUIntBE(32, 6) };
}

export class ObjectIndex {
  readonly #db: Db;
  readonly #packs: PackRows;
  readonly #condemned = new Set<number>();
  #changes: Promise<unknown> = Promise.resolve();

  /** Removing all rows was cut off: what is left belongs to nothing. */
  readonly wasCleared: boolean;

  private constructor(db: Db, packs: PackRows, wasCleared: boolean) {
    this.#db = db;
    this.#packs = packs;
    this.wasCleared = wasCleared;
  }

  static async open(db: Db): Promise<ObjectIndex> {
    const wasCleared = (await db.get(key(TAG.cleared))) !== undefined;
    return new ObjectIndex(db, await PackRows.open(db), wasCleared);
  }

  packs(): IndexedPack[] {
    return this.#packs.whole();
  }

  /** Packs that have only some of their rows: adding or forgetting them was cut off. Adding them makes them whole. */
  partialPacks(): Digest[] {
    return this.#packs.partial();
  }

  /** True for a pack of `packs()`. */
  hasPack(name: Digest): boolean {
    return this.#packs.isWhole(name);
  }

  packName(no: number): Digest {
    return this.#packs.nameOf(no);
  }

  async find(digest: Digest): Promise<Place | undefined> {
    const [place] = await this.findMany([digest]);
    return place;
  }

  async findMany(digests: readonly Digest[]): Promise<(Place | undefined)[]> {
    return (await this.#rows(digests)).map((place) =>
      place === undefined || this.#condemned.has(place.pack) ? undefined : place,
    );
  }

  /** Condemned packs included. */
  async #rows(digests: readonly Digest[]): Promise<(Place | undefined)[]> {
    const places: (Place | undefined)[] = [];
    for (let from = 0; from < digests.length; from += BATCH_ROWS) {
      if (from > 0) await breathe();
      const keys = digests
        .slice(from, from + BATCH_ROWS)
        .map((digest) => key(TAG.place, digestToBytes(digest)));
      for (const value of await this.#db.getMany(keys))
        places.push(value === undefined ? undefined : decodePlace(value));
    }
    return places;
  }

  /** One after the other: what was read is still so when the rows that follow from it are written. */
  #exclusive<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#changes.then(action);
    this.#changes = done.catch(() => undefined);
    return done;
  }

  /** Further copies of a record, for when its first one is damaged. */
  async findCopies(digest: Digest): Promise<Place[]> {
    const places: Place[] = [];
    const prefix = digestToBytes(digest);
    const end = key(TAG.copy, prefix, Buffer.alloc(5, 0xff));
    for await (const [, value] of this.#db.iterate({ gte: key(TAG.copy, prefix), lt: end })) {
      places.push(decodePlace(value));
    }
    return places.filter(({ pack }) => !this.#condemned.has(pack));
  }

  async findChunklist(blob: Digest): Promise<{ digest: Digest; sizeBytes: number } | undefined> {
    const [found] = await this.findChunklists([blob]);
    return found;
  }

  /** In order; undefined for a blob that has none: it is one chunk, or not there. */
  async findChunklists(
    blobs: readonly Digest[],
  ): Promise<({ digest: Digest; sizeBytes: number } | undefined)[]> {
    const values = await this.#db.getMany(blobs.map((blob) => key(TAG.blob, digestToBytes(blob))));
    const rows = values.map((value) => (value === undefined ? undefined : decodeChunklistRow(value)));
    if (this.#condemned.size === 0) return rows;
    const lists = rows.flatMap((row) => row?.digest ?? []);
    const places = await this.findMany(lists);
    const isThere = new Set(lists.filter((_, index) => places[index] !== undefined));
    return rows.map((row) => (row !== undefined && isThere.has(row.digest) ? row : undefined));
  }

  /** All blobs that have a chunklist, and those. */
  async *chunkedBlobs(): AsyncIterable<{ blob: Digest; list: Digest }> {
    for await (const [rowKey, value] of this.#db.iterate({ gte: key(TAG.blob), lt: key(TAG.blob + 1) })) {
      yield { blob: digestFromBytes(rowKey.subarray(1)), list: decodeChunklistRow(value).digest };
    }
  }

  /** Digests that start with these hex digits, at most `limit`. */
  async findPrefix(hex: string, limit: number): Promise<{ digest: Digest; kind: RecordKind | "blob" }[]> {
    const found = new Map<Digest, RecordKind | "blob">();
    const lowest = Buffer.from(hex.padEnd(64, "0"), "hex");
    const highest = Buffer.from(hex.padEnd(64, "f"), "hex");
    for (const tag of [TAG.blob, TAG.place]) {
      const range = { gte: key(tag, lowest), lt: key(tag, highest, Uint8Array.of(0)), limit };
      for await (const [rowKey, value] of this.#db.iterate(range)) {
        const digest = digestFromBytes(rowKey.subarray(1, 33));
        if (!found.has(digest)) found.set(digest, tag === TAG.blob ? "blob" : decodePlace(value).kind);
      }
    }
    return [...found].slice(0, limit).map(([digest, kind]) => ({ digest, kind }));
  }

  /**
   * Adds a published pack, or the rest of one; only with its last row the index knows it as whole.
   * Not synced: a lost tail is found again from the packs folder.
   */
  async addPack(
    pack: { name: Digest; sizeBytes: number; rows: readonly RecordRow[] },
    chunklists: readonly ChunklistPlace[],
    options: { replace?: boolean } = {},
  ): Promise<void> {
    using _ = await this.#packs.enter();
    const { name, sizeBytes } = pack;
    // A rebuild found it in its place meanwhile.
    if (this.#packs.isWhole(name)) return;
    const added = await this.#packs.beginToAdd({ name, sizeBytes, count: pack.rows.length });
    for (let from = 0; from < pack.rows.length; from += BATCH_ROWS) {
      await this.#addRows(added.no, pack.rows.slice(from, from + BATCH_ROWS), options.replace === true);
      await breathe();
    }
    for (let from = 0; from < chunklists.length; from += BATCH_ROWS) {
      const changes = chunklists.slice(from, from + BATCH_ROWS).map((list): DbChange => ({
        type: "put",
        key: key(TAG.blob, digestToBytes(list.blob)),
        value: encodeNameAndSizes(list.digest, list.sizeBytes, 0),
      }));
      await this.#exclusive(() => this.#db.batch(changes, { sync: false }));
      await breathe();
    }
    await this.#packs.markWhole(added);
  }

  #addRows(no: number, rows: readonly RecordRow[], replace: boolean): Promise<void> {
    return this.#exclusive(() => this.#putRows(no, rows, replace));
  }

  async #putRows(no: number, rows: readonly RecordRow[], replace: boolean): Promise<void> {
    const known = await this.findMany(rows.map(({ digest }) => digest));
    const changes = rows.flatMap((row, index): DbChange[] => {
      const digest = digestToBytes(row.digest);
      const place = { ...row, pack: no };
      const old = known[index];
      const asPlace: DbChange = { type: "put", key: key(TAG.place, digest), value: encodePlace(place) };
      if (old === undefined || old.pack === no) return [asPlace];
      // A record that stands alone is read before a difference: two differences must never need each other.
      if (replace || (old.parents !== undefined && row.parents === undefined)) {
        return [asPlace, { type: "put", key: copyKey(digest, old.pack), value: encodePlace(old) }];
      }
      return [{ type: "put", key: copyKey(digest, no), value: encodePlace(place) }];
    });
    for (const parent of new Set(rows.flatMap(({ parents }) => parents ?? [])))
      changes.push({ type: "put", key: key(TAG.needed, digestToBytes(parent)), value: Uint8Array.of(1) });
    await this.#db.batch(changes, { sync: false });
  }

  /**
   * Which of these a difference is, or was, stored against. Such a chunk must stay as it is: were it to become a
   * difference itself, chains would grow beyond their limit, and two chunks could come to need each other.
   */
  async neededMany(digests: readonly Digest[]): Promise<boolean[]> {
    const values = await this.#db.getMany(digests.map((digest) => key(TAG.needed, digestToBytes(digest))));
    return values.map((value) => value !== undefined);
  }

  /** How many records of each pack are those that are read, and how many bytes they take. */
  async usage(call: Call): Promise<Map<number, { count: number; storedBytes: number }>> {
    const pace = createPacer(call);
    const usage = new Map<number, { count: number; storedBytes: number }>();
    for await (const [, value] of this.#db.iterate({ gte: key(TAG.place), lt: key(TAG.place + 1) })) {
      const { pack, storedBytes } = decodePlace(value);
      const sum = usage.get(pack) ?? { count: 0, storedBytes: 0 };
      usage.set(pack, { count: sum.count + 1, storedBytes: sum.storedBytes + recordBytes(storedBytes) });
      await pace();
    }
    return usage;
  }

  /**
   * Forgets a pack whose records are all read from elsewhere; durable when it returns. Throws INDEX_CORRUPT, and
   * forgets nothing, when one of `rows`, which are all of its records, is still read from it.
   */
  async removePack(no: number, rows: readonly RecordRow[]): Promise<void> {
    await this.#exclusive(() => this.#assertUnread(no, rows));
    await this.#packs.beginToForget(no);
    for (let from = 0; from < rows.length; from += BATCH_ROWS) {
      const changes = rows.slice(from, from + BATCH_ROWS).map(({ digest }): DbChange => ({
        type: "del",
        key: copyKey(digestToBytes(digest), no),
      }));
      await this.#exclusive(() => this.#db.batch(changes, { sync: false }));
      await breathe();
    }
    await this.#packs.remove(no);
  }

  async #assertUnread(no: number, rows: readonly RecordRow[]): Promise<void> {
    const places = await this.#rows(rows.map(({ digest }) => digest));
    const kept = rows.find((_, index) => places[index] === undefined || places[index].pack === no);
    if (kept !== undefined)
      throw new SmcError("INDEX_CORRUPT", `${kept.digest} has no other place than the pack to be removed`);
  }

  /** From now on, and at once, nothing is found in these packs; who has found something there already may read it. */
  condemn(packs: readonly number[]): void {
    for (const no of packs) this.#condemned.add(no);
  }

  /** Takes `condemn` back. */
  pardon(packs: readonly number[]): void {
    for (const no of packs) this.#condemned.delete(no);
  }

  /**
   * Forgets a condemned pack, whatever is in it; durable when it returns. `digests` are those of all of its records;
   * a record that has a copy in another pack is read from there. A list of chunks goes together with its blob (from
   * `condemnedLists`): one that is stored again is found only when it is not there.
   */
  async forgetPack(
    no: number,
    digests: readonly Digest[],
    lists: ReadonlyMap<Digest, Digest>,
  ): Promise<void> {
    await this.#packs.beginToForget(no);
    for (let from = 0; from < digests.length; from += BATCH_ROWS) {
      await this.#exclusive(() => this.#forgetRows(no, digests.slice(from, from + BATCH_ROWS), lists));
      await breathe();
    }
    await this.#packs.remove(no);
    this.#condemned.delete(no);
  }

  async #forgetRows(
    no: number,
    digests: readonly Digest[],
    lists: ReadonlyMap<Digest, Digest>,
  ): Promise<void> {
    const places = await this.#rows(digests);
    const changes: DbChange[] = [];
    for (const [index, digest] of digests.entries()) {
      const bytes = digestToBytes(digest);
      changes.push({ type: "del", key: copyKey(bytes, no) });
      if (places[index]?.pack !== no) continue;
      const [copy] = await this.findCopies(digest);
      if (copy === undefined) {
        changes.push({ type: "del", key: key(TAG.place, bytes) });
        const blob = lists.get(digest);
        if (blob !== undefined) changes.push({ type: "del", key: key(TAG.blob, digestToBytes(blob)) });
      } else {
        changes.push({ type: "put", key: key(TAG.place, bytes), value: encodePlace(copy) });
        changes.push({ type: "del", key: copyKey(bytes, copy.pack) });
      }
    }
    await this.#db.batch(changes, { sync: false });
  }

  /** Blobs that repack has looked at with the parents it knew then. */
  async wasRecoded(blob: Digest): Promise<boolean> {
    return (await this.#db.get(key(TAG.recoded, digestToBytes(blob)))) !== undefined;
  }

  async markRecoded(blob: Digest): Promise<void> {
    const change: DbChange = {
      type: "put",
      key: key(TAG.recoded, digestToBytes(blob)),
      value: Uint8Array.of(1),
    };
    await this.#db.batch([change], { sync: false });
  }

  /** Every record that the packs hold, further copies last. */
  async *places(): AsyncIterable<Place & { readonly digest: Digest; readonly isCopy: boolean }> {
    for (const tag of [TAG.place, TAG.copy]) {
      for await (const [rowKey, value] of this.#db.iterate({ gte: key(tag), lt: key(tag + 1) })) {
        const digest = digestFromBytes(rowKey.subarray(1, 1 + DIGEST_BYTES));
        yield { ...decodePlace(value), digest, isCopy: tag === TAG.copy };
      }
    }
  }

  /** The rows that these packs have in the index, for packs that cannot say themselves what they hold. */
  async rowsOf(
    packs: ReadonlySet<number>,
    call: Call,
  ): Promise<{ digest: Digest; place: Place; isCopy: boolean }[]> {
    const pace = createPacer(call);
    const rows: { digest: Digest; place: Place; isCopy: boolean }[] = [];
    for await (const { digest, isCopy, ...place } of this.places()) {
      if (packs.has(place.pack)) rows.push({ digest, place, isCopy });
      await pace();
    }
    return rows;
  }

  /** Rows a pack has in the index, by pack; compared with the packs' own counts after an unclean stop. */
  async countRows(): Promise<Map<number, number>> {
    const counts = new Map<number, number>();
    for await (const { pack } of this.places()) counts.set(pack, (counts.get(pack) ?? 0) + 1);
    return counts;
  }

  /** Forgets everything, for a rebuild. */
  async clear(): Promise<void> {
    const mark: DbChange = { type: "put", key: key(TAG.cleared), value: Uint8Array.of(1) };
    await this.#db.batch([mark], { sync: false });
    for (const tag of Object.values(TAG)) {
      let changes: DbChange[] = [];
      for await (const [rowKey] of this.#db.iterate({ gte: key(tag), lt: key(tag + 1) })) {
        changes.push({ type: "del", key: rowKey });
        if (changes.length < BATCH_ROWS) continue;
        await this.#db.batch(changes, { sync: false });
        changes = [];
      }
      await this.#db.batch(changes, { sync: false });
    }
    this.#packs.clear();
    this.#condemned.clear();
  }

  /** Packs that are being added are added, others wait until it is disposed of. Throws STORE_BUSY. */
  pause(): Promise<Disposable> {
    return this.#packs.pause();
  }

  /**
   * What `fill` adds to another index over the same rows is what this one knows from then on. The caller has paused it.
   */
  async anew<T>(db: Db, fill: (index: ObjectIndex) => Promise<T>): Promise<T> {
    const packs = this.#packs.fresh(db);
    const result = await fill(new ObjectIndex(db, packs, false));
    this.#packs.adopt(packs);
    this.#condemned.clear();
    return result;
  }
}
