/** `smc challenger`: the candidate that may follow the champion; shows it or names it. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { resolveCommit } from "../history/revision.ts";
import { makeMove, planMove } from "../registry/change-role.ts";
import { CHALLENGER, CHAMPION, readRole, readRoleCard, type RoleCard } from "../registry/roles.ts";
import { readVersionNames } from "../registry/version-names.ts";
import type { OwnedRepository } from "../repository.ts";

export interface ChallengerOptions {
  /** Makes this version the challenger; shows it when left out. */
  readonly revision?: string;
  readonly reason?: string;
}

export interface ChallengerResult {
  /** Null while there is none. */
  readonly challenger: RoleCard | null;
  readonly moved: boolean;
}

/**
 * Throws REVISION_NOT_FOUND …, ALREADY_EXISTS for the champion, OBJECT_CORRUPT and OBJECT_MISSING with nothing moved.
 */
export async function challenger(
  repository: OwnedRepository,
  { revision, reason }: ChallengerOptions,
  call: Call,
): Promise<ChallengerResult> {
  const moved = revision !== undefined && (await setChallenger(repository, { revision, reason }, call));
  const names = await readVersionNames(repository, call);
  const found = await readRoleCard(repository, { role: CHALLENGER, names }, call);
  return { challenger: found ?? null, moved };
}

async function setChallenger(
  repository: OwnedRepository,
  { revision, reason }: { revision: string; reason: string | undefined },
  call: Call,
): Promise<boolean> {
  const to = await resolveCommit(repository, revision, call);
  if ((await readRole(repository, CHAMPION)) === to)
    throw new SmcError("ALREADY_EXISTS", "this version is the champion; the challenger was not changed");
  const plan = await planMove(repository, { role: CHALLENGER, to }, call);
  if (plan.from?.commit === to) return false;
  const why = reason ?? `${plan.to.version} is the candidate`;
  await makeMove(repository, { op: "challenger", plan, reason: why, full: false }, call);
  return true;
}
