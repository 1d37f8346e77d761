/** The jobs of one search, the best model first. */
import { SmcError } from "../errors.ts";
import { readCommit } from "../history/graph.ts";
import { isLowerBetter } from "../registry/metric-direction.ts";
import type { Store } from "../store.ts";
import { show } from "../show.ts";
import { chooseMetric } from "./best-epoch.ts";
import type { Cell } from "./grid.ts";
import { cardOf, type JobCard } from "./job-card.ts";
import type { JobRecord } from "./job-record.ts";

export interface GroupRow {
  readonly job: JobCard;
  /** What was tried in it. */
  readonly values: Cell;
  /** Of its commit; null without one. */
  readonly metric: number | null;
  readonly isBest: boolean;
}

export interface GroupComparison {
  readonly id: string;
  readonly name: string;
  /** By which they are ranked; null when no job has a commit with metrics. */
  readonly metric: string | null;
  /** The best one first; those without a commit last. */
  readonly rows: readonly GroupRow[];
}

/** The jobs of a search by its id, or name: of several of one name the newest. Throws JOB_NOT_FOUND. */
export function findGroup(records: readonly JobRecord[], text: string): JobRecord[] {
  const id =
    records.find(({ group }) => group?.id === text)?.group?.id ??
    records.findLast(({ group }) => group?.name === text)?.group?.id;
  if (id === undefined)
    throw new SmcError("JOB_NOT_FOUND", `there is no group of jobs '${show(text, 80)}'`, {
      hint: 'make one with "smc train --grid", see them with "smc jobs"',
    });
  return records.filter(({ group }) => group?.id === id);
}

/**
 * Ranks what was committed, by the metric that is asked for, else the one people look at first. Throws ARGUMENT_INVALID
 * for one that no job has.
 */
export async function compareGroup(
  store: Store,
  records: readonly JobRecord[],
  { metric, lower }: { metric: string | undefined; lower: readonly string[] },
): Promise<GroupComparison> {
  const told = await Promise.all(
    records.map(async (record) => ({ record, metrics: await metricsOf(store, record) })),
  );
  const all = Object.assign({}, ...told.map(({ metrics }) => metrics)) as Record<string, number>;
  if (metric !== undefined && !Object.hasOwn(all, metric)) {
    const known = Object.keys(all).join(", ");
    throw new SmcError("ARGUMENT_INVALID", `no job of the group has the metric '${show(metric, 80)}'`, {
      hint:
        known === ""
          ? "no job of it has written a metric yet; leave --metric out, or wait for the first epoch"
          : `there are ${show(known, 500)}`,
    });
  }
  const by = metric ?? chooseMetric(all);
  const sign = by !== undefined && isLowerBetter(by, lower) ? 1 : -1;
  const rows = told.map(({ record, metrics }) => ({
    job: cardOf(store.path, record),
    values: record.group?.values ?? {},
    metric: by === undefined ? null : (metrics[by] ?? null),
  }));
  rows.sort(
    (a, b) =>
      Number(a.metric === null) - Number(b.metric === null) || sign * ((a.metric ?? 0) - (b.metric ?? 0)),
  );
  const { id = "", name = "" } = records[0]?.group ?? {};
  const ranked = rows.map((row, at) => ({ ...row, isBest: at === 0 && row.metric !== null }));
  return { id, name, metric: by ?? null, rows: ranked };
}

/** The best one, when all have ended and are of the repository. Throws JOB_STATE_WRONG, which ends in `unchanged`. */
export function bestRow(
  { name, rows }: GroupComparison,
  { repository, unchanged }: { repository: string; unchanged: string },
): GroupRow {
  const open = rows.filter(({ job }) => !job.hasEnded);
  const best = rows.find(({ isBest }) => isBest);
  const [first] = rows;
  const why =
    open.length > 0
      ? `${open.length} of its jobs have not ended`
      : best === undefined
        ? "none of its jobs has a commit with metrics"
        : first?.job.repository === repository
          ? undefined
          : `it belongs to the repository '${first?.job.repository ?? ""}'`;
  if (why === undefined && best !== undefined) return best;
  throw new SmcError("JOB_STATE_WRONG", `group ${show(name, 80)}: ${why ?? ""}; ${unchanged}`);
}

async function metricsOf(store: Store, { commit }: JobRecord): Promise<Readonly<Record<string, number>>> {
  return commit === null ? {} : ((await readCommit(store, commit)).meta.metrics ?? {});
}
