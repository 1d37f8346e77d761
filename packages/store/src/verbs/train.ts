/** `smc train`: makes a job of a program and a commit; the daemon runs it, and commits what it writes. */
import { randomBytes } from "node:crypto";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { resolveCommit } from "../history/revision.ts";
import { type ConfigFault, type ConfigFile, readConfigFile } from "../jobs/config-file.ts";
import { configText } from "../jobs/config-text.ts";
import { type Cell, cellScalars, cellsOf, fillWords, wordFaults } from "../jobs/grid.ts";
import { cardOf, type JobCard } from "../jobs/job-card.ts";
import { JOBS_MAX } from "../jobs/job-folder.ts";
import type { TrainPlace } from "../jobs/job-queue.ts";
import type { JobRecord, JobSpec } from "../jobs/job-record.ts";
import {
  type TrainingChange,
  changeText,
  configChanges,
  type TrainingEntry,
  configOf,
  labelFault,
  type MergedConfig,
  mergeConfig,
} from "../jobs/train-config.ts";
import { type PreviewedBatch, type PreviewWish, previewBatch } from "../jobs/preview-batch.ts";
import { readTrainFile, TRAIN_FILE } from "../jobs/train-file.ts";
import type { TrainOptions } from "../jobs/train-options.ts";
import { checkSpec } from "../jobs/train-spec.ts";
import type { Digest } from "../objects/digest.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import { status } from "./status.ts";

export type { TrainOptions } from "../jobs/train-options.ts";

export interface TrainResult {
  /** Null when it was only planned, or declined; of a search the first one. */
  readonly job: JobCard | null;
  /** All that were made. */
  readonly jobs: readonly JobCard[];
  /** The id of a search. */
  readonly group: string | null;
  readonly config: readonly TrainingEntry[];
  /** `config` as YAML, with the origins as comments. */
  readonly configText: string;
  /** The last job of the name in the repository, and what was otherwise with it. */
  readonly previous: string | null;
  readonly changes: readonly TrainingChange[];
  /** Null where none was asked for. */
  readonly previewed: PreviewedBatch | null;
  /** Of a job on HEAD: tracked files that are not as HEAD has them, which the job does not see; 1,000 at most. */
  readonly unseen: readonly string[];
}

/** What a job works on where nothing is said. */
const HEAD = "HEAD";
const UNSEEN_MAX = 1000;
const ID_BYTES = 4;
const VALUE_SHOWN = 200;
const CHANGES_SHOWN = 50;

export function newJobId(): string {
  return randomBytes(ID_BYTES).toString("hex");
}

/**
 * Jobs are durable when it returns, and have not begun. Throws ARGUMENT_INVALID and CONFIG_INVALID with all that is
 * wrong, FILE_MALFORMED … for the file, CONFIRMATION_NEEDED when the last job of the name was configured otherwise and
 * nobody answered, REVISION_NOT_FOUND …, LIMIT_EXCEEDED over 10,000 jobs; then there is no job.
 */
export async function train(place: TrainPlace, options: TrainOptions, call: Call): Promise<TrainResult> {
  const repository = await place.openRepository();
  const file =
    options.config === undefined
      ? await readTrainFile(repository.worktree, options)
      : await readConfigFile(options.config);
  const merged = mergeConfig(options, file);
  const { variants, faults } = variantsOf(merged);
  const specs = await checkAll(place, { merged, variants, file, faults });
  const input = await resolveCommit(repository, merged.options.revision ?? HEAD, call);
  const records = recordsOf({ repository, merged, variants, specs, input });
  const [record] = records;
  if (record === undefined) throw new SmcError("INTERNAL", "there is no job to be made");
  const { name } = merged.options;
  const previous = place.queue
    .list()
    .findLast((other) => other.name === name && other.repository === repository.name);
  const changes = previous === undefined || record.group !== undefined ? [] : configChanges(previous, record);
  const config = [...headOf(merged), ...configOf(record)];
  const told = {
    jobs: [],
    group: null,
    config,
    configText: configText(config),
    previous: previous?.id ?? null,
    changes,
    previewed: null,
    unseen: (merged.options.revision ?? HEAD) === HEAD ? await unseenChanges(repository, call) : [],
  };
  const { answer, preview } = options;
  if (preview !== undefined)
    return {
      job: null,
      ...told,
      previewed: await lookAhead(place, { repository, record, wish: preview }, call),
    };
  if (answer === "plan") return { job: null, ...told };
  if (changes.length > 0 && answer === undefined) throw notConfirmed(record, told);
  if (answer === "no") {
    await note(repository, `declined: ${changesText(record, changes)}`);
    return { job: null, ...told };
  }
  if (place.queue.list().length + records.length > JOBS_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `there would be more than ${JOBS_MAX} jobs; no job was made`, {
      hint: 'take some away with "smc jobs rm"',
    });
  for (const each of records) await place.queue.submit(each);
  if (changes.length > 0) await note(repository, changesText(record, changes));
  const jobs = records.map((each) => cardOf(place.store.path, each));
  return { job: jobs[0] ?? null, ...told, jobs, group: record.group?.id ?? null };
}

/** None where nobody can tell: a job needs no worktree that is in order. */
async function unseenChanges(repository: Repository, call: Call): Promise<string[]> {
  if (repository.worktree === undefined) return [];
  try {
    const { staged, modified, deleted } = await status(repository, {}, call);
    const paths = new Set([...staged.map(({ path }) => path), ...modified, ...deleted]);
    // This one was read from the worktree.
    paths.delete(TRAIN_FILE);
    return [...paths].sort().slice(0, UNSEEN_MAX);
  } catch (error) {
    if (!isSmcError(error) || error.code === "CANCELED") throw error;
    return [];
  }
}

/** Throws USAGE for a program, of which nobody knows what it sees. */
function lookAhead(
  place: TrainPlace,
  { repository, record, wish }: { repository: Repository; record: JobRecord; wish: PreviewWish },
  call: Call,
): Promise<PreviewedBatch> {
  const [, spec] = record.spec.argv;
  if (record.spec.engine !== "tfjs" || spec === undefined)
    throw new SmcError("USAGE", "only the engine tfjs can tell what it would see; no job was made");
  return previewBatch(place, { repository, spec, wish }, call);
}

/** One thing to be run: all of it, or one combination of a search. */
interface Variant {
  readonly cell: Cell | undefined;
  readonly options: TrainOptions;
  readonly settings: MergedConfig["settings"];
}

function variantsOf({ options, settings, grid }: MergedConfig): {
  readonly variants: readonly Variant[];
  readonly faults: readonly ConfigFault[];
} {
  const alone = { cell: undefined, options, settings };
  if (Object.keys(grid).length === 0) return { variants: [alone], faults: [] };
  const isOwn = options.engine === "tfjs";
  const { cells, faults } = cellsOf(grid);
  const all = [...faults, ...(isOwn ? [] : wordFaults(options.argv, grid))];
  if (all.length > 0) return { variants: [alone], faults: all };
  const variants = cells.map((cell): Variant => {
    const values = cellScalars(cell);
    if (isOwn) return { cell, options, settings: { ...settings, ...values } };
    const params = { ...options.params, ...values };
    return { cell, options: { ...options, argv: fillWords(options.argv, cell), params }, settings };
  });
  return { variants, faults: [] };
}

function recordsOf({
  repository,
  merged,
  variants,
  specs,
  input,
}: {
  repository: Repository;
  merged: MergedConfig;
  variants: readonly Variant[];
  specs: readonly JobSpec[];
  input: Digest;
}): JobRecord[] {
  const { name, priority = 0 } = merged.options;
  const groupId = newJobId();
  return specs.map((spec, at) => {
    const cell = variants[at]?.cell;
    const id = newJobId();
    const group = cell === undefined ? undefined : { id: groupId, name: name ?? groupId, values: cell };
    return {
      format: 1,
      id,
      name: group === undefined ? (name ?? id) : `${group.name}-${at + 1}`,
      repository: repository.name,
      actor: repository.actor,
      input,
      createdMs: nowMs() + at,
      priority,
      attempt: 1,
      isResumed: false,
      spec,
      origins: merged.origins,
      ...(group === undefined ? {} : { group }),
      transitions: [{ state: "queued", atMs: nowMs(), why: `asked for by ${actorOf(repository)}` }],
      asked: null,
      commit: null,
    };
  });
}

function actorOf({ actor }: Repository): string {
  return `${actor.name} <${actor.email}>`;
}

/** What belongs to the job, not to what it runs. */
function headOf({ options, origins }: MergedConfig): TrainingEntry[] {
  const values = [
    ["name", options.name ?? null],
    ["revision", options.revision ?? HEAD],
    ["priority", options.priority ?? 0],
  ] as const;
  return values.map(([key, value]) => ({ key, value, ...(origins[key] ?? { origin: "default" }) }));
}

interface Checking {
  readonly merged: MergedConfig;
  readonly variants: readonly Variant[];
  readonly file: ConfigFile | undefined;
  /** What is wrong with the search. */
  readonly faults: readonly ConfigFault[];
}

/** The spec of each variant; what is wrong with several of them is told once. */
async function checkAll(place: TrainPlace, { merged, variants, file, faults }: Checking): Promise<JobSpec[]> {
  const isOwn = merged.options.engine === "tfjs";
  const { revision = HEAD } = merged.options;
  const all = variants.map(({ settings }) => settings);
  const own = isOwn ? await place.checkSettings(all, revision) : [];
  const checked = variants.map(({ options }, at) =>
    checkSpec(options, isOwn ? (own[at]?.spec ?? "{}") : undefined),
  );
  const ownFaults = own.flatMap((each) =>
    each.faults.map(({ field, message }) => ({ key: `settings.${field}`, message })),
  );
  const strays = isOwn ? [] : strayFaults(merged.settings);
  const words = [...faults, ...checked.flatMap((each) => each.faults)];
  const told = [...(file?.faults ?? []), ...words, ...ownFaults, ...strays];
  if (told.length === 0) return checked.map(({ spec }) => spec);
  const places = { origins: merged.origins, lines: file?.lines };
  const isConfig = told.length > words.length;
  const where = file === undefined ? "" : `'${show(file.path, VALUE_SHOWN)}': `;
  const texts = new Set(told.map((fault) => show(labelFault(fault, places), VALUE_SHOWN)));
  const text = [...texts].join("; ");
  throw new SmcError(isConfig ? "CONFIG_INVALID" : "ARGUMENT_INVALID", `${where}${text}; no job was made`, {
    hint: "correct all of these and start again",
    details: { faults: told.map(({ key, message }) => ({ field: key.replace(/^settings\./, ""), message })) },
  });
}

/** A program has words of its own. */
function strayFaults(settings: MergedConfig["settings"]): ConfigFault[] {
  return Object.keys(settings).map((name) => ({
    key: `settings.${name}`,
    message: "goes with the engine tfjs",
  }));
}

function changesText(record: JobRecord, changes: readonly TrainingChange[]): string {
  const shown = changes.slice(0, CHANGES_SHOWN).map(changeText).join("; ");
  const more = changes.length > CHANGES_SHOWN ? `; ${changes.length - CHANGES_SHOWN} more` : "";
  return `job ${record.id} ${record.name}: ${shown}${more}`;
}

/** In the journal, whole: what was before and what is now. */
async function note({ store, name, actor }: Repository, text: string): Promise<void> {
  const reason = {
    op: "train.config",
    reason: `train.config: ${text}`,
    actor: `${actor.name} <${actor.email}>`,
  };
  await store.refs.note(name, reason);
}

function notConfirmed(
  record: JobRecord,
  { previous, changes }: Pick<TrainResult, "previous" | "changes">,
): SmcError {
  return new SmcError(
    "CONFIRMATION_NEEDED",
    `job ${previous} of the name '${show(record.name, 80)}' was configured otherwise: ${changes.map(changeText).join("; ")}; no job was made`,
    { details: { previous, changes } },
  );
}
