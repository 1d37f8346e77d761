/**
 * The end of a job: what it wrote becomes a commit on `jobs/<name>`, and that the challenger, in one change of refs.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import type { Call } from "../call.ts";
import { readConfig } from "../config.ts";
import { nowMs } from "../clock.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { momentAt } from "../history/dates.ts";
import { readCommit } from "../history/graph.ts";
import type { Digest } from "../objects/digest.ts";
import { type RefName, refName } from "../objects/names.ts";
import { type CommitMeta, encodeCommit, type MetaMap, type MetaValue } from "../objects/objects.ts";
import { refPolicy } from "../refs/ref-policy.ts";
import type { RefChange } from "../refs/refs.ts";
import { readLower } from "../registry/metrics-lower.ts";
import { CHALLENGER, REGISTRY_PREFIX, roleRef } from "../registry/roles.ts";
import type { Repository } from "../repository.ts";
import { readMetricsFiles } from "../training-files/values-file.ts";
import type { FlatTree } from "../trees/tree-read.ts";
import { writeTree } from "../trees/tree-write.ts";
import { assertNames, putEntries, storeFiles } from "../worktree/edit.ts";
import { findParents } from "../worktree/parent-files.ts";
import type { Found } from "../worktree/scan.ts";
import { emptyStage } from "../worktree/stage.ts";
import { filesOf, reasonOf } from "../worktree/state.ts";
import type { JobPlaces } from "./job-folder.ts";
import { readHistoryEnds, readHistoryTail, readPoints } from "./job-history.ts";
import type { JobCommit } from "./job-queue.ts";
import { type EpochPoint, type JobEnd, type JobRecord, titleOfJob } from "./job-record.ts";
import { readOutput } from "./output-files.ts";
import { hideSecret } from "./secret-words.ts";

/** Of the curve, in the commit; the newest of a longer one. */
const POINTS_KEPT = 10_000;

export interface EndedJob {
  readonly record: JobRecord;
  readonly places: JobPlaces;
  readonly end: JobEnd;
  /** Why its program ended before its last epoch, as it says itself. */
  readonly reason: string | null;
  /**
   * Why what it made is no candidate: only a job that went through to its end, and is no part of a search, names one.
   */
  readonly challengerKept: string | null;
}

/** Throws REF_NAME_INVALID. */
export function branchOfJob(name: string): RefName {
  return refName("refs/heads/", `jobs/${name}`);
}

/**
 * Durable when it returns; done before for this attempt, it gives what was made then. Throws NOTHING_TO_COMMIT when the
 * job wrote no file, REF_PROTECTED, REF_CONFLICT, FILE_MALFORMED for its file of metrics, and what storing files
 * throws.
 */
export async function commitOutput(repository: Repository, ended: EndedJob, call: Call): Promise<JobCommit> {
  const { store, name } = repository;
  const { record } = ended;
  const ref = branchOfJob(record.name);
  const branch = ref.slice("refs/heads/".length);
  const tip = await store.refs.read(name, ref);
  if (tip !== undefined && (await isOfAttempt(repository, tip, record)))
    return { commit: tip, branch, challengerKept: null };
  await using session = store.write("train");
  const { tree, data } = await writeOutput(repository, { ended, session }, call);
  const message = record.spec.message ?? `train ${record.name}`;
  const now = momentAt(nowMs());
  const commit = await session.putObject(
    "commit",
    encodeCommit({
      tree,
      parents: tip === undefined || tip === record.input ? [record.input] : [tip, record.input],
      author: repository.actor,
      authored: now,
      committer: repository.actor,
      committed: now,
      message,
      meta: await metaOf(repository, ended, data),
    }),
  );
  await session.finish();
  const change: RefChange = { name: ref, from: tip ?? "absent", to: commit };
  const challengerKept = await publish(repository, { ended, change, commit, message });
  return { commit, branch, challengerKept };
}

/** A daemon that was killed after the commit finds it here. */
async function isOfAttempt({ store }: Repository, tip: Digest, record: JobRecord): Promise<boolean> {
  const { training } = (await readCommit(store, tip)).meta;
  if (typeof training !== "object" || training === null || Array.isArray(training)) return false;
  const { job, attempt } = training as MetaMap;
  return job === record.id && attempt === record.attempt;
}

interface Data {
  readonly tree: Digest;
  readonly files: FlatTree;
}

/** The tree of the input with what was written put over it. */
async function writeOutput(
  repository: Repository,
  { ended, session }: { ended: EndedJob; session: ReturnType<Repository["store"]["write"]> },
  call: Call,
): Promise<{ tree: Digest; data: Data }> {
  const { record, places } = ended;
  const input = (await readCommit(repository.store, record.input)).tree;
  const before = await filesOf(repository, input, call);
  const { files } = await readOutput({ record, places, leaveOut: "" }, call);
  if (files.length === 0)
    throw new SmcError("NOTHING_TO_COMMIT", "the program wrote no file into its output folder", {
      hint: "write the model into the folder that SMC_OUTPUT names",
    });
  await assertSize(repository, files);
  const { output } = record.spec;
  const inTree = (path: string): string => (output === null ? path : `${output}/${path}`);
  const added = files.map(({ path }) => inTree(path)).filter((path) => !before.has(path));
  await assertNames(repository, { added, kept: before.keys(), allowNonportable: undefined });
  const findAt = await findParents(repository, { files, trees: [input] }, call);
  const parents: typeof findAt = (path, sizeBytes) => findAt(inTree(path), sizeBytes);
  const stored = await storeFiles({ root: places.output }, session, { files, parents }, call);
  const stage = emptyStage();
  for (const [path, entry] of before) stage.entries.set(path, entry);
  putEntries(stage, new Map([...stored].map(([path, entry]) => [inTree(path), entry])));
  return { tree: await writeTree(session, stage.entries, call), data: { tree: input, files: before } };
}

const MIB = 1024 * 1024;

async function assertSize({ store }: Repository, files: readonly Found[]): Promise<void> {
  const { entries } = await readConfig({ storePath: store.path });
  const limitMib = Number(entries.get("jobs.outputMiB")?.value ?? 0);
  const sizeBytes = files.reduce((sum, { stat }) => sum + (stat?.sizeBytes ?? 0), 0);
  if (limitMib === 0 || sizeBytes <= limitMib * MIB) return;
  throw new SmcError(
    "LIMIT_EXCEEDED",
    `the output has ${Math.ceil(sizeBytes / MIB)} MiB, more than the ${limitMib} MiB of the setting jobs.outputMiB`,
    { hint: 'set that higher, and commit it with "smc jobs commit"' },
  );
}

async function metaOf(
  repository: Repository,
  { record, places, end, reason }: EndedJob,
  data: Data,
): Promise<CommitMeta> {
  const { spec } = record;
  const points = await readHistoryTail(places.history, POINTS_KEPT);
  const { best } = await readHistoryEnds(places.history, await readLower(repository));
  const metrics = await metricsOf(spec, places);
  const { seed } = spec.params;
  return {
    ...(Object.keys(metrics).length === 0 ? {} : { metrics }),
    ...(Object.keys(spec.params).length === 0 ? {} : { params: spec.params }),
    data: {
      input: record.input,
      tree: data.tree,
      files: data.files.size,
      sizeBytes: [...data.files.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    },
    lineage: { base: record.input, job: record.id },
    training: {
      job: record.id,
      attempt: record.attempt,
      name: record.name,
      engine: spec.engine,
      command: spec.argv.map(hideSecret),
      ...(best === undefined ? {} : { best: { ...best } }),
      ...(reason === null ? {} : { reason }),
      ...(seed === undefined ? {} : { seed }),
      startedMs: end.startedMs,
      endedMs: end.endedMs,
      durationMs: end.endedMs - end.startedMs,
      ...((end.pausedMs ?? 0) === 0 ? {} : { pausedMs: end.pausedMs ?? 0 }),
      environment: {
        host: hostname(),
        platform: `${process.platform} ${process.arch}`,
        node: process.version,
        variables: Object.keys(spec.environment).sort(),
      },
      history: points.map(asMeta),
    },
  };
}

/**
 * Of the weights that the job gives: the trainer says of which epoch they are, any other program gives those of its
 * last.
 */
async function metricsOf(
  { engine, metricsFile }: JobRecord["spec"],
  { output, work, history }: JobPlaces,
): Promise<Readonly<Record<string, number>>> {
  if (engine === "tfjs") return metricsOfModel(join(output, "metrics.json"), history);
  const { last } = await readHistoryEnds(history);
  const told = metricsFile === null ? {} : (await readMetricsFiles([join(work, metricsFile)])).metrics;
  return { ...last?.metrics, ...told };
}

/** None where the trainer was killed before it said so, and inside of an epoch. */
async function metricsOfModel(path: string, history: string): Promise<Readonly<Record<string, number>>> {
  try {
    const { epoch, batch } = (await readMetricsFiles([path])).metrics;
    let measured: EpochPoint["metrics"] = {};
    if (batch !== 0) return measured;
    for await (const point of readPoints(history)) if (point.epoch === epoch) measured = point.metrics;
    return measured;
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return {};
    throw error;
  }
}

function asMeta({ epoch, metrics }: EpochPoint): MetaValue {
  return { epoch, ...metrics };
}

/** Branch and challenger together; where the challenger is protected, the branch alone. Gives why it stayed. */
async function publish(
  repository: Repository,
  input: { ended: EndedJob; change: RefChange; commit: Digest; message: string },
): Promise<string | null> {
  const { store, name } = repository;
  const { ended, change, commit, message } = input;
  const { record } = ended;
  const reason = reasonOf(repository, "train", `job ${titleOfJob(record)}: ${message}`);
  const policy = await refPolicy(repository);
  const alone = async (why: string): Promise<string> => {
    await store.refs.update(name, [change], reason, policy);
    return why;
  };
  if (ended.challengerKept !== null) return alone(ended.challengerKept);
  const challenger: RefChange = { name: roleRef(CHALLENGER), from: "any", to: commit };
  try {
    await store.refs.update(name, [change, challenger], reason, { ...policy, owns: [REGISTRY_PREFIX] });
    return null;
  } catch (error) {
    if (!isSmcError(error, "REF_PROTECTED")) throw error;
    return alone(error.message);
  }
}
