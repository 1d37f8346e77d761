/** Compares the object index in LevelDB with what the packs hold, row by row. Changes nothing. */
import { type Call, createPacer } from "../call.ts";
import { type IndexedPack, ObjectIndex, type Place } from "../db/object-index.ts";
import { isDamage, isSmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import { type Chunklist, decodeChunklist } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import type { RecordRow } from "../pack/format.ts";
import type { Damaged } from "./damaged.ts";
import { DigestSet } from "../objects/digest-set.ts";
import { rowsIn } from "./packs.ts";

const ROWS = 1000;
const LISTS = 32;
/** More than these are not told. */
const FAULTS_MAX = 20;
/** Commits and repacks that come in between are waited out so often. */
const ROUNDS_MAX = 5;

/** What is wrong with the rows; packs and records that cannot be read are left out. Throws CANCELED. */
export async function checkIndex(store: OwnedStore, damaged: Damaged, call: Call): Promise<string[]> {
  for (let round = 1; ; round += 1) {
    const before = generation(store);
    const faults = await checkOnce(store, damaged, call);
    if (faults.length === 0 || before === generation(store) || round === ROUNDS_MAX) return faults;
  }
}

function generation(store: OwnedStore): string {
  const packs = store.index.packs();
  return `${packs.length} ${packs.reduce((highest, { no }) => Math.max(highest, no), 0)}`;
}

async function checkOnce(store: OwnedStore, damaged: Damaged, call: Call): Promise<string[]> {
  const check = new IndexCheck(store, damaged, call);
  try {
    await check.everyRow();
    await check.packs();
  } catch (error) {
    if (!isSmcError(error, "INDEX_CORRUPT")) throw error;
    check.fault(error.message);
  }
  return check.faults;
}

class IndexCheck {
  readonly faults: string[] = [];
  readonly #store: OwnedStore;
  readonly #damaged: Damaged;
  readonly #call: Call;
  readonly #pace: ReturnType<typeof createPacer>;
  /** Blobs that some chunklist of a pack describes, and those whose row is one of these lists. */
  readonly #described = new DigestSet();
  readonly #matched = new DigestSet();

  constructor(store: OwnedStore, damaged: Damaged, call: Call) {
    this.#store = store;
    this.#damaged = damaged;
    this.#call = call;
    this.#pace = createPacer(call);
  }

  fault(message: string): void {
    if (this.faults.length < FAULTS_MAX) this.faults.push(message);
  }

  /** Reading a row checks its checksum. */
  async everyRow(): Promise<void> {
    const all = { gte: Buffer.of(0), lt: Buffer.of(0xff) };
    for await (const _ of this.#store.db.iterate(all)) await this.#pace();
  }

  async packs(): Promise<void> {
    const packs = this.#store.index.packs();
    const stored = (await ObjectIndex.open(this.#store.db)).packs();
    for (const pack of packs) {
      const row = stored.find(({ no }) => no === pack.no);
      const isSame =
        row !== undefined &&
        row.name === pack.name &&
        row.sizeBytes === pack.sizeBytes &&
        row.count === pack.count;
      if (!isSame) this.fault(`the row of pack ${pack.name} is not what it was`);
    }
    const counts = await this.#store.index.countRows();
    const highest = packs.reduce((most, { no }) => Math.max(most, no), 0);
    const known = new Set(packs.map(({ no }) => no));
    for (const no of counts.keys()) {
      if (no <= highest && !known.has(no)) this.fault(`rows of pack ${no}, which the index does not have`);
    }
    let wasSkipped = false;
    for (const pack of packs) {
      const rows = await rowsIn(this.#store, packPath(this.#store.path, pack.name), this.#call);
      if (rows === undefined) {
        wasSkipped = true;
        continue;
      }
      const count = counts.get(pack.no) ?? 0;
      if (count !== rows.length)
        this.fault(`${count} rows for the ${rows.length} records of pack ${pack.name}`);
      await this.#places(pack, rows);
      await this.#lists(pack, rows);
    }
    if (!wasSkipped) await this.#blobs();
  }

  async #places(pack: IndexedPack, rows: readonly RecordRow[]): Promise<void> {
    const { index } = this.#store;
    for (let from = 0; from < rows.length; from += ROWS) {
      const part = rows.slice(from, from + ROWS);
      const places = await index.findMany(part.map(({ digest }) => digest));
      for (const [position, row] of part.entries()) {
        let place = places[position];
        if (place !== undefined && place.pack !== pack.no) {
          place = (await index.findCopies(row.digest)).find((copy) => copy.pack === pack.no);
        }
        // The parents of a difference stand in the record itself: a damaged one says what it likes.
        if (this.#damaged.whyOf(row.digest) !== undefined) continue;
        if (place === undefined || !isPlaceOf(place, row))
          this.fault(`the row of ${row.digest} does not fit pack ${pack.name}`);
        await this.#pace();
      }
    }
  }

  async #lists(pack: IndexedPack, rows: readonly RecordRow[]): Promise<void> {
    const lists = rows.filter(({ kind }) => kind === "chunklist");
    for (let from = 0; from < lists.length; from += LISTS) {
      const part = lists.slice(from, from + LISTS);
      const decoded = await this.#decoded(pack, part);
      if (decoded === undefined) continue;
      const found = await this.#store.index.findChunklists(decoded.map(({ blob }) => blob));
      for (const [position, { blob, sizeBytes }] of decoded.entries()) {
        this.#described.add(blob);
        const row = found[position];
        if (row?.digest === part[position]?.digest && row?.sizeBytes === sizeBytes) this.#matched.add(blob);
        await this.#pace();
      }
    }
  }

  /** Undefined when one of them is damaged: then it is the pack that has to be named. */
  async #decoded(pack: IndexedPack, rows: readonly RecordRow[]): Promise<Chunklist[] | undefined> {
    const places = rows.map((span) => ({ pack: packPath(this.#store.path, pack.name), span }));
    try {
      const raws = await this.#store.pool.run(
        "read",
        { places },
        { signal: this.#call.signal, onlyThere: true },
      );
      return raws.map((raw) => decodeChunklist(raw));
    } catch (error) {
      if (!isDamage(error)) throw error;
      for (const { digest } of rows) {
        const blob = await this.#blobOf(digest);
        if (blob !== undefined) for (const set of [this.#described, this.#matched]) set.add(blob);
      }
      return undefined;
    }
  }

  /** Of a chunklist beside a damaged one. */
  async #blobOf(list: Digest): Promise<Digest | undefined> {
    for await (const { blob } of this.#store.index.chunkedBlobs()) {
      if ((await this.#store.index.findChunklist(blob))?.digest === list) return blob;
    }
    return undefined;
  }

  /** Every blob that is described has a row, and no other has. */
  async #blobs(): Promise<void> {
    let count = 0;
    for await (const { blob } of this.#store.index.chunkedBlobs()) {
      count += 1;
      if (!this.#matched.has(blob)) this.fault(`the row of blob ${blob} names no chunklist of the packs`);
      await this.#pace();
    }
    if (count !== this.#described.size)
      this.fault(`${count} rows of blobs instead of ${this.#described.size}`);
  }
}

function isPlaceOf(place: Place, row: RecordRow): boolean {
  const same =
    place.offset === row.offset &&
    place.storedBytes === row.storedBytes &&
    place.rawBytes === row.rawBytes &&
    place.kind === row.kind &&
    place.codec === row.codec;
  return (
    same &&
    (place.parents ?? []).join() === (row.parents ?? []).join() &&
    (place.depth ?? 0) === (row.depth ?? 0)
  );
}
