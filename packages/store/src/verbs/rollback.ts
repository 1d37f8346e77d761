/** `smc rollback`: the champion before, or another version, is champion again. */
import { type Call, createPacer } from "../call.ts";
import { SmcError } from "../errors.ts";
import { resolveCommit } from "../history/revision.ts";
import type { Digest } from "../objects/digest.ts";
import { findArchived, listArchived } from "../registry/archive-refs.ts";
import {
  type Answer,
  assertExpected,
  confirmationNeeded,
  makeMove,
  type MoveDone,
  noteDeclined,
  planMove,
  type RoleMove,
} from "../registry/change-role.ts";
import { olderHolders } from "../registry/past-roles.ts";
import { CHAMPION, CHANGES_MAX, readCard, roleRef, type VersionCard } from "../registry/roles.ts";
import { compareVersions } from "../refs/version-order.ts";
import { readVersionNames } from "../registry/version-names.ts";
import type { OwnedRepository } from "../repository.ts";

export interface RollbackOptions {
  /** An archived version, or any other; the champion before when left out. */
  readonly version?: string;
  /** Tells which versions are archived, and does nothing. */
  readonly list?: boolean;
  readonly reason?: string;
  /** As for `promote`. */
  readonly answer?: Answer;
  readonly expected?: string | null;
  readonly full?: boolean;
}

/** A version one can go back to. */
export interface RollbackChoice extends VersionCard {
  readonly reason: string | null;
  readonly archived: string | null;
  /** What `smc rollback` without a version takes. */
  readonly isNext: boolean;
}

export interface RollbackDone extends RoleMove {
  readonly action: "rollback";
  /** False: only planned, declined, or champion already. */
  readonly moved: boolean;
  readonly reason: string;
  readonly at: string | null;
  readonly intact: MoveDone["intact"] | null;
}

export interface RollbackList {
  readonly action: "list";
  readonly versions: readonly RollbackChoice[];
}

export type RollbackResult = RollbackDone | RollbackList;

/**
 * Throws REVISION_NOT_FOUND, also when there was no champion before; CONFIRMATION_NEEDED, REF_CHANGED, and
 * OBJECT_CORRUPT or OBJECT_MISSING for a version that is not whole: nothing was moved then.
 */
export async function rollback(
  repository: OwnedRepository,
  options: RollbackOptions,
  call: Call,
): Promise<RollbackResult> {
  if (options.list === true) return { action: "list", versions: await listChoices(repository, call) };
  const { answer } = options;
  const commit =
    options.version === undefined
      ? await championBefore(repository)
      : ((await findArchived(repository, options.version))?.commit ??
        (await resolveCommit(repository, options.version, call)));
  const plan = await planMove(repository, { role: CHAMPION, to: commit }, call);
  const reason = options.reason ?? `back to ${plan.to.version}`;
  const told = { action: "rollback" as const, ...plan, moved: false, reason, at: null, intact: null };
  if (plan.from?.commit === commit) return told;
  if (answer === undefined) throw confirmationNeeded(plan);
  if (answer === "plan") return told;
  if (answer === "no") {
    await noteDeclined(repository, { op: "rollback", plan, reason: options.reason ?? "" });
    return told;
  }
  assertExpected(plan, options.expected);
  const done = await makeMove(
    repository,
    { op: "rollback", plan, reason, full: options.full === true },
    call,
  );
  return { ...told, moved: true, ...done };
}

async function olderChampions({ store, name }: OwnedRepository): Promise<Digest[]> {
  return olderHolders(await store.refs.log(name, roleRef(CHAMPION), CHANGES_MAX));
}

async function championBefore(repository: OwnedRepository): Promise<Digest> {
  const [before] = await olderChampions(repository);
  if (before !== undefined) return before;
  throw new SmcError("REVISION_NOT_FOUND", "there was no champion before; nothing was changed", {
    hint: 'name a version with --version, or promote one with "smc promote"',
  });
}

/** Archived versions, the one that was archived last first. */
async function listChoices(repository: OwnedRepository, call: Call): Promise<RollbackChoice[]> {
  const pace = createPacer(call);
  const names = await readVersionNames(repository, call);
  const [next] = await olderChampions(repository);
  const choices: RollbackChoice[] = [];
  for (const { version, commit, reason, at } of await listArchived(repository, call)) {
    const card = await readCard(repository, { commit, names }, call);
    choices.push({ ...card, version, reason, archived: at, isNext: commit === next });
    await pace();
  }
  const when = ({ archived, date }: RollbackChoice): number => Date.parse(archived ?? date);
  return choices.sort((a, b) => when(b) - when(a) || compareVersions(b.version, a.version));
}
