/** What the keeper of a running program needs of the store; light, because each job has one. */
export { claimAttempt, type JobPlaces, jobPlaces, readJob, writeEnd } from "./job-folder.ts";
export { LINE_BYTES_MAX, parseEpochLine, POINTS_MAX, readPoints } from "./job-history.ts";
export { JobLog } from "./job-log.ts";
export { chooseMetric } from "./best-epoch.ts";
export {
  checkpointUnits,
  type EpochMark,
  keptUnits,
  listCheckpointFiles,
  removeOthers,
} from "./kept-checkpoints.ts";
export type { EpochPoint, JobEnd, JobRecord } from "./job-record.ts";
