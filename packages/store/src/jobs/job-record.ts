/** What is kept of a job, and the states that it goes through. Pure. */
import { assert } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import type { Identity } from "../objects/objects.ts";

export type JobState =
  | "queued"
  | "held"
  | "preparing"
  | "ready"
  | "running"
  | "paused"
  | "finished"
  | "failed"
  | "stopped"
  | "canceled"
  | "lost";

const NEXT: Readonly<Record<JobState, readonly JobState[]>> = {
  queued: ["preparing", "held", "canceled", "failed"],
  // It waits without a place in the queue.
  held: ["queued", "canceled"],
  // Back into the queue when the daemon ended before the program began.
  preparing: ["ready", "queued", "canceled", "failed"],
  ready: ["running", "queued", "canceled", "failed", "lost"],
  running: ["paused", "finished", "failed", "stopped", "canceled", "lost"],
  // Its processes stand still and keep their place; one that ended meanwhile was too fast for the signal.
  paused: ["running", "finished", "failed", "stopped", "canceled", "lost"],
  finished: ["queued"],
  // Committed later, it is what it would have been, or stays what it was.
  failed: ["queued", "finished", "stopped", "failed"],
  stopped: ["queued", "stopped"],
  canceled: ["queued", "canceled"],
  lost: ["queued"],
};

const ENDED: ReadonlySet<JobState> = new Set(["finished", "failed", "stopped", "canceled", "lost"]);

export interface Transition {
  readonly state: JobState;
  readonly atMs: number;
  /** For people: "asked for by Ada", "exit status 1". */
  readonly why: string;
}

/** What the job runs. */
export interface JobSpec {
  /** "tfjs": the trainer that comes with smc, whose spec as JSON is the second word of `argv`. */
  readonly engine: "command" | "tfjs";
  readonly argv: readonly string[];
  /** All of its environment, beside what the daemon adds. */
  readonly environment: Readonly<Record<string, string>>;
  /** Folder of the working copy that the output is written to; null: a folder of its own. */
  readonly output: string | null;
  /** Pattern of files of the output that are checkpoints: kept with the job, not committed. */
  readonly checkpoints: string | null;
  /** So many of them stay, the best and the last; null: all. Not in records of earlier versions. */
  readonly kept?: { readonly best: number; readonly last: number } | null;
  /** File of metrics, below the working copy. */
  readonly metricsFile: string | null;
  readonly params: Readonly<Record<string, string | number | boolean | null>>;
  readonly message: string | null;
  /** Null: no limit. */
  readonly timeoutMs: number | null;
  /** From the request to end until it is killed. */
  readonly graceMs: number;
}

/** Where a value of the configuration came from. */
export type Origin = "flag" | "file" | "default";

/** By key, such as `settings.lr`; what is not there is a default. */
export type Origins = Readonly<Record<string, { readonly origin: Origin; readonly line?: number }>>;

export interface JobRecord {
  readonly format: 1;
  readonly id: string;
  readonly name: string;
  readonly repository: string;
  readonly actor: Identity;
  /** The commit that the job works on. */
  readonly input: Digest;
  readonly createdMs: number;
  readonly priority: number;
  /** 1, and one more for each time that it was resumed. */
  readonly attempt: number;
  /** Works on in the folder of the attempt before. */
  readonly isResumed: boolean;
  readonly spec: JobSpec;
  /** Which keys of its configuration were named, and where; not in records of earlier versions. */
  readonly origins?: Origins;
  /** The search that it is a part of, and which of its values it tries. */
  readonly group?: {
    readonly id: string;
    readonly name: string;
    readonly values: Readonly<Record<string, string>>;
  };
  readonly transitions: readonly Transition[];
  /** What a person asked of it while it ran. */
  readonly asked: "stop" | "cancel" | null;
  /** Why its program ended before its last epoch, as it says itself; not in records of earlier versions. */
  readonly reason?: string | null;
  /** The commit of what it made. */
  readonly commit: Digest | null;
  /** The tree of its checkpoints, when they were stored; not in records of earlier versions. */
  readonly checkpoints?: Digest | null;
}

/** A point of the curve: what the program said about an epoch. */
export interface EpochPoint {
  readonly epoch: number;
  readonly atMs: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** How the program ended; written by its keeper. */
export interface JobEnd {
  readonly attempt: number;
  /** What ended it. */
  readonly cause: "exit" | "stop" | "cancel" | "timeout" | "not-started";
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be started. */
  readonly error: string | null;
  readonly startedMs: number;
  readonly endedMs: number;
  /** For how long of that it stood still; not in records of earlier versions. */
  readonly pausedMs?: number;
}

/** For people: the id, and the name unless that is the id. */
export function titleOfJob({ id, name }: Pick<JobRecord, "id" | "name">): string {
  return name === id ? id : `${id} ${name}`;
}

export function stateOfJob({ transitions }: Pick<JobRecord, "transitions">): JobState {
  return transitions.at(-1)?.state ?? "queued";
}

/** True before its program was begun, in the queue or held back from it. */
export function isWaiting(record: Pick<JobRecord, "transitions">): boolean {
  const state = stateOfJob(record);
  return state === "queued" || state === "held";
}

export function hasEnded(record: Pick<JobRecord, "transitions">): boolean {
  return ENDED.has(stateOfJob(record));
}

/** The record one state on. Throws INTERNAL for a state that does not follow. */
export function moveTo(record: JobRecord, next: Transition, changes: Partial<JobRecord> = {}): JobRecord {
  const now = stateOfJob(record);
  assert(NEXT[now].includes(next.state), `a job that is ${now} cannot be ${next.state}`);
  return { ...record, ...changes, transitions: [...record.transitions, next] };
}
