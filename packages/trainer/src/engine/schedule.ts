/** The learning rate over time. Pure. */
export const SCHEDULES = ["const", "step", "cosine"] as const;

export interface ScheduleSpec {
  readonly name: (typeof SCHEDULES)[number];
  /** Epochs in which the rate grows from nothing to its full value. */
  readonly warmupEpochs: number;
  /** Of step: epochs between two steps down. */
  readonly everyEpochs: number;
  /** Of step: what the rate is multiplied with. */
  readonly factor: number;
  /** Of cosine: where it ends. */
  readonly minLr: number;
}

/**
 * The learning rate at `epoch`, which may lie between two whole ones and counts from 0. The cosine ends at `epochs`: a
 * run that is extended follows the longer curve from there on.
 */
export function learningRateAt(
  epoch: number,
  { schedule, lr, epochs }: { schedule: ScheduleSpec; lr: number; epochs: number },
): number {
  const { warmupEpochs } = schedule;
  if (epoch < warmupEpochs) return (lr * epoch) / warmupEpochs;
  const after = epoch - warmupEpochs;
  if (schedule.name === "step") return lr * schedule.factor ** Math.floor(after / schedule.everyEpochs);
  if (schedule.name === "const") return lr;
  const share = Math.min(1, after / Math.max(1e-9, epochs - warmupEpochs));
  return schedule.minLr + ((lr - schedule.minLr) * (1 + Math.cos(Math.PI * share))) / 2;
}
