/** `smc train`: makes a job of a program and a commit; the daemon runs it, and commits what it writes. */
import { randomBytes } from "node:crypto";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { resolveCommit } from "../history/revision.ts";
import { cardOf, type JobCard } from "../jobs/job-card.ts";
import type { JobsPlace } from "../jobs/job-queue.ts";
import type { JobRecord } from "../jobs/job-record.ts";
import { checkSpec, type TrainOptions } from "../jobs/train-spec.ts";

export type { TrainOptions } from "../jobs/train-spec.ts";

export interface TrainResult {
  readonly job: JobCard;
}

const ID_BYTES = 4;

export function newJobId(): string {
  return randomBytes(ID_BYTES).toString("hex");
}

/**
 * The job is durable when it returns, and has not begun. Throws ARGUMENT_INVALID with all that is wrong, REVISION_NOT_FOUND …,
 * LIMIT_EXCEEDED over 10,000 jobs; then there is no job.
 */
export async function train(place: JobsPlace, options: TrainOptions, call: Call): Promise<TrainResult> {
  const spec = checkSpec(options);
  const repository = await place.openRepository();
  const input = await resolveCommit(repository, options.revision ?? "HEAD", call);
  const id = newJobId();
  const { name, email } = repository.actor;
  const record: JobRecord = {
    format: 1,
    id,
    name: options.name ?? id,
    repository: repository.name,
    actor: repository.actor,
    input,
    createdMs: nowMs(),
    priority: options.priority ?? 0,
    attempt: 1,
    isResumed: false,
    spec,
    transitions: [{ state: "queued", atMs: nowMs(), why: `asked for by ${name} <${email}>` }],
    asked: null,
    commit: null,
  };
  await place.queue.submit(record);
  return { job: cardOf(place.store.path, record) };
}
