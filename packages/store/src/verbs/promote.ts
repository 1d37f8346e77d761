/** `smc promote`: a version becomes champion, challenger or what else there is, if it meets the gate. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { resolveCommit } from "../history/revision.ts";
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
import { type GateResult, judgeGate } from "../registry/gate.ts";
import { CHALLENGER, CHAMPION } from "../registry/roles.ts";
import type { OwnedRepository } from "../repository.ts";

export interface PromoteOptions {
  readonly revision: string;
  /** The role: champion when left out. */
  readonly to?: string;
  /** A condition that the version must meet: `azi >= champion.azi`. */
  readonly require?: string;
  /** Goes on although the condition is not met; that is in the audit log. */
  readonly force?: boolean;
  readonly reason?: string;
  /** Who is not asked first must say "yes"; only a challenger is made without. */
  readonly answer?: Answer;
  /** The commit that was in the role when the plan was made, or null for nobody. */
  readonly expected?: string | null;
  /** Reads every byte of the version, also of packs that were found right lately. */
  readonly full?: boolean;
}

export interface PromoteResult extends RoleMove {
  /** False: only planned, declined, not allowed by the gate, or in that role already. */
  readonly moved: boolean;
  /** Null when nothing was required. */
  readonly gate: GateResult | null;
  readonly reason: string;
  readonly at: string | null;
  readonly intact: MoveDone["intact"] | null;
}

/**
 * Throws REVISION_NOT_FOUND …, REF_NAME_INVALID, EXPRESSION_INVALID, ARGUMENT_INVALID without a reason,
 * CONFIRMATION_NEEDED, REF_CHANGED, OBJECT_CORRUPT and OBJECT_MISSING for a version that is not whole: nothing was
 * moved then.
 */
export async function promote(
  repository: OwnedRepository,
  options: PromoteOptions,
  call: Call,
): Promise<PromoteResult> {
  const { to: role = CHAMPION, require, reason = "", force = false } = options;
  if (reason.trim() === "") throw noReason("promote");
  const commit = await resolveCommit(repository, options.revision, call);
  const gate =
    require === undefined ? null : await judgeGate(repository, { require, candidate: commit }, call);
  const plan = await planMove(repository, { role, to: commit }, call);
  const told = { ...plan, moved: false, gate, reason, at: null, intact: null };
  if (plan.from?.commit === commit || (gate?.met === false && !force)) return told;
  const answer = options.answer ?? (role === CHALLENGER ? "yes" : undefined);
  if (answer === undefined) throw confirmationNeeded(plan);
  if (answer === "plan") return told;
  const isForced = gate?.met === false;
  const why = isForced ? `${reason} (forced: not ${gate.require})` : reason;
  if (answer === "no") {
    await noteDeclined(repository, { op: "promote", plan, reason: why });
    return told;
  }
  assertExpected(plan, options.expected);
  const done = await makeMove(
    repository,
    { op: "promote", plan, reason: why, full: options.full === true },
    call,
  );
  return { ...told, moved: true, ...done };
}

/** A change of what is live says why. */
export function noReason(verb: string): SmcError {
  return new SmcError("ARGUMENT_INVALID", `${verb} needs a reason; nothing was changed`, {
    hint: `say why: smc ${verb} … --reason "…"`,
  });
}
