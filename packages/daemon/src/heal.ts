/** What happens when a verb meets a damaged row of LevelDB: everything in it is made anew from packs and journal. */
import type { OwnedStore } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import type { Logger } from "./logger.ts";

/**
 * Runs a verb. When LevelDB is damaged it is made anew, and a verb that changes nothing runs again; of any other it is
 * not known what it had done: it fails with INDEX_CORRUPT and says that it can be repeated.
 */
export async function healing<T>(
  { store, logger }: { store: OwnedStore; logger: Logger },
  { isReading }: { isReading: boolean },
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isSmcError(error, "INDEX_CORRUPT") || !store.db.isDamaged) throw error;
    logger.warn({ err: error }, "LevelDB is damaged; it is made anew");
    await store.heal();
    logger.info({}, "LevelDB was made anew");
    if (isReading) return run();
    throw new SmcError("INDEX_CORRUPT", error.message, {
      hint: "the index was made anew from packs and journal: run the command again",
      cause: error,
    });
  }
}
