/** The check of a LevelDB that was not closed well. It may stop the process over damaged bytes: run it in a child. */
import { isLogWhole, listTables, readTables } from "./db-files.ts";
import { type Database, fromLevel, openLevel, unsealValue } from "./db-level.ts";
import { decodePlace, TAG } from "./object-rows.ts";
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";

const ROWS = 1000;
const ROWS_BYTES = 256 * 1024;

/** [number of a pack, rows of the object index that name it] */
export type PlaceCounts = readonly (readonly [number, number])[];

/**
 * Checks every byte of the tables and opens LevelDB. When its process was killed and nothing else happened, all that
 * was written is there up to a certain moment: undefined. Otherwise every row is read, and counted for the caller to
 * compare. Throws INDEX_CORRUPT, STORE_LOCKED.
 */
export async function checkDb(
  path: string,
  { wasKilled }: { wasKilled: boolean },
): Promise<PlaceCounts | undefined> {
  // Before LevelDB moves rows into new tables: it would give damaged ones new checksums.
  const before = await readTables(path);
  const isPrefix = wasKilled && (await isLogWhole(path));
  const level = await openLevel(path, { create: false });
  try {
    const now = new Set(await listTables(path));
    const damaged = before.find(({ name, isWhole }) => !isWhole && now.has(name));
    if (damaged !== undefined) {
      throw new SmcError("INDEX_CORRUPT", `table ${damaged.name} of LevelDB '${show(path)}' is damaged`);
    }
    // A table that LevelDB does not know is the rest of a compaction, or LevelDB has forgotten what it wrote.
    if (isPrefix && before.every(({ name }) => now.has(name))) return undefined;
    return await countPlaces(level);
  } catch (error) {
    throw fromLevel(error, { path, doing: "read" });
  } finally {
    await level.close();
  }
}

async function countPlaces(level: Database): Promise<PlaceCounts> {
  const counts = new Map<number, number>();
  const rows = level.iterator({ fillCache: false, highWaterMarkBytes: ROWS_BYTES });
  for (let part = await rows.nextv(ROWS); part.length > 0; part = await rows.nextv(ROWS)) {
    for (const [key, value] of part) {
      const payload = unsealValue(key, value);
      if (key[0] !== TAG.place && key[0] !== TAG.copy) continue;
      const { pack } = decodePlace(payload);
      counts.set(pack, (counts.get(pack) ?? 0) + 1);
    }
  }
  await rows.close();
  return [...counts];
}
