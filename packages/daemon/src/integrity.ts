/** Damage that was met becomes a record of the journal, and so an event. */
import { noteIntegrity, type OwnedStore } from "@smc/store";
import type { Logger } from "./logger.ts";

/** Never throws: who met the damage has its own way of telling. */
export async function tellDamage(
  { store, logger }: { readonly store: OwnedStore; readonly logger: Logger },
  message: string,
): Promise<void> {
  const isNoted = await noteIntegrity(store, message).catch((error: unknown) => {
    logger.error({ err: error }, "damage cannot be noted");
    return true;
  });
  if (!isNoted) logger.warn({ message }, "the journal takes no record of the damage");
}
