/** Repacks the store while nobody asks the daemon for anything. */
import { type OwnedStore, repack } from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import type { Logger } from "./logger.ts";

/** The result does nothing when the packs are those that the last run left. A failure is logged, never thrown. */
export function idleRepack(store: OwnedStore, logger: Logger): (signal: AbortSignal) => Promise<void> {
  let seen = "";
  return async (signal) => {
    if (packsOf(store) === seen || store.readOnlyReason !== undefined) return;
    try {
      const { chunks, packs, bytes, problems } = await repack(
        store,
        {},
        { signal, onProgress: () => undefined },
      );
      seen = packsOf(store);
      logger.info({ chunks, packs, bytes }, "repacked");
      if (problems.length > 0) logger.warn({ problems }, "some of it cannot be read and was left as it is");
    } catch (error) {
      if (isSmcError(error, "CANCELED")) return;
      logger.error({ err: error }, "repack failed");
    }
  };
}

function packsOf(store: OwnedStore): string {
  return store.index
    .packs()
    .map(({ name }) => name)
    .sort()
    .join();
}
