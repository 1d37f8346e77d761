/** What jobs made with one backbone. */
import { readCommit } from "../history/graph.ts";
import type { Digest } from "../objects/digest.ts";
import type { Repository } from "../repository.ts";
import { cardOf } from "./job-card.ts";
import type { JobRecord, JobState } from "./job-record.ts";

const ROWS_MAX = 50;

export interface BackboneRun {
  readonly job: string;
  readonly name: string;
  readonly state: JobState;
  readonly createdMs: number;
  /** How long its program ran; null when it did not. */
  readonly seconds: number | null;
  readonly commit: Digest | null;
  /** Of its commit. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly params: JobRecord["spec"]["params"];
}

/** The newest 50 jobs of a repository with this backbone, the newest first. Throws OBJECT_MISSING, OBJECT_CORRUPT. */
export async function backboneHistory(
  { store, name: repository }: Pick<Repository, "store" | "name">,
  { records, backbone }: { records: readonly JobRecord[]; backbone: string },
): Promise<readonly BackboneRun[]> {
  const own = records.filter((record) => record.repository === repository && backboneOf(record) === backbone);
  const runs: BackboneRun[] = [];
  for (const record of own.slice(-ROWS_MAX).reverse()) {
    const { id: job, name, state, createdMs, startedMs, endedMs, commit, spec } = cardOf(store.path, record);
    const seconds = startedMs === null || endedMs === null ? null : (endedMs - startedMs) / 1000;
    const metrics = commit === null ? {} : ((await readCommit(store, commit)).meta.metrics ?? {});
    const { params } = spec;
    runs.push({ job, name, state, createdMs, seconds, commit, metrics, params });
  }
  return runs;
}

/** As people name it. */
function backboneOf({ spec }: JobRecord): string | undefined {
  if (spec.engine !== "tfjs") return undefined;
  const { "backbone.name": name, "backbone.file": file } = spec.params;
  return file === undefined ? String(name) : `${String(name)}:${String(file)}`;
}
