/** Reads packs again while nobody asks the daemon for anything, so that damage is found before it is needed. */
import { setTimeout as sleep } from "node:timers/promises";
import { type OwnedStore, scrubNext } from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import { tellDamage } from "./integrity.ts";
import type { Logger } from "./logger.ts";

export interface ScrubSettings {
  /** On average; one pack is read as fast as the disk gives it. */
  readonly mibPerSecond: number;
  /** A pack is read again after so many days; 0: never. */
  readonly days: number;
}

const MIB = 1024 * 1024;

/** Ends when no pack is due or the signal fires. Damage and failures are logged, never thrown. */
export function idleScrub(
  store: OwnedStore,
  logger: Logger,
  { mibPerSecond, days }: ScrubSettings,
): (signal: AbortSignal) => Promise<void> {
  const call = (signal: AbortSignal) => ({ signal, onProgress: () => undefined });
  return async (signal) => {
    if (days === 0) return;
    let packs = 0;
    try {
      for (;;) {
        const startMs = performance.now();
        const checked = await scrubNext(store, { days }, call(signal));
        if (checked === undefined) break;
        packs += 1;
        const { pack, problems, message, sizeBytes } = checked;
        if (problems > 0) {
          logger.warn({ pack, problems, message }, "a pack is damaged; run: smc fsck --repair");
          await tellDamage({ store, logger }, `pack ${pack}: ${problems} problems: ${message}`);
        }
        const dueMs = (sizeBytes / (mibPerSecond * MIB)) * 1000;
        await sleep(Math.max(0, dueMs - (performance.now() - startMs)), undefined, { signal });
      }
    } catch (error) {
      const isStopped = isSmcError(error, "CANCELED") || signal.aborted;
      if (!isStopped) logger.error({ err: error }, "scrub failed");
    }
    if (packs > 0) logger.info({ packs }, "read packs again");
  };
}
