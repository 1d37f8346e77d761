/** Whether a version may be promoted: a condition about its metrics and params, and those of other versions. */
import type { Call } from "../call.ts";
import { judge, type Outcome } from "../expressions/evaluate.ts";
import { type Name, namesOf, parseExpression, type Value } from "../expressions/parse.ts";
import { resolveCommit } from "../history/revision.ts";
import type { Digest } from "../objects/digest.ts";
import type { CommitMeta, MetaValue } from "../objects/objects.ts";
import type { Repository } from "../repository.ts";
import { readKnown } from "./known.ts";

export interface GateResult extends Outcome {
  /** The condition, as it was asked. */
  readonly require: string;
}

/**
 * Throws EXPRESSION_INVALID, also for a metric that a version does not have, and as resolveRevision for the versions
 * that are named in the condition.
 */
export async function judgeGate(
  repository: Repository,
  { require, candidate }: { require: string; candidate: Digest },
  call: Call,
): Promise<GateResult> {
  const expression = parseExpression(require);
  const metas = new Map<string | undefined, CommitMeta>();
  metas.set(undefined, (await readKnown(repository, candidate, call)).meta);
  for (const { revision } of namesOf(expression)) {
    if (metas.has(revision) || revision === undefined) continue;
    const commit = await resolveCommit(repository, revision, call);
    metas.set(revision, (await readKnown(repository, commit, call)).meta);
  }
  const outcome = judge(expression, (name) => valueIn(metas.get(name.revision) ?? {}, name));
  return { require, ...outcome };
}

/** Undefined when there is none; null when it cannot be compared. */
function valueIn({ metrics, params }: CommitMeta, { space, key }: Name): Value | null | undefined {
  const spaces = { metrics: [metrics], params: [params], any: [metrics, params] }[space ?? "any"];
  for (const values of spaces) {
    if (values === undefined || !Object.hasOwn(values, key)) continue;
    const value: MetaValue | undefined = values[key];
    return typeof value === "number" || typeof value === "string" || typeof value === "boolean"
      ? value
      : null;
  }
  return undefined;
}
