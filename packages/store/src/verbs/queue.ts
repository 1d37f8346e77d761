/** `smc queue`: which jobs run and wait, how many may run at the same time, and whether further ones begin. */
import type { Call } from "../call.ts";
import { parseConfigValue, requireConfigKey, writeConfig } from "../config.ts";
import { cardOf, type JobCard } from "../jobs/job-card.ts";
import type { JobsPlace } from "../jobs/job-queue.ts";
import { hasEnded, isWaiting } from "../jobs/job-record.ts";

export interface QueueOptions {
  readonly action: "status" | "start" | "stop";
  /** For `start`: sets `jobs.slots`. */
  readonly slots?: number;
}

export interface QueueResult {
  readonly action: QueueOptions["action"];
  readonly slots: number;
  readonly isPaused: boolean;
  readonly running: readonly JobCard[];
  /** In the order in which they will begin; those that are held back too. */
  readonly waiting: readonly JobCard[];
}

/** `stop` lets jobs that run go on. Throws CONFIG_INVALID. */
export async function queue(place: JobsPlace, options: QueueOptions, call: Call): Promise<QueueResult> {
  const { action, slots } = options;
  const { store } = place;
  void call;
  if (slots !== undefined) {
    const key = requireConfigKey("jobs.slots");
    await writeConfig(
      { storePath: store.path },
      { layer: "store", key, value: parseConfigValue(key, String(slots)) },
    );
  }
  if (action !== "status") await place.queue.setPaused(action === "stop");
  const open = place.queue.list().filter((record) => !hasEnded(record));
  return {
    action,
    ...(await place.queue.state()),
    running: open.filter((record) => !isWaiting(record)).map((record) => cardOf(store.path, record)),
    waiting: open
      .filter(isWaiting)
      .sort((a, b) => b.priority - a.priority || a.createdMs - b.createdMs)
      .map((record) => cardOf(store.path, record)),
  };
}
