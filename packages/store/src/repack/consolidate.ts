/** Writes the records of small and half-empty packs into new ones, and removes packs that nothing is read from. */
import { type Call, throwIfCanceled } from "../call.ts";
import type { IndexedPack } from "../db/object-index.ts";
import { isSmcError } from "../errors.ts";
import { removeFile } from "../fs.ts";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import type { RecordRow } from "../pack/format.ts";

/** Packs below this are put together … */
const SMALL_BYTES = 16 * 1024 * 1024;
/** … when there are so many of them. */
const SMALL_MIN = 8;
/** A pack is written anew when less than this share of it is still read. */
const LIVE_SHARE_MIN = 0.7;
/** How long readers that hold a pack's path may keep it; then it stays until the next time. */
const READERS_MS_MAX = 60_000;

export interface Consolidated {
  readonly removed: number;
  readonly removedBytes: number;
  /** Packs that stay as they are because they cannot be read, and why. */
  readonly problems: readonly string[];
}

/**
 * Order: the new packs are durable and read back whole, then the index names them, then readers of the old ones have
 * left, then the index forgets the old ones (durably), then they are removed. A kill in between leaves copies.
 */
export async function consolidate(store: OwnedStore, call: Call): Promise<Consolidated> {
  const problems: string[] = [];
  const chosen: ChosenPack[] = [];
  await using session = store.writePacks("repack");
  for (const pack of await choose(store, call)) {
    throwIfCanceled(call);
    try {
      chosen.push(await inspect(store, pack, call));
    } catch (error) {
      if (!isSmcError(error) || error.exit !== 4) throw error;
      problems.push(`pack ${pack.name}: ${error.message}`);
    }
  }
  for (const { pack, live } of chosen) if (live.length > 0) await session.copy(pack.name, live, call);
  await session.finish({ replace: true });
  const removedBytes = await retire(store, chosen, call);
  return {
    removed: removedBytes.length,
    removedBytes: removedBytes.reduce((sum, bytes) => sum + bytes, 0),
    problems,
  };
}

interface ChosenPack {
  readonly pack: IndexedPack;
  readonly rows: readonly RecordRow[];
  /** Those that are read from this pack. */
  readonly live: readonly RecordRow[];
}

/** Throws OBJECT_CORRUPT or PACK_CORRUPT unless each of its records can be read: here, or where it is read from now. */
async function inspect(store: OwnedStore, pack: IndexedPack, call: Call): Promise<ChosenPack> {
  using _ = store.objects.readers.enter();
  const { signal } = call;
  const path = packPath(store.path, pack.name);
  const { rows } = await store.pool.run("contents", { pack: path }, { signal });
  const places = await store.index.findMany(rows.map(({ digest }) => digest));
  const live = rows.filter((_, index) => places[index]?.pack === pack.no);
  const elsewhere = rows.filter((_, index) => places[index]?.pack !== pack.no);
  await store.objects.verify(
    elsewhere.map(({ digest }) => digest),
    call,
  );
  await store.objects.verify(
    live.map(({ digest }) => digest),
    call,
  );
  return { pack, rows, live };
}

async function choose(store: OwnedStore, call: Call): Promise<IndexedPack[]> {
  const usage = await store.index.usage(call);
  const packs = store.index.packs();
  const small = packs.filter(({ sizeBytes }) => sizeBytes < SMALL_BYTES);
  const isWorth = small.length >= SMALL_MIN;
  return packs.filter(({ no, sizeBytes }) => {
    const live = usage.get(no)?.storedBytes ?? 0;
    return (isWorth && sizeBytes < SMALL_BYTES) || live < sizeBytes * LIVE_SHARE_MIN - SMALL_OVERHEAD_BYTES;
  });
}

/** Header, footer and padding of a small pack are not garbage. */
const SMALL_OVERHEAD_BYTES = 4096;

/** Sizes of the packs that were removed; none when readers do not leave in time. */
async function retire(store: OwnedStore, chosen: readonly ChosenPack[], call: Call): Promise<number[]> {
  if (chosen.length === 0 || !(await store.objects.readers.drain(call.signal, READERS_MS_MAX))) return [];
  const removed: number[] = [];
  for (const { pack, rows } of chosen) {
    await store.index.removePack(pack.no, rows);
    await removeFile(packPath(store.path, pack.name));
    removed.push(pack.sizeBytes);
  }
  return removed;
}
