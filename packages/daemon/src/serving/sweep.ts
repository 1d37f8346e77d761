/** Takes away what was sent and never used. */
import { type OwnedStore, sweepQuarantine } from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import type { Logger } from "../logger.ts";

/** A failure is logged, never thrown. */
export async function sweep(store: OwnedStore, logger: Logger, signal: AbortSignal): Promise<void> {
  try {
    const files = await sweepQuarantine(store, { signal, onProgress: () => undefined });
    if (files > 0) logger.info({ files }, "took away what was sent and never used");
  } catch (error) {
    if (!isSmcError(error, "CANCELED")) logger.error({ err: error }, "sweep failed");
  }
}
