/** `smc champion`: what is live, since when, who put it there and why. */
import type { Call } from "../call.ts";
import { parseDate } from "../history/dates.ts";
import { CHAMPION, readRoleCard, type RoleCard } from "../registry/roles.ts";
import { readVersionNames } from "../registry/version-names.ts";
import type { Repository } from "../repository.ts";

export interface ChampionOptions {
  /** What was live at this moment; now when left out. */
  readonly at?: string;
}

export interface ChampionResult {
  /** Null for nobody. */
  readonly champion: RoleCard | null;
}

/** Throws DATE_INVALID, OBJECT_MISSING, OBJECT_CORRUPT. */
export async function champion(
  repository: Repository,
  { at }: ChampionOptions,
  call: Call,
): Promise<ChampionResult> {
  const names = await readVersionNames(repository, call);
  const atMs = at === undefined ? undefined : parseDate(at);
  return { champion: (await readRoleCard(repository, { role: CHAMPION, names, atMs }, call)) ?? null };
}
