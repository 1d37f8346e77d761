/**
 * Moves a role to another version, with all that follows from it, in one change of refs: planned, confirmed, checked,
 * done.
 */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { formatMoment, momentAt } from "../history/dates.ts";
import { nowMs } from "../clock.ts";
import { commitOfRef } from "../history/log-entry.ts";
import type { Digest } from "../objects/digest.ts";
import { assertMessage } from "../objects/names.ts";
import type { RefChange } from "../refs/refs.ts";
import type { OwnedRepository, Repository } from "../repository.ts";
import { show } from "../show.ts";
import { reasonOf } from "../worktree/state.ts";
import { ARCHIVE_PREFIX, archiveRef, listArchived, writeArchive } from "./archive-refs.ts";
import { assertIntact, type IntactResult } from "./intact.ts";
import {
  CHALLENGER,
  CHAMPION,
  listRoles,
  readCard,
  REGISTRY_PREFIX,
  roleRef,
  type VersionCard,
} from "./roles.ts";
import { readVersionNames } from "./version-names.ts";

/** "plan" tells what would happen; "yes" does it; "no" writes into the audit log that it was declined. */
export type Answer = "plan" | "yes" | "no";

export interface RoleMove {
  readonly role: string;
  /** Who is in the role now; null for nobody. */
  readonly from: VersionCard | null;
  readonly to: VersionCard;
  /** The ref that the one who leaves is archived under; null when it is not. */
  readonly archives: string | null;
  /** Refs that go, because the version is not archived any more. */
  readonly unarchives: readonly string[];
  /** The challenger that wins is no challenger any more. */
  readonly dropsChallenger: boolean;
}

export interface MoveAsked {
  readonly role: string;
  readonly to: Digest;
  readonly reason: string;
}

export interface MoveDone {
  readonly at: string;
  readonly intact: IntactResult;
}

/** What would happen. Throws REF_NAME_INVALID, OBJECT_MISSING, OBJECT_CORRUPT. */
export async function planMove(
  repository: Repository,
  { role, to }: Pick<MoveAsked, "role" | "to">,
  call: Call,
): Promise<RoleMove> {
  roleRef(role);
  const names = await readVersionNames(repository, call);
  const roles = await listRoles(repository);
  const from = roles.get(role);
  const isLive = role === CHAMPION;
  const archived = await listArchived(repository, call);
  // Also one that is in a role of the user's: that may go on to another version, and then nothing would keep this one.
  const leaves = from !== undefined && from !== to && isLive;
  const comesBack = isLive || role === CHALLENGER;
  const isArchived = archived.some(({ commit }) => commit === from);
  return {
    role,
    from: from === undefined ? null : await readCard(repository, { commit: from, names }, call),
    to: await readCard(repository, { commit: to, names }, call),
    archives:
      leaves && !isArchived
        ? await archiveRef(repository, { version: names.nameOf(from), commit: from })
        : null,
    unarchives: archived.flatMap(({ commit, ref }) => (comesBack && commit === to ? [ref] : [])),
    dropsChallenger: isLive && roles.get(CHALLENGER) === to,
  };
}

/**
 * Checks that the version is whole, then moves all refs or none. Throws OBJECT_CORRUPT and OBJECT_MISSING with nothing
 * moved, REF_CHANGED when somebody was faster, MESSAGE_INVALID for an empty reason.
 */
export async function makeMove(
  repository: OwnedRepository,
  { op, plan, reason, full }: { op: string; plan: RoleMove; reason: string; full: boolean },
  call: Call,
): Promise<MoveDone> {
  assertMessage(reason);
  const { store, name } = repository;
  const { role, from, to } = plan;
  store.pins.add([to.commit]);
  const intact = await assertIntact(store, { commit: to.commit, full }, call);
  const ref = roleRef(role);
  const there = await store.refs.read(name, ref);
  const holder = there === undefined ? undefined : await commitOfRef(store, there);
  assertExpected(plan, holder ?? null);
  const changes: RefChange[] = [{ name: ref, from: there ?? "absent", to: to.commit }];
  const challenger = await store.refs.read(name, roleRef(CHALLENGER));
  if (plan.dropsChallenger && challenger !== undefined)
    changes.push({ name: roleRef(CHALLENGER), from: challenger, to: "absent" });
  if (plan.archives !== null && from !== null) {
    const { version, commit } = from;
    changes.push(await writeArchive(repository, { version, commit, reason, actor: repository.actor }));
  }
  for (const { ref: archive, digest } of await listArchived(repository, call))
    if (plan.unarchives.includes(archive)) changes.push({ name: archive, from: digest, to: "absent" });
  await store.refs.update(name, changes, reasonOf(repository, op, reason), {
    owns: [REGISTRY_PREFIX, ARCHIVE_PREFIX],
  });
  return { at: formatMoment(momentAt(nowMs())), intact };
}

/** Throws REF_CHANGED when the plan is about another one than who was seen in the role. */
export function assertExpected(plan: RoleMove, expected: string | null | undefined): void {
  const planned = plan.from?.commit ?? null;
  if (expected === undefined || expected === planned) return;
  throw new SmcError(
    "REF_CHANGED",
    `the ${show(plan.role, 80)} was changed by somebody else meanwhile; no ref was changed`,
    { details: { name: roleRef(plan.role), expected, found: planned } },
  );
}

/** Writes into the journal that a change was planned and not wanted. */
export async function noteDeclined(
  repository: Repository,
  { op, plan, reason }: { op: string; plan: RoleMove; reason: string },
): Promise<void> {
  const what = `${plan.role} ${plan.from?.version ?? "nobody"} -> ${plan.to.version}`;
  const why = reasonOf(repository, op, `declined: ${what}${reason === "" ? "" : ` (${reason})`}`);
  await repository.store.refs.note(repository.name, why);
}

/** For callers that neither plan nor confirm. */
export function confirmationNeeded(plan: RoleMove): SmcError {
  const { role, from, to } = plan;
  return new SmcError(
    "CONFIRMATION_NEEDED",
    `this moves ${show(role, 80)} ${show(from?.version ?? "nobody", 80)} -> ${show(to.version, 80)}; nothing was changed`,
    { details: { role, from: from?.commit ?? null, to: to.commit } },
  );
}
