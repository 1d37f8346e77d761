/** Who runs jobs: the daemon. The store has no processes, it knows jobs as records. */
import type { Call } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { Repository } from "../repository.ts";
import type { JobRecord, JobSpec, JobState } from "./job-record.ts";
import type { PreviewImage } from "./preview-batch.ts";

export interface QueueState {
  /** Jobs that may run at the same time. */
  readonly slots: number;
  /** No further job begins. */
  readonly isPaused: boolean;
}

/** All changes are durable when they return. Those that name a job throw JOB_NOT_FOUND. */
export interface JobQueue {
  /** Oldest first. */
  list(): readonly JobRecord[];
  /** Throws LIMIT_EXCEEDED over 10,000 jobs. */
  submit(record: JobRecord): Promise<void>;
  /** Of a job that has ended nothing is asked. */
  ask(id: string, what: "stop" | "cancel"): Promise<JobRecord>;
  /** Puts a job that has ended into the queue again, to go on in its folder; `spec` is its own from now on. */
  resume(id: string, next: { readonly spec: JobSpec; readonly why: string }): Promise<JobRecord>;
  /**
   * A job that waits is held back, the processes of one that runs stand still; again changes nothing. One that is being
   * prepared stays as it is: ask again. Throws JOB_STATE_WRONG for one that has ended or was asked to.
   */
  pause(id: string): Promise<JobRecord>;
  /** Ends what `pause` began; throws JOB_STATE_WRONG for a job that is neither held nor paused. */
  unpause(id: string): Promise<JobRecord>;
  setPriority(id: string, priority: number): Promise<JobRecord>;
  /** Notes the commit of a job that had ended without. Throws JOB_STATE_WRONG when it was started again meanwhile. */
  committed(id: string, made: CommittedLater): Promise<JobRecord>;
  /** Takes away a job that has ended. */
  remove(id: string): Promise<void>;
  /** Returns when the record of the job has changed, and at the latest after so long. */
  changed(id: string, waitMs: number, signal: AbortSignal): Promise<void>;
  state(): Promise<QueueState>;
  setPaused(isPaused: boolean): Promise<void>;
}

export interface CommittedLater {
  readonly attempt: number;
  readonly commit: Digest;
  readonly state: JobState;
  readonly why: string;
  /** Why its program ended before its last epoch. */
  readonly reason: string | null;
  /** The tree of its checkpoints. */
  readonly checkpoints: Digest | null;
}

/** What verbs about jobs work on. */
export interface JobsPlace {
  readonly store: OwnedStore;
  readonly queue: JobQueue;
  /** Throws WORKTREE_NOT_FOUND outside of a repository. */
  openRepository(): Promise<Repository>;
}

/** What a training is made from. */
export interface TrainPlace extends JobsPlace {
  /** What the engine "tfjs" says of each of these, which may name a data set or a file of that revision. */
  checkSettings(all: readonly Settings[], revision: string): Promise<readonly CheckedSettings[]>;
  /** Has the engine "tfjs" write what it would see of data below `root` into `output`. */
  previewBatch(
    spec: string,
    options: { root: string; output: string; count: number },
    call: Call,
  ): Promise<readonly PreviewImage[]>;
}

/** The whole spec of the engine "tfjs" as JSON, or what is wrong. */
export interface CheckedSettings {
  readonly spec?: string;
  readonly faults: readonly { readonly field: string; readonly message: string }[];
}

/** `optimizer.name` → value. */
export type Settings = Readonly<Record<string, string | number | boolean | null>>;

/** What the commit of a job's output is. */
export interface JobCommit {
  readonly commit: Digest;
  readonly branch: string;
  /** Why the challenger was not moved; null when it was. */
  readonly challengerKept: string | null;
}
