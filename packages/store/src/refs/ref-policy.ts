/** What the settings say about names of refs. */
import { readConfig } from "../config.ts";
import type { UpdateOptions } from "./refs.ts";
import type { Repository } from "../repository.ts";

/** `names.caseConflicts` of the store, for `refs.update`. Throws CONFIG_INVALID. */
export async function refPolicy({ store }: Pick<Repository, "store">): Promise<UpdateOptions> {
  const { entries } = await readConfig({ storePath: store.path });
  return { caseConflicts: entries.get("names.caseConflicts")?.value === "allow" ? "allow" : "refuse" };
}
