/** The packs of a store as those who fetch see them: where records are, and the bytes as they lie there. */
import type { Call } from "../call.ts";
import { isDamage } from "../errors.ts";
import type { Place } from "../db/object-index.ts";
import type { Digest } from "../objects/digest.ts";
import { decodeChunklist } from "../objects/objects.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import type { ByteRange } from "../store.ts";
import { packGone, readPieces, statOrGone } from "./pack-pieces.ts";
import type { RemoteRow } from "./remote.ts";

const BATCH = 4096;
/** Packs whose commits, trees and tags are told of together with one that is asked for, and how many of those. */
const BESIDE_PACKS_MAX = 64;
const BESIDE_ROWS_MAX = 65_536;
/** Rows of packs that are kept in memory; each takes about 300 bytes. */
const KEPT_ROWS_MAX = 200_000;

const KEPT = new WeakMap<OwnedStore, BesideRows>();

/**
 * Rows of these records; a blob of several chunks is answered with its chunklist. What the store does not have is left
 * out. With a commit, tree or tag come those of its pack.
 */
export async function locateHere(
  store: OwnedStore,
  digests: readonly Digest[],
  call: Call,
): Promise<Map<Digest, RemoteRow>> {
  using _ = store.objects.readers.enter();
  const rows = new Map<Digest, RemoteRow>();
  const packs = new Set<Digest>();
  const add = (row: RemoteRow): void => {
    rows.set(row.digest, row);
    if (row.kind !== "chunk" && row.kind !== "chunklist") packs.add(row.pack);
  };
  for (let from = 0; from < digests.length; from += BATCH) {
    const part = digests.slice(from, from + BATCH);
    store.pins.add(part);
    const lists = await store.index.findChunklists(part);
    const asked = part.map((digest, index) => lists[index]?.digest ?? digest);
    const places = await store.index.findMany(asked);
    for (const [index, digest] of asked.entries()) {
      const place = places[index];
      if (place === undefined) continue;
      const row = rowOf(store, digest, place);
      if (place.kind !== "chunklist") add(row);
      else if (lists[index] !== undefined) add({ ...row, blob: part[index] as Digest });
      else add({ ...row, blob: await blobOf(store, digest, place) });
    }
  }
  await addBeside(store, { rows, packs }, call);
  return rows;
}

function rowOf(store: OwnedStore, digest: Digest, place: Place): RemoteRow {
  return { ...place, digest, flags: 0, headerCrc: 0, pack: store.index.packName(place.pack) };
}

async function blobOf(store: OwnedStore, list: Digest, place: Place): Promise<Digest> {
  return decodeChunklist(await store.objects.readPlace(list, place)).blob;
}

async function addBeside(
  store: OwnedStore,
  { rows, packs }: { rows: Map<Digest, RemoteRow>; packs: ReadonlySet<Digest> },
  call: Call,
): Promise<void> {
  const kept = KEPT.get(store) ?? new BesideRows(store);
  KEPT.set(store, kept);
  let left = BESIDE_ROWS_MAX;
  for (const pack of [...packs].slice(0, BESIDE_PACKS_MAX)) {
    for (const row of await kept.of(pack, call)) {
      if (left === 0) return;
      if (rows.has(row.digest)) continue;
      rows.set(row.digest, row);
      left -= 1;
    }
  }
}

/** Commits, trees and tags of the packs that were asked for last. */
class BesideRows {
  readonly #store: OwnedStore;
  readonly #packs = new Map<Digest, readonly RemoteRow[]>();
  #count = 0;

  constructor(store: OwnedStore) {
    this.#store = store;
  }

  async of(pack: Digest, call: Call): Promise<readonly RemoteRow[]> {
    const found = this.#packs.get(pack) ?? (await this.#read(pack, call));
    this.#packs.delete(pack);
    this.#packs.set(pack, found);
    return found;
  }

  async #read(pack: Digest, call: Call): Promise<readonly RemoteRow[]> {
    const { path, pool } = this.#store;
    try {
      const task = { signal: call.signal };
      const { rows } = await pool.run("contents", { pack: packPath(path, pack) }, task);
      const objects = rows.filter(({ kind }) => kind !== "chunk" && kind !== "chunklist");
      return this.#keep(
        pack,
        objects.map((row) => ({ ...row, pack })),
      );
    } catch (error) {
      // Nobody asked for them; whoever reads what was asked for finds out.
      if (isDamage(error)) return [];
      throw error;
    }
  }

  #keep(pack: Digest, rows: readonly RemoteRow[]): readonly RemoteRow[] {
    if (!this.#packs.has(pack)) this.#count += rows.length;
    this.#packs.set(pack, rows);
    for (const [oldest, old] of this.#packs) {
      if (this.#count <= KEPT_ROWS_MAX) break;
      this.#packs.delete(oldest);
      this.#count -= old.length;
    }
    return rows;
  }
}

/** Size of a pack of the store as it lies there; undefined when the store does not know it, or it is gone. */
export async function statPackHere(store: OwnedStore, pack: Digest): Promise<number | undefined> {
  if (!store.index.hasPack(pack)) return undefined;
  return (await statOrGone(packPath(store.path, pack)))?.size;
}

/** Throws REMOTE_INCOMPLETE for a pack that the store does not know, or that was taken away meanwhile. */
export async function* readPackHere(
  store: OwnedStore,
  { pack, range }: { pack: Digest; range: ByteRange },
  call: Call,
): AsyncIterable<Uint8Array> {
  using _ = store.objects.readers.enter();
  if (!store.index.hasPack(pack)) throw packGone(pack);
  yield* readPieces(packPath(store.path, pack), { pack, range }, call);
}
