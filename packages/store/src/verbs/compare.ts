/** `smc compare`: two or more versions side by side, notes included. */
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { formatMoment } from "../history/dates.ts";
import { subjectOf } from "../history/log-entry.ts";
import { resolveCommit, resolveRevision } from "../history/revision.ts";
import type { Digest } from "../objects/digest.ts";
import { type FileRows, compareFilesOf } from "../registry/compare-files.ts";
import {
  compareMetrics,
  compareValues,
  flattenMeta,
  type MetricCells,
  type ValueCells,
} from "../registry/compare-values.ts";
import { type Known, readKnown } from "../registry/known.ts";
import { readLower } from "../registry/metrics-lower.ts";
import { peelRef } from "../registry/facts.ts";
import { shortRefName } from "../refs/ref-find.ts";
import type { Repository } from "../repository.ts";
import { diffTensors, type TensorDiff } from "../tensors/diff-tensors.ts";
import { treeSide } from "../tensors/sides.ts";
import { diffTrees, groupChanges } from "../trees/tree-diff.ts";

const COMPARED_MAX = 50;

export interface CompareOptions {
  /** Two or more; differences are against the first. */
  readonly revisions: readonly string[];
  /** Rows of files that are equal, too. */
  readonly all?: boolean;
  /** Counts tensors that changed; reads what differs. */
  readonly tensors?: boolean;
}

export interface ComparedVersion {
  /** As it was asked for; the name of the ref where it names one. */
  readonly label: string;
  readonly commit: Digest;
  readonly date: string;
  readonly subject: string;
  readonly tags: readonly string[];
  readonly sizeBytes: number;
}

export interface CompareResult {
  readonly versions: readonly ComparedVersion[];
  readonly metrics: readonly MetricCells[];
  readonly params: readonly ValueCells[];
  /** Everything else that is known: data, framework, lineage. Nested names are joined with dots. */
  readonly meta: readonly ValueCells[];
  readonly files: FileRows;
  /** With `tensors`: the count for each version against the first; null for the first itself. */
  readonly tensors?: readonly (TensorDiff["total"] | null)[];
}

/** Throws ARGUMENT_INVALID for less than two versions, REVISION_NOT_FOUND and others as resolveCommit. */
export async function compare(
  repository: Repository,
  options: CompareOptions,
  call: Call,
): Promise<CompareResult> {
  const { revisions } = options;
  if (revisions.length < 2)
    throw new SmcError("ARGUMENT_INVALID", "name two versions or more", {
      hint: "smc compare v1.0.0 v1.0.1",
    });
  if (revisions.length > COMPARED_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${COMPARED_MAX} versions at once`);
  const tagsOf = await readTags(repository);
  const known: Known[] = [];
  const versions: ComparedVersion[] = [];
  for (const text of revisions) {
    const found = await resolveRevision(repository, text, call);
    const version = await readKnown(repository, await resolveCommit(repository, text, call), call);
    known.push(version);
    versions.push({
      label: found.ref === undefined || text === "HEAD" ? text : shortRefName(found.ref),
      commit: version.digest,
      date: formatMoment(version.commit.committed),
      subject: subjectOf(version.commit.message),
      tags: tagsOf.get(version.digest) ?? [],
      sizeBytes: version.sizeBytes,
    });
  }
  const trees = known.map(({ commit }) => commit.tree);
  const result = {
    versions,
    metrics: compareMetrics(
      known.map(({ meta }) => meta),
      await readLower(repository),
    ),
    params: compareValues(known.map(({ meta }) => meta.params ?? {})),
    meta: compareValues(known.map(othersOf)),
    files: await compareFilesOf(repository.store, { trees, all: options.all === true }, call),
  };
  if (options.tensors !== true) return result;
  return { ...result, tensors: await countTensors(repository, trees, call) };
}

function othersOf({ meta }: Known): ReturnType<typeof flattenMeta> {
  const { metrics: _metrics, params: _params, ...others } = meta;
  return flattenMeta(others);
}

async function readTags(repository: Repository): Promise<Map<Digest, string[]>> {
  const tags = new Map<Digest, string[]>();
  for (const { name, digest } of await repository.store.refs.list(repository.name, "refs/tags/")) {
    const { commit } = await peelRef(repository.store, digest);
    if (commit === undefined) continue;
    tags.set(commit, [...(tags.get(commit) ?? []), shortRefName(name)]);
  }
  return tags;
}

async function countTensors(
  { store }: Repository,
  trees: readonly Digest[],
  call: Call,
): Promise<(TensorDiff["total"] | null)[]> {
  const [first, ...others] = trees;
  const totals: (TensorDiff["total"] | null)[] = [null];
  for (const tree of others) {
    const changes = groupChanges(await diffTrees(store.objects, { from: first, to: tree }, call));
    const sides = { from: treeSide(store.objects, first), to: treeSide(store.objects, tree), changes };
    totals.push((await diffTensors(store, sides, call)).total);
  }
  return totals;
}
