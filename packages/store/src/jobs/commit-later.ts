/** What a job wrote, committed after it has ended: that failed when it did, or somebody wants it all the same. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { commitOutput } from "./commit-output.ts";
import { jobPlaces, readEnd } from "./job-folder.ts";
import { readProgress } from "./job-progress.ts";
import type { JobsPlace } from "./job-queue.ts";
import { hasEnded, type JobEnd, type JobRecord, type JobState, stateOfJob } from "./job-record.ts";
import { storeCheckpoints } from "./store-checkpoints.ts";

/**
 * Gives the job with its commit; one that has one stays as it is. A job whose program ended with status 0 has finished
 * then, and is the challenger as if nothing had been wrong; any other stays what it is. Throws JOB_STATE_WRONG for one
 * that has not ended or whose end nobody knows, and what `commitOutput` throws: then nothing was changed.
 */
export async function commitLater(
  { store, queue }: Pick<JobsPlace, "store" | "queue">,
  record: JobRecord,
  call: Call,
): Promise<JobRecord> {
  const { id, actor, repository: name, attempt } = record;
  if (record.commit !== null) return record;
  const places = jobPlaces(store.path, record);
  const end = hasEnded(record) ? await readEnd(places, attempt) : undefined;
  if (end === undefined) {
    const why = hasEnded(record) ? "nobody knows how its program ended" : "it has not ended";
    throw new SmcError("JOB_STATE_WRONG", `job ${id}: ${why}; nothing was committed`, {
      hint: `what it wrote is in '${show(places.output)}'`,
    });
  }
  const repository: Repository = { store, name, worktree: undefined, actor, defaultBranch: "main" };
  const state = stateAfter(record, end);
  const reason = state === "finished" ? ((await readProgress(places.progress))?.reason ?? null) : null;
  const challengerKept = whyKept(record, state);
  const made = await commitOutput(repository, { record, places, end, reason, challengerKept }, call);
  const kept = made.challengerKept === null ? "" : `; challenger not moved: ${made.challengerKept}`;
  const why = `committed on ${made.branch}, as asked${kept}`;
  const note = (checkpoints: Digest | null): Promise<JobRecord> =>
    queue.committed(id, { attempt, state, why, reason, commit: made.commit, checkpoints });
  return storeCheckpoints(repository, { record, places }, { call, note });
}

function stateAfter(record: JobRecord, { cause, code }: JobEnd): JobState {
  if (code !== 0) return stateOfJob(record);
  return cause === "exit" ? "finished" : cause === "stop" ? "stopped" : stateOfJob(record);
}

function whyKept({ group }: JobRecord, state: JobState): string | null {
  if (state !== "finished") return "its program did not go through to its end";
  return group === undefined ? null : "it is one of a search";
}
