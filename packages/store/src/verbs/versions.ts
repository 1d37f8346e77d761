/** `smc versions`: every version with what is known of it, filtered and sorted. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { isTrue } from "../expressions/evaluate.ts";
import { type Expression, type Name, namesOf, parseExpression, type Value } from "../expressions/parse.ts";
import { resolveCommit } from "../history/revision.ts";
import { suggest } from "../history/suggest.ts";
import type { CommitMeta } from "../objects/objects.ts";
import { readKnown } from "../registry/known.ts";
import { isLowerBetter } from "../registry/metric-direction.ts";
import { readLower } from "../registry/metrics-lower.ts";
import { listVersions, type VersionRow } from "../registry/version-list.ts";
import { compareVersions } from "../refs/version-order.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";

export interface VersionsOptions {
  /** Only versions of which this expression is true: `azi > 60 and status == "archived"`. */
  readonly filter?: string;
  /** `date` (the default), `version`, `status`, `size`, or a metric or param; a `-` before it turns the order round. */
  readonly sort?: string;
  /** Every commit of every branch, too. */
  readonly all?: boolean;
}

export interface VersionsResult {
  readonly versions: readonly VersionRow[];
}

/** Throws EXPRESSION_INVALID, ARGUMENT_INVALID for a name that no version has, REVISION_NOT_FOUND, LIMIT_EXCEEDED. */
export async function versions(
  repository: Repository,
  options: VersionsOptions,
  call: Call,
): Promise<VersionsResult> {
  const expression = options.filter === undefined ? undefined : parseExpression(options.filter);
  const rows = await listVersions(repository, options, call);
  const wanted = expression === undefined ? rows : await filter(repository, { rows, expression }, call);
  return { versions: await sort(repository, wanted, { all: rows, key: options.sort ?? "date" }) };
}

/** What an expression can ask for besides metrics and params, which come first. */
const FIELDS: Readonly<Record<string, (row: VersionRow) => Value>> = {
  version: (row) => row.version,
  status: (row) => row.status,
  date: (row) => new Date(row.date).toISOString(),
  sizeBytes: (row) => row.sizeBytes,
  author: (row) => row.author,
  subject: (row) => row.subject,
  reason: (row) => row.archived?.reason ?? "",
};

async function filter(
  repository: Repository,
  { rows, expression }: { rows: readonly VersionRow[]; expression: Expression },
  call: Call,
): Promise<readonly VersionRow[]> {
  const others = new Map<string, CommitMeta>();
  for (const { revision } of namesOf(expression)) {
    if (revision === undefined || others.has(revision)) continue;
    const digest = await resolveCommit(repository, revision, call);
    others.set(revision, (await readKnown(repository, digest, call)).meta);
  }
  const lookup = (row: VersionRow, name: Name): Value | null | undefined => {
    if (name.revision !== undefined) return valueOf(others.get(name.revision) ?? {}, name);
    const found = valueOf(row, name);
    if (found !== undefined || name.space !== undefined) return found;
    return Object.hasOwn(FIELDS, name.key) ? FIELDS[name.key]?.(row) : undefined;
  };
  assertKnown(rows, expression, lookup);
  return rows.filter((row) => isTrue(expression, (name) => lookup(row, name), { missing: "unknown" }));
}

function valueOf(
  { metrics, params }: Pick<CommitMeta, "metrics" | "params">,
  { space, key }: Name,
): Value | null | undefined {
  if (space !== "params" && metrics !== undefined && Object.hasOwn(metrics, key)) return metrics[key];
  if (space !== "metrics" && params !== undefined && Object.hasOwn(params, key)) return params[key];
  return undefined;
}

/** A name that no version has is a slip of the pen, not an empty list. */
function assertKnown(
  rows: readonly VersionRow[],
  expression: Expression,
  lookup: (row: VersionRow, name: Name) => Value | null | undefined,
): void {
  if (rows.length === 0) return;
  for (const name of namesOf(expression)) {
    if (rows.some((row) => lookup(row, name) !== undefined)) continue;
    throw unknownName(rows, name.key);
  }
}

function unknownName(rows: readonly VersionRow[], key: string): SmcError {
  const names = new Set([...Object.keys(FIELDS), "size"]);
  for (const row of rows)
    for (const name of [...Object.keys(row.metrics), ...Object.keys(row.params)]) names.add(name);
  const near = suggest(key, names);
  throw new SmcError("ARGUMENT_INVALID", `no version has a metric or param '${show(key, 80)}'`, {
    hint:
      near.length === 0
        ? 'see what they have with "smc versions --json"'
        : `did you mean: ${near.join(", ")}`,
  });
}

type Order = (a: VersionRow, b: VersionRow) => number;

async function sort(
  repository: Repository,
  rows: readonly VersionRow[],
  options: { all: readonly VersionRow[]; key: string },
): Promise<readonly VersionRow[]> {
  const isTurned = options.key.startsWith("-");
  const key = isTurned ? options.key.slice(1) : options.key;
  const order = await orderBy(repository, key, options.all);
  const sorted = [...rows].sort(order);
  return isTurned ? sorted.reverse() : sorted;
}

/** Dates and sizes from the top, metrics from the best; what has no value comes last. */
async function orderBy(repository: Repository, key: string, rows: readonly VersionRow[]): Promise<Order> {
  if (key === "date") return (a, b) => Date.parse(b.date) - Date.parse(a.date);
  if (key === "version") return (a, b) => compareVersions(a.version, b.version);
  if (key === "size" || key === "sizeBytes") return (a, b) => b.sizeBytes - a.sizeBytes;
  if (key === "status") return (a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status);
  if (rows.some(({ metrics }) => Object.hasOwn(metrics, key))) {
    const sign = isLowerBetter(key, await readLower(repository)) ? -1 : 1;
    const rank = ({ metrics }: VersionRow): number =>
      Object.hasOwn(metrics, key) ? sign * (metrics[key] ?? 0) : -Infinity;
    return (a, b) => (rank(a) === rank(b) ? 0 : rank(b) - rank(a));
  }
  if (rows.length > 0 && !rows.some(({ params }) => Object.hasOwn(params, key))) throw unknownName(rows, key);
  return (a, b) => compareParams(a.params[key], b.params[key]);
}

const STATUSES: readonly VersionRow["status"][] = ["champion", "challenger", "candidate", "archived"];

function compareParams(a: VersionRow["params"][string] | undefined, b: typeof a): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [x, y] = [String(a), String(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}
