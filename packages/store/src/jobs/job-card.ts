/** A job as people see it: its record without the values of its environment. */
import { SmcError } from "../errors.ts";
import type { Digest } from "../objects/digest.ts";
import { show } from "../show.ts";
import { suggest } from "../history/suggest.ts";
import { branchOfJob } from "./commit-output.ts";
import { jobPlaces } from "./job-folder.ts";
import type { JobsPlace } from "./job-queue.ts";
import {
  hasEnded,
  type JobRecord,
  type JobSpec,
  type JobState,
  stateOfJob,
  type Transition,
} from "./job-record.ts";

const SUGGESTED_MAX = 1000;

export interface JobCard {
  readonly id: string;
  readonly name: string;
  readonly repository: string;
  readonly state: JobState;
  /** Why it is in this state. */
  readonly why: string;
  readonly hasEnded: boolean;
  readonly priority: number;
  readonly attempt: number;
  readonly actor: string;
  readonly input: Digest;
  readonly branch: string;
  /** Why its program ended before its last epoch, as it says itself. */
  readonly reason: string | null;
  /** The commit of what it made. */
  readonly commit: Digest | null;
  /** The tree of its checkpoints, when they were stored. */
  readonly checkpoints: Digest | null;
  readonly createdMs: number;
  /** When its program began, for the last time. */
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly transitions: readonly Transition[];
  /** The search that it is a part of. */
  readonly group: JobRecord["group"] | null;
  readonly spec: Omit<JobSpec, "environment"> & { readonly variables: readonly string[] };
  /** The folder with all that is kept of it, and the one that its program writes to. */
  readonly folder: string;
  readonly outputFolder: string;
}

export function cardOf(storePath: string, record: JobRecord): JobCard {
  const { id, name, repository, priority, attempt, actor, input, commit, createdMs, transitions } = record;
  const { environment, ...spec } = record.spec;
  const last = transitions.at(-1);
  const ended = hasEnded(record);
  const { root, output } = jobPlaces(storePath, record);
  return {
    id,
    name,
    repository,
    state: stateOfJob(record),
    why: last?.why ?? "",
    hasEnded: ended,
    priority,
    attempt,
    actor: `${actor.name} <${actor.email}>`,
    input,
    branch: branchOfJob(name).slice("refs/heads/".length),
    reason: record.reason ?? null,
    commit,
    checkpoints: record.checkpoints ?? null,
    createdMs,
    startedMs: startedOf(transitions),
    endedMs: ended ? (last?.atMs ?? null) : null,
    transitions,
    group: record.group ?? null,
    spec: { ...spec, variables: Object.keys(environment).sort() },
    folder: root,
    outputFolder: output,
  };
}

/** Going on after a pause is no beginning. */
function startedOf(transitions: readonly Transition[]): number | null {
  const began = transitions.findLast(
    ({ state }, at) => state === "running" && transitions[at - 1]?.state !== "paused",
  );
  return began?.atMs ?? null;
}

/**
 * By id, by the start of one, or by name: of several of one name the newest. Throws JOB_NOT_FOUND, REVISION_AMBIGUOUS.
 */
export function findJob({ queue }: Pick<JobsPlace, "queue">, text: string): JobRecord {
  const all = queue.list();
  const found = all.find(({ id }) => id === text) ?? all.findLast(({ name }) => name === text);
  if (found !== undefined) return found;
  const starting = text.length >= 4 ? all.filter(({ id }) => id.startsWith(text)) : [];
  const [first] = starting;
  if (starting.length > 1)
    throw new SmcError("REVISION_AMBIGUOUS", `'${show(text, 80)}' is the start of ${starting.length} jobs`);
  if (first !== undefined) return first;
  const known = all.slice(-SUGGESTED_MAX).flatMap(({ id, name }) => [id, name]);
  const near = suggest(text, [...new Set(known)]);
  throw new SmcError(
    "JOB_NOT_FOUND",
    `there is no job '${show(text, 80)}'`,
    near.length === 0 ? {} : { hint: `did you mean ${near.join(", ")}?`, details: { candidates: near } },
  );
}
