/** `smc rank`: versions from the best, by one metric or by the weighted mean of several. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { suggest } from "../history/suggest.ts";
import { resolveCommit } from "../history/revision.ts";
import { isLowerBetter } from "../registry/metric-direction.ts";
import { readLower } from "../registry/metrics-lower.ts";
import { listVersions, type VersionRow } from "../registry/version-list.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";

const METRICS_MAX = 100;
/** So that sums of decimals read as decimals. */
const SCORE_DIGITS = 15;

export interface RankOptions {
  /** Metric → weight, above zero. */
  readonly weights: Readonly<Record<string, number>>;
  /** Only these versions; all when left out. */
  readonly revisions?: readonly string[];
}

export interface RankRow extends VersionRow {
  /** 1 is the best; equal scores have equal ranks. */
  readonly rank: number;
  /** The weighted mean of the metrics; what is better when lower counts negative. */
  readonly score: number;
}

export interface RankResult {
  /** Each with `lower` when less of it is better. */
  readonly metrics: readonly { readonly name: string; readonly weight: number; readonly lower: boolean }[];
  readonly ranked: readonly RankRow[];
  /** Names of versions that do not have all of the metrics. */
  readonly unranked: readonly string[];
}

/**
 * Throws ARGUMENT_INVALID for a weight that is not above zero and for a metric that no version has, and as
 * resolveCommit.
 */
export async function rank(repository: Repository, options: RankOptions, call: Call): Promise<RankResult> {
  const lower = await readLower(repository);
  const metrics = Object.entries(options.weights).map(([name, weight]) => {
    if (!(Number.isFinite(weight) && weight > 0))
      throw new SmcError("ARGUMENT_INVALID", `the weight of '${show(name, 80)}' is not a number above 0`);
    return { name, weight, lower: isLowerBetter(name, lower) };
  });
  if (metrics.length === 0 || metrics.length > METRICS_MAX)
    throw new SmcError("ARGUMENT_INVALID", `name 1 to ${METRICS_MAX} metrics`);
  const rows = await wanted(repository, options.revisions ?? [], call);
  for (const { name } of metrics) assertThere(rows, name);
  const whole = rows.filter((row) => metrics.every(({ name }) => Object.hasOwn(row.metrics, name)));
  const sum = metrics.reduce((total, { weight }) => total + weight, 0);
  const scored = whole.map((row) => {
    const parts = metrics.map(({ name, weight, lower: isLower }) => {
      const value = weight * (row.metrics[name] ?? 0);
      return isLower ? -value : value;
    });
    const score = parts.reduce((total, part) => total + part, 0) / sum;
    return { row, score: Number(score.toPrecision(SCORE_DIGITS)) };
  });
  scored.sort((a, b) => b.score - a.score);
  const ranked: RankRow[] = [];
  for (const [index, { row, score }] of scored.entries()) {
    const before = ranked.at(-1);
    ranked.push({ ...row, score, rank: before?.score === score ? before.rank : index + 1 });
  }
  const unranked = rows.filter((row) => !whole.includes(row)).map(({ version }) => version);
  return { metrics, ranked, unranked };
}

async function wanted(
  repository: Repository,
  revisions: readonly string[],
  call: Call,
): Promise<readonly VersionRow[]> {
  if (revisions.length === 0) return listVersions(repository, {}, call);
  const commits = new Set<string>();
  for (const text of revisions) commits.add(await resolveCommit(repository, text, call));
  const rows = await listVersions(repository, { all: true }, call);
  const found = rows.filter(({ commit }) => commits.has(commit));
  if (found.length === commits.size) return found;
  throw new SmcError("REVISION_NOT_FOUND", "one of the versions is on no branch and has no tag");
}

function assertThere(rows: readonly VersionRow[], name: string): void {
  if (rows.some(({ metrics }) => Object.hasOwn(metrics, name))) return;
  const near = suggest(name, new Set(rows.flatMap(({ metrics }) => Object.keys(metrics))));
  throw new SmcError("ARGUMENT_INVALID", `no version has the metric '${show(name, 80)}'`, {
    hint: near.length === 0 ? 'see what they have with "smc versions"' : `did you mean: ${near.join(", ")}`,
  });
}
