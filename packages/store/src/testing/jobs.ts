/** For tests: a queue that keeps records and runs nothing. */
import type { JobQueue, TrainPlace } from "../jobs/job-queue.ts";
import { hasEnded, type JobRecord, moveTo } from "../jobs/job-record.ts";
import { SmcError } from "../errors.ts";
import { owned } from "./two-stores.ts";
import type { Bench } from "./worktree.ts";

export interface IdlePlace extends TrainPlace {
  readonly records: Map<string, JobRecord>;
}

export function idlePlace(bench: Bench): IdlePlace {
  const records = new Map<string, JobRecord>();
  let isPaused = false;
  const change = async (id: string, next: (now: JobRecord) => JobRecord): Promise<JobRecord> => {
    const now = records.get(id);
    if (now === undefined) throw new SmcError("JOB_NOT_FOUND", id);
    records.set(id, next(now));
    return next(now);
  };
  const checkSettings: TrainPlace["checkSettings"] = async (all) =>
    all.map((settings) => ({ spec: JSON.stringify(settings), faults: [] }));
  const queue: JobQueue = {
    list: () => [...records.values()],
    submit: async (record) => {
      records.set(record.id, record);
    },
    ask: (id, asked) => change(id, (now) => (hasEnded(now) ? now : { ...now, asked })),
    resume: (id, { spec, why }) =>
      change(id, (now) => moveTo(now, { state: "queued", atMs: 1, why }, { attempt: 2, spec })),
    pause: (id) => change(id, (now) => moveTo(now, { state: "held", atMs: 1, why: "asked" })),
    unpause: (id) => change(id, (now) => moveTo(now, { state: "queued", atMs: 1, why: "asked" })),
    setPriority: (id, priority) => change(id, (now) => ({ ...now, priority })),
    committed: (id, { commit, state, why }) =>
      change(id, (now) => moveTo(now, { state, atMs: 1, why }, { commit })),
    remove: async (id) => {
      records.delete(id);
    },
    changed: async () => undefined,
    state: async () => ({ slots: 1, isPaused }),
    setPaused: async (value) => {
      isPaused = value;
    },
  };
  return {
    store: bench.store,
    queue,
    records,
    openRepository: () => Promise.resolve(owned(bench)),
    checkSettings,
    previewBatch: () => Promise.resolve([]),
  };
}
