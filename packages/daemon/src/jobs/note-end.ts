/** The end of a job as a record of the journal: what hooks and `smc events` tell of. */
import {
  bestEpoch,
  hasEnded,
  JOB_FINISHED,
  jobPlaces,
  type JobRecord,
  type OwnedStore,
  readHistory,
  titleOfJob,
} from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Logger } from "../logger.ts";

const REASON_SHOWN = 300;

/**
 * Nothing when it has not ended. A journal that takes no record is told in the log: the job's own record has its state.
 */
export async function noteEnd(store: OwnedStore, logger: Logger, record: JobRecord): Promise<void> {
  if (!hasEnded(record)) return;
  const { id, repository, actor, commit, reason = null } = record;
  const { state, why } = record.transitions.at(-1) ?? { state: "", why: "" };
  try {
    const best = bestEpoch(await readHistory(jobPlaces(store.path, record).history));
    const bestText = best === undefined ? "" : `; best epoch ${best.epoch}, ${best.metric} ${best.value}`;
    const reasonText = reason === null ? "" : `; ${show(reason, REASON_SHOWN)}`;
    const commitText = commit === null ? "" : `; commit ${commit}`;
    await store.refs.note(repository, {
      op: JOB_FINISHED,
      reason: `job ${titleOfJob(record)} ${state}: ${why.replaceAll("\n", " ")}${reasonText}${bestText}${commitText}`,
      actor: `${actor.name} <${actor.email}>`,
    });
  } catch (error) {
    if (!isSmcError(error)) throw error;
    logger.warn({ err: error, job: id }, "the end of a job is not in the journal");
  }
}
