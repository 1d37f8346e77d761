/** The end of a job as a record of the journal: what hooks and `smc events` tell of. */
import {
  hasEnded,
  JOB_FINISHED,
  jobPlaces,
  type JobRecord,
  type OwnedStore,
  readHistoryEnds,
  titleOfJob,
} from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Logger } from "../logger.ts";

const REASON_SHOWN = 300;
/** Of the last epoch. */
const METRICS_SHOWN = 12;
const NAME_SHOWN = 40;

/**
 * Nothing when it has not ended. A journal that takes no record is told in the log: the job's own record has its state.
 */
export async function noteEnd(store: OwnedStore, logger: Logger, record: JobRecord): Promise<void> {
  if (!hasEnded(record)) return;
  const { id, repository, actor, commit, reason = null } = record;
  const { state, why } = record.transitions.at(-1) ?? { state: "", why: "" };
  try {
    const { last, best } = await readHistoryEnds(jobPlaces(store.path, record).history);
    const metrics = Object.entries(last?.metrics ?? {}).slice(0, METRICS_SHOWN);
    const lastText = metrics.map(([name, value]) => `${show(name, NAME_SHOWN)} ${value}`).join(", ");
    const lastEpoch = lastText === "" ? "" : `; epoch ${last?.epoch}: ${lastText}`;
    const bestText = best === undefined ? "" : `; best epoch ${best.epoch}, ${best.metric} ${best.value}`;
    const reasonText = reason === null ? "" : `; ${show(reason, REASON_SHOWN)}`;
    const commitText = commit === null ? "" : `; commit ${commit}`;
    await store.refs.note(repository, {
      op: JOB_FINISHED,
      reason: `job ${titleOfJob(record)} ${state}: ${why.replaceAll("\n", " ")}${reasonText}${lastEpoch}${bestText}${commitText}`,
      actor: `${actor.name} <${actor.email}>`,
    });
  } catch (error) {
    if (!isSmcError(error)) throw error;
    logger.warn({ err: error, job: id }, "the end of a job is not in the journal");
  }
}
