/** The history of commits, newest first. */
import { type Call, createPacer } from "../call.ts";
import { parseDate } from "../history/dates.ts";
import { subtractDecimals } from "../history/decimal.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { type CommitNode, readCommit, walk } from "../history/graph.ts";
import { graphLines } from "../history/graph-lines.ts";
import {
  commitOfRef,
  formatEntry,
  listShownRefs,
  type LogEntry,
  readDecorations,
} from "../history/log-entry.ts";
import { originOf } from "../imports/foreign.ts";
import type { Commit } from "../objects/objects.ts";
import { isLowerBetter } from "../registry/metric-direction.ts";
import { readLower } from "../registry/metrics-lower.ts";
import { readKnownAt } from "../registry/known.ts";
import { readNoteTips } from "../registry/notes.ts";
import type { Repository } from "../repository.ts";
import { type CommitSet, resolveCommitSet } from "../history/revision.ts";
import type { Store } from "../store.ts";
import { findPath, resolvePathFilter } from "../trees/tree-find.ts";
import { readTree } from "../trees/tree-read.ts";

const CLOCK_SKEW_MS = 24 * 3600 * 1000;
const PATHS_MAX = 1000;
const TREES_CACHED_MAX = 4096;

/** How a commit came to be. */
export type CommitType = "commit" | "train" | "import" | "merge";

export interface LogOptions {
  /** `REV`, `^REV`, `A..B`, `A...B`; HEAD when left out. */
  readonly revisions?: readonly string[];
  /** Only commits that change one of these files or folders, as seen from where the user stands. */
  readonly paths?: readonly string[];
  /** Start from every branch, tag and other ref as well. */
  readonly all?: boolean;
  readonly limit?: number;
  readonly skip?: number;
  readonly since?: string;
  readonly until?: string;
  /** Part of `Name <address>`, in any case. */
  readonly author?: string;
  /** Only commits that have this metric; each row gets `metric`. */
  readonly metric?: string;
  /** Only commits that came to be in this way. */
  readonly type?: CommitType;
  readonly firstParent?: boolean;
  /** Adds `graph` to each row and orders them for it. */
  readonly graph?: boolean;
  /** Adds `sizeBytes`, the size of all files, to each row. */
  readonly sizes?: boolean;
}

export interface MetricPoint {
  readonly name: string;
  readonly value: number;
  /** Against the next older row; null in the oldest. */
  readonly change: number | null;
  /** The best of all rows: the highest, or the lowest for losses, errors and times. */
  readonly best: boolean;
}

export interface LogRow extends LogEntry {
  readonly sizeBytes?: number;
  readonly metric?: MetricPoint;
  /** Lines of the drawing: the first beside this commit, the others below it. */
  readonly graph?: readonly string[];
}

export type LogResult = readonly LogRow[];

interface Filter {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly author: string | undefined;
  readonly metric: string | undefined;
  readonly type: CommitType | undefined;
  readonly paths: readonly string[];
}

interface Shown {
  readonly node: CommitNode;
  readonly commit: Commit;
}

/**
 * Commits reachable from the revisions, with what notes say about them. Throws REVISION_NOT_FOUND before the first
 * commit, DATE_INVALID, ARGUMENT_INVALID, and as resolveCommit.
 */
export async function log(repository: Repository, options: LogOptions, call: Call): Promise<LogResult> {
  const { store } = repository;
  const filter = await readFilter(repository, options);
  const set = await startOf(repository, options, call);
  const decorations = await readDecorations(repository, call);
  const notes = await readNoteTips(repository);
  const read = async (digest: Digest): Promise<Commit> => {
    const tip = notes.get(digest);
    if (tip === undefined) return readCommit(store, digest);
    const { commit, meta } = await readKnownAt(repository, { digest, notes: tip }, call);
    return { ...commit, meta };
  };
  const walked: CommitNode[] = [];
  const shown: Shown[] = [];
  const touched = createPathTest(store, filter.paths);
  const order = options.graph === true ? "topo" : "date";
  const range = { from: options.skip ?? 0, count: options.limit ?? Infinity };
  let matched = 0;
  if (range.count > 0) {
    for await (const node of walk(
      store,
      { ...set, order, firstParent: options.firstParent === true },
      call,
    )) {
      if (options.graph !== true && node.committedMs < filter.sinceMs - CLOCK_SKEW_MS) break;
      if (options.graph === true) walked.push(node);
      const commit = await read(node.digest);
      if (!isWanted(commit, filter) || !(await touched(node, commit))) continue;
      matched += 1;
      if (matched <= range.from) continue;
      shown.push({ node, commit });
      if (shown.length >= range.count) break;
    }
  }
  const rows: LogRow[] = shown.map(({ node, commit }) => formatEntry(node.digest, commit, decorations));
  return addColumns(repository, { rows, walked, options }, call);
}

async function readFilter(repository: Repository, options: LogOptions): Promise<Filter> {
  for (const name of ["limit", "skip"] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw new SmcError("ARGUMENT_INVALID", `${name} ${value} is not a whole number from 0`);
    }
  }
  const paths = options.paths ?? [];
  if (paths.length > PATHS_MAX) throw new SmcError("LIMIT_EXCEEDED", `more than ${PATHS_MAX} paths`);
  const now = Date.now();
  return {
    sinceMs: options.since === undefined ? -Infinity : parseDate(options.since, now),
    untilMs: options.until === undefined ? Infinity : parseDate(options.until, now),
    author: options.author?.toLowerCase(),
    metric: options.metric,
    type: options.type,
    paths: (await resolvePathFilter(repository, paths)).specs,
  };
}

async function startOf(repository: Repository, options: LogOptions, call: Call): Promise<CommitSet> {
  const texts = options.revisions ?? [];
  if (options.all !== true) return resolveCommitSet(repository, texts, call);
  const refs = await listShownRefs(repository);
  const tips: Digest[] = [];
  for (const ref of refs)
    tips.push(...[await commitOfRef(repository.store, ref.digest)].filter((tip) => tip !== undefined));
  if (texts.length === 0 && tips.length > 0) return { from: tips, exclude: [] };
  const set = await resolveCommitSet(repository, texts, call);
  return { from: [...set.from, ...tips], exclude: set.exclude };
}

function isWanted(commit: Commit, filter: Filter): boolean {
  const { ms } = commit.committed;
  if (ms < filter.sinceMs || ms > filter.untilMs) return false;
  if (filter.metric !== undefined && !Object.hasOwn(commit.meta.metrics ?? {}, filter.metric)) return false;
  if (filter.type !== undefined && typeOf(commit) !== filter.type) return false;
  if (filter.author === undefined) return true;
  return `${commit.author.name} <${commit.author.email}>`.toLowerCase().includes(filter.author);
}

function typeOf({ meta, parents }: Commit): CommitType {
  const { training } = meta;
  if (typeof training === "object" && training !== null) return "train";
  if (originOf(meta) !== undefined) return "import";
  return parents.length > 1 ? "merge" : "commit";
}

/** Tells whether a commit changes one of the paths against each of its parents. */
function createPathTest(
  store: Store,
  paths: readonly string[],
): (node: CommitNode, commit: Commit) => Promise<boolean> {
  const states = new Map<Digest, string>();
  const stateOf = async (tree: Digest): Promise<string> => {
    const known = states.get(tree);
    if (known !== undefined) return known;
    const found: string[] = [];
    for (const path of paths) {
      const entry = path === "" ? undefined : await findPath(store.objects, tree, path);
      found.push(path === "" ? tree : `${entry?.mode ?? ""}${entry?.digest ?? ""}`);
    }
    if (states.size >= TREES_CACHED_MAX) states.clear();
    const state = found.join(" ");
    states.set(tree, state);
    return state;
  };
  const nothing = paths.map(() => "").join(" ");
  return async (node, commit) => {
    if (paths.length === 0) return true;
    const here = await stateOf(commit.tree);
    if (node.parents.length === 0) return here !== nothing;
    for (const parent of node.parents) {
      if ((await stateOf((await readCommit(store, parent)).tree)) === here) return false;
    }
    return true;
  };
}

async function addColumns(
  repository: Repository,
  found: { rows: LogRow[]; walked: readonly CommitNode[]; options: LogOptions },
  call: Call,
): Promise<LogResult> {
  let { rows } = found;
  const { options } = found;
  if (options.metric !== undefined) rows = addMetric(rows, options.metric, await readLower(repository));
  if (options.graph === true) {
    const parents = drawnParents(rows, found.walked);
    const lines = graphLines(
      rows.map((row) => ({ digest: row.digest, parents: parents.get(row.digest) ?? [] })),
    );
    rows = rows.map((row, index) => ({ ...row, graph: lines[index] ?? [] }));
  }
  if (options.sizes !== true) return rows;
  const pace = createPacer(call);
  const sized: LogRow[] = [];
  for (const row of rows) {
    sized.push({ ...row, sizeBytes: await treeSize(repository.store, row.tree) });
    await pace();
  }
  return sized;
}

/** Bytes of all files of a tree. */
async function treeSize(store: Store, tree: Digest): Promise<number> {
  return (await readTree(store.objects, tree)).reduce((sum, entry) => sum + entry.sizeBytes, 0);
}

function addMetric(rows: readonly LogRow[], name: string, lower: readonly string[]): LogRow[] {
  const values = rows.map((row) => row.metrics[name] ?? 0);
  const sign = isLowerBetter(name, lower) ? -1 : 1;
  const best = values.reduce((top, value) => Math.max(top, sign * value), -Infinity);
  return rows.map((row, index) => {
    const value = values[index] ?? 0;
    const older = values[index + 1];
    const change = older === undefined ? null : subtractDecimals(value, older);
    return { ...row, metric: { name, value, change, best: sign * value === best } };
  });
}

/** For each row, the nearest rows among its ancestors: commits that are not shown are stepped over. */
function drawnParents(
  rows: readonly LogRow[],
  walked: readonly CommitNode[],
): Map<Digest, readonly Digest[]> {
  const isShown = new Set(rows.map((row) => row.digest));
  const nearest = new Map<Digest, readonly Digest[]>();
  const parents = new Map<Digest, readonly Digest[]>();
  for (const node of [...walked].reverse()) {
    const above = [...new Set(node.parents.flatMap((parent) => nearest.get(parent) ?? []))].slice(0, 64);
    parents.set(node.digest, above);
    nearest.set(node.digest, isShown.has(node.digest) ? [node.digest] : above);
  }
  return parents;
}
