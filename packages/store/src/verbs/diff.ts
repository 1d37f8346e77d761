/** What changed between two versions: files, metrics, params. */
import { type Call, createPacer } from "../call.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { mergeBases, readCommit } from "../history/graph.ts";
import { diffMetrics, diffParams, type MetricRow, type ParamRow } from "../history/meta-diff.ts";
import type { CommitMeta } from "../objects/objects.ts";
import { shortRefName } from "../refs/ref-find.ts";
import { type Repository, requireWorktree } from "../repository.ts";
import { resolveCommit, resolveRevision, resolveTree } from "../history/revision.ts";
import { parseRange } from "../history/revision-text.ts";
import { diffTensors, type TensorDiff } from "../tensors/diff-tensors.ts";
import { filesSide, treeSide } from "../tensors/sides.ts";
import {
  compareFiles,
  diffTrees,
  type FileChange,
  type FileChanges,
  type FileVersion,
  groupChanges,
} from "../trees/tree-diff.ts";
import { resolvePathFilter } from "../trees/tree-find.ts";
import type { FlatEntry, FlatTree } from "../trees/tree-read.ts";
import { readWorktreeFiles } from "../worktree/contents.ts";
import type { PathFilter } from "../worktree/paths.ts";
import { filesOf, loadStage, readTip } from "../worktree/state.ts";

export interface DiffOptions {
  /** None, `A`, `A` and `B`, `A..B`, `A...B` (from where B left A). */
  readonly revisions?: readonly string[];
  /** The stage against HEAD, or against `A`. */
  readonly staged?: boolean;
  /** Only these files and folders, as seen from where the user stands. */
  readonly paths?: readonly string[];
  /** Rows of metrics and params that are equal, too. */
  readonly all?: boolean;
  /** Compares the tensors of files that differ, too. */
  readonly tensors?: boolean;
}

export interface DiffResult {
  /** What was compared, for people: `v1.0.0`, `stage`, `worktree`, `nothing`. */
  readonly from: string;
  readonly to: string;
  readonly files: FileChanges;
  readonly metrics: readonly MetricRow[];
  readonly params: readonly ParamRow[];
  /** With `tensors`. */
  readonly tensors?: TensorDiff;
}

/** One side of a comparison of trees. */
interface Side {
  readonly label: string;
  readonly tree: Digest | undefined;
  readonly meta: CommitMeta;
}

/**
 * Compares two revisions; with fewer than two, a revision or the stage with the files of the worktree.
 * Throws as resolveRevision, ARGUMENT_INVALID for more than two, WORKTREE_NOT_FOUND, and as diffTensors.
 */
export async function diff(repository: Repository, options: DiffOptions, call: Call): Promise<DiffResult> {
  const texts = await splitRange(repository, options.revisions ?? [], call);
  const limit = options.staged === true ? 1 : 2;
  if (texts.length > limit) {
    throw new SmcError(
      "ARGUMENT_INVALID",
      `${texts.length} revisions: at most ${limit} can be compared here`,
    );
  }
  const paths = options.paths ?? [];
  const filter = paths.length === 0 ? undefined : await resolvePathFilter(repository, paths);
  const [from, to] = texts;
  if (from !== undefined && to !== undefined) {
    const sides = { from: await sideOf(repository, from, call), to: await sideOf(repository, to, call) };
    return compareSides(repository, { ...sides, filter, options }, call);
  }
  return diffWorktree(repository, { from, filter, options }, call);
}

/** A commit against another one, or against nothing. Throws OBJECT_NOT_FOUND, OBJECT_CORRUPT, LIMIT_EXCEEDED. */
export async function diffCommits(
  repository: Repository,
  commits: { from: Digest | undefined; to: Digest },
  call: Call,
): Promise<DiffResult> {
  const side = async (digest: Digest): Promise<Side> => {
    const commit = await readCommit(repository.store, digest);
    return { label: digest.slice(0, 12), tree: commit.tree, meta: commit.meta };
  };
  const from = commits.from === undefined ? NOTHING : await side(commits.from);
  return compareSides(repository, { from, to: await side(commits.to), filter: undefined, options: {} }, call);
}

const NOTHING: Side = { label: "nothing", tree: undefined, meta: {} };

async function splitRange(repository: Repository, texts: readonly string[], call: Call): Promise<string[]> {
  const [text = ""] = texts;
  const range = texts.length === 1 ? parseRange(text) : undefined;
  if (range === undefined) return [...texts];
  if (!range.symmetric) return [range.from, range.to];
  const from = await resolveCommit(repository, range.from, call);
  const to = await resolveCommit(repository, range.to, call);
  const [base] = await mergeBases(repository.store, from, to, call);
  if (base === undefined)
    throw new SmcError("REVISION_NOT_FOUND", `${range.from} and ${range.to} have no commit in common`);
  return [base, range.to];
}

async function sideOf(repository: Repository, text: string, call: Call): Promise<Side> {
  const found = await resolveRevision(repository, text, call);
  const tree = await resolveTree(repository, text, call);
  const label = found.ref === undefined ? text : shortRefName(found.ref);
  const isVersion = found.path === undefined && (found.kind === "commit" || found.kind === "tag");
  if (!isVersion) return { label, tree, meta: {} };
  const commit = await readCommit(repository.store, await resolveCommit(repository, text, call));
  return { label, tree: commit.tree, meta: commit.meta };
}

async function compareSides(
  repository: Repository,
  sides: { from: Side; to: Side; filter: PathFilter | undefined; options: DiffOptions },
  call: Call,
): Promise<DiffResult> {
  const { store } = repository;
  const { from, to, filter, options } = sides;
  const changes = await diffTrees(store.objects, { from: from.tree, to: to.tree }, call);
  const files = groupChanges(onlyMatching(changes, filter));
  const all = options.all === true;
  const result = {
    from: from.label,
    to: to.label,
    files,
    metrics: diffMetrics(from.meta, to.meta, all),
    params: diffParams(from.meta, to.meta, all),
  };
  if (options.tensors !== true) return result;
  const compared = {
    from: treeSide(store.objects, from.tree),
    to: treeSide(store.objects, to.tree),
    changes: files,
  };
  return { ...result, tensors: await diffTensors(store, compared, call) };
}

function onlyMatching(changes: readonly FileChange[], filter: PathFilter | undefined): readonly FileChange[] {
  return filter === undefined ? changes : changes.filter((change) => filter.matches(change.path));
}

interface LocalComparison {
  readonly from: string | undefined;
  readonly filter: PathFilter | undefined;
  readonly options: DiffOptions;
}

/** A revision or the stage against the stage or the files of the worktree. These have no metrics and params. */
async function diffWorktree(
  repository: Repository,
  wanted: LocalComparison,
  call: Call,
): Promise<DiffResult> {
  const worktree = requireWorktree(repository);
  const tip = await readTip(repository);
  const stage = await loadStage(repository, worktree, tip, call);
  const isStaged = wanted.options.staged === true;
  const isStageFirst = wanted.from === undefined && !isStaged;
  let from: FlatTree = stage.entries;
  if (!isStageFirst) {
    const tree = wanted.from === undefined ? tip.tree : await resolveTree(repository, wanted.from, call);
    from = await filesOf(repository, tree, call);
  }
  const { filter } = wanted;
  const to = isStaged
    ? stage.entries
    : await readWorktreeFiles(repository, { worktree, stage, filter }, call);
  const changes: FileChange[] = [];
  const pace = createPacer(call);
  for (const path of new Set([...from.keys(), ...to.keys()])) {
    const change = compareFiles(path, versionOf(from.get(path)), versionOf(to.get(path)));
    if (change !== undefined) changes.push(change);
    await pace();
  }
  const files = groupChanges(onlyMatching(changes, filter));
  const result = {
    from: isStageFirst ? "stage" : (wanted.from ?? "HEAD"),
    to: isStaged ? "stage" : "worktree",
    files,
    metrics: [],
    params: [],
  };
  if (wanted.options.tensors !== true) return result;
  const { store } = repository;
  const compared = {
    from: filesSide(store.objects, from, undefined),
    to: filesSide(store.objects, to, isStaged ? undefined : worktree.root),
    changes: files,
  };
  return { ...result, tensors: await diffTensors(store, compared, call) };
}

function versionOf(entry: FlatEntry | undefined): FileVersion | undefined {
  if (entry === undefined) return undefined;
  return { digest: entry.digest, sizeBytes: entry.sizeBytes, mode: entry.mode };
}
