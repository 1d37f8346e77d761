/** `smc jobs`: what jobs there are and how far they are, and all that can be asked of them. */
import { type Call, throwIfCanceled } from "../call.ts";
import { nowMs } from "../clock.ts";
import { SmcError } from "../errors.ts";
import { type BestEpoch, bestSince } from "../jobs/best-epoch.ts";
import { commitLater } from "../jobs/commit-later.ts";
import { bestRow, compareGroup, findGroup, type GroupComparison } from "../jobs/compare-group.ts";
import type { CurvePanel } from "../jobs/curve-panels.ts";
import { cardOf, findJob, type JobCard } from "../jobs/job-card.ts";
import { type JobLeavings, leavingsOf } from "../jobs/job-leavings.ts";
import { jobPlaces } from "../jobs/job-folder.ts";
import {
  readHistoryEnds,
  readHistoryFrom,
  readHistoryPage,
  readHistoryTail,
  readOutline,
} from "../jobs/job-history.ts";
import { type LogPart, logTail, READ_BYTES_MAX, readLog } from "../jobs/job-log.ts";
import type { JobsPlace } from "../jobs/job-queue.ts";
import { type EpochPoint, hasEnded, type JobRecord, stateOfJob, type JobSpec } from "../jobs/job-record.ts";
import { type JobProgress, readProgress } from "../jobs/job-progress.ts";
import { type Checkpoint, listCheckpoints } from "../jobs/list-checkpoints.ts";
import { plotJob } from "../jobs/plot-job.ts";
import { readLower } from "../registry/metrics-lower.ts";
import { CHALLENGER } from "../registry/roles.ts";
import { promote } from "./promote.ts";
import { newJobId } from "./train.ts";

const WAIT_MS_MAX = 10_000;
/** Its program writes without telling anybody. */
const LOOK_MS = 100;
/** Of a curve, beside the record of its job. */
const POINTS_SHOWN = 1000;
/** Epochs of one answer. */
const PAGE_POINTS_MAX = 10_000;

export interface JobsOptions {
  readonly action:
    | "list"
    | "show"
    | "follow"
    | "epochs"
    | "checkpoints"
    | "compare"
    | "plot"
    | "commit"
    | "stop"
    | "pause"
    | "resume"
    | "cancel"
    | "retry"
    | "rm"
    | "priority";
  /** Id, start of an id, or name; of all actions but `list`. For `compare` that of a search. */
  readonly job?: string;
  /** For `list`: those of this repository only. */
  readonly repository?: string;
  /** For `epochs`: only those after this one. */
  readonly after?: number;
  /** For `follow`: what the caller has seen. */
  readonly since?: FollowPosition;
  /** For `follow`: returns after so long when there is nothing new; at most 10 s. */
  readonly waitMs?: number;
  /** For `follow`: also returns when its program says that it is further. */
  readonly progress?: boolean;
  /** For `follow`, where no offset is given: at most so much of the log. */
  readonly tailBytes?: number;
  /** For `retry`: go on in the job's own folder. */
  readonly resume?: boolean;
  /** For `retry` with `resume`, of the engine "tfjs": its whole spec as JSON, and its params, from now on. */
  readonly settings?: { readonly spec: string; readonly params: JobSpec["params"] };
  readonly priority?: number;
  /**
   * For `compare`: by which the jobs are ranked. For `plot`: what is drawn, with commas; loss and accuracy when left
   * out.
   */
  readonly metric?: string;
  /** For `plot`: absolute paths of pictures to make. */
  readonly svg?: string;
  /** For `plot`: replaces pictures that are there. */
  readonly force?: boolean;
  /** For `rm`: only tells what would go. */
  readonly dryRun?: boolean;
  readonly png?: string;
  /** For `compare`: the best one becomes the challenger. */
  readonly apply?: boolean;
}

/** How much of a job somebody has seen. */
export interface FollowPosition {
  readonly transitions: number;
  readonly historyOffset: number;
  readonly logOffset: number;
  /** When what was said last of the progress was said. */
  readonly progressUs?: number;
  /** Of the points before. */
  readonly best?: BestEpoch;
}

/** What is new of a job since a position. */
export interface Followed {
  readonly position: FollowPosition;
  readonly points: readonly EpochPoint[];
  readonly log: string;
  /** The best epoch up to this position. */
  readonly best: BestEpoch | null;
  /** What its program said last, where that is asked for and new. */
  readonly progress: JobProgress | null;
  /** Bytes of the log that were not seen and are not kept any more. */
  readonly droppedBytes: number;
  /** True when nothing will come any more. */
  readonly isDone: boolean;
}

export interface JobsResult {
  readonly action: JobsOptions["action"];
  readonly jobs: readonly JobCard[];
  /** For `epochs` the first 10,000 after `after`; for `show` the newest 1,000. */
  readonly points: readonly EpochPoint[] | null;
  /** For `epochs`: names of all metrics of the curve, where `after` was not given. */
  readonly names: readonly string[] | null;
  /** For `epochs`: what `after` asks for the next ones; null when these were the last. */
  readonly nextAfter: number | null;
  readonly best: BestEpoch | null;
  readonly followed: Followed | null;
  /** For `show`: what its program said last of where it is. */
  readonly progress: JobProgress | null;
  readonly checkpoints: readonly Checkpoint[] | null;
  readonly comparison: GroupComparison | null;
  /** For `rm`. */
  readonly leavings: JobLeavings | null;
  /** For `plot`; none when there is no epoch yet. */
  readonly panels: readonly CurvePanel[] | null;
}

const NOTHING = {
  points: null,
  names: null,
  nextAfter: null,
  best: null,
  followed: null,
  progress: null,
  checkpoints: null,
  comparison: null,
  leavings: null,
  panels: null,
};

/**
 * Throws JOB_NOT_FOUND, JOB_STATE_WRONG for what the job's state does not allow: `rm` of one that has not ended,
 * `retry` of one that has not. `stop` and `cancel` of a job that has ended change nothing.
 */
export async function jobs(place: JobsPlace, options: JobsOptions, call: Call): Promise<JobsResult> {
  const { action } = options;
  const { store, queue } = place;
  if (action === "list") {
    const all = queue
      .list()
      .filter(({ repository }) => options.repository === undefined || repository === options.repository);
    return { action, ...NOTHING, jobs: all.map((record) => cardOf(store.path, record)) };
  }
  if (options.job === undefined) throw new SmcError("USAGE", `${action} needs a job`);
  if (action === "compare") {
    const comparison = await compare(place, { ...options, job: options.job }, call);
    return { action, ...NOTHING, comparison, jobs: comparison.rows.map(({ job }) => job) };
  }
  const record = findJob(place, options.job);
  if (action === "follow") return follow(place, { record, options }, call);
  const made = (changed: JobRecord, more: Partial<JobsResult> = {}): JobsResult => ({
    action,
    ...NOTHING,
    ...more,
    jobs: [cardOf(store.path, changed)],
  });
  switch (action) {
    case "show": {
      const places = jobPlaces(store.path, record);
      const points = await readHistoryTail(places.history, POINTS_SHOWN);
      const { best = null } = await readHistoryEnds(places.history);
      return made(record, { points, best, progress: (await readProgress(places.progress)) ?? null });
    }
    case "epochs":
      return made(record, await epochsAfter(jobPlaces(store.path, record).history, options.after));
    case "checkpoints":
      return made(record, { checkpoints: await listCheckpoints(store, record, call) });
    case "plot": {
      const historyPath = jobPlaces(store.path, record).history;
      const { metric, svg, png, force = false } = options;
      const wanted = { historyPath, metric, svg, png, force };
      return made(record, { panels: await plotJob(store, record, wanted, call) });
    }
    case "stop":
    case "cancel":
      return made(await queue.ask(record.id, action));
    case "commit":
      return made(await commitLater(place, record, call));
    case "pause":
      return made(await pause(place, record.id, call));
    case "resume":
      return made(await queue.unpause(record.id));
    case "retry":
      return made(await retry(place, record, options));
    case "priority":
      return made(await queue.setPriority(record.id, options.priority ?? 0));
    case "rm":
      return made(record, { leavings: await remove(place, record, { options, call }) });
  }
}

/** A page of the curve; beside the first what is to be known of all of it. */
async function epochsAfter(path: string, after: number | undefined): Promise<Partial<JobsResult>> {
  const { points, hasMore } = await readHistoryPage(path, { after: after ?? -1, count: PAGE_POINTS_MAX });
  const page = { points, nextAfter: hasMore ? (points.at(-1)?.epoch ?? null) : null };
  if (after !== undefined) return page;
  const [{ names }, { best = null }] = [await readOutline(path), await readHistoryEnds(path)];
  return { ...page, names, best };
}

async function remove(
  { store, queue }: JobsPlace,
  record: JobRecord,
  { options, call }: { options: JobsOptions; call: Call },
): Promise<JobLeavings> {
  assertEnded(record, "removed");
  const leavings = await leavingsOf(store, { record, others: queue.list() }, call);
  if (options.dryRun !== true) await queue.remove(record.id);
  return leavings;
}

function assertEnded(record: JobRecord, what: string): void {
  if (hasEnded(record)) return;
  throw new SmcError("JOB_STATE_WRONG", `job ${record.id} has not ended; it was not ${what}`, {
    hint: `end it with "smc jobs cancel ${record.id}"`,
  });
}

async function compare(
  place: JobsPlace,
  { job: text, metric, apply = false }: JobsOptions & { readonly job: string },
  call: Call,
): Promise<GroupComparison> {
  const { store } = place;
  const records = findGroup(place.queue.list(), text);
  const lower = await readLower({ store, worktree: undefined });
  const comparison = await compareGroup(store, records, { metric, lower });
  if (!apply) return comparison;
  const repository = await place.openRepository();
  const best = bestRow(comparison, { repository: repository.name, unchanged: "no ref was changed" });
  const reason = `best of ${comparison.name} by ${comparison.metric ?? ""}`;
  const revision = best.job.commit ?? "";
  await promote({ ...repository, store }, { revision, to: CHALLENGER, reason }, call);
  return comparison;
}

/** A job that is being prepared runs in a moment. */
async function pause({ queue }: JobsPlace, id: string, call: Call): Promise<JobRecord> {
  for (;;) {
    throwIfCanceled(call);
    const record = await queue.pause(id);
    if (["held", "paused"].includes(stateOfJob(record))) return record;
    await queue.changed(id, LOOK_MS, call.signal);
  }
}

async function retry(
  place: JobsPlace,
  record: JobRecord,
  { resume, settings }: Pick<JobsOptions, "resume" | "settings">,
): Promise<JobRecord> {
  assertEnded(record, "started again");
  const { spec } = record;
  if (settings !== undefined && (resume !== true || spec.engine !== "tfjs"))
    throw new SmcError(
      "USAGE",
      `only a job of the engine tfjs that is resumed takes other settings; nothing was changed`,
    );
  if (resume === true) {
    const argv = ["tfjs", settings?.spec ?? ""];
    const params = { ...spec.params, ...settings?.params };
    const next = settings === undefined ? spec : { ...spec, argv, params };
    return place.queue.resume(record.id, { spec: next, why: resumedText(next) });
  }
  const atMs = nowMs();
  const again: JobRecord = {
    ...record,
    id: newJobId(),
    createdMs: atMs,
    attempt: 1,
    isResumed: false,
    transitions: [{ state: "queued", atMs, why: `job ${record.id} once more` }],
    asked: null,
    commit: null,
  };
  await place.queue.submit(again);
  return again;
}

/** Of the engine tfjs also how far it goes now, and what the learning rate does on the way. */
function resumedText({ engine, argv }: JobSpec): string {
  if (engine !== "tfjs") return "resumed";
  const { epochs, schedule } = JSON.parse(argv[1] ?? "{}") as {
    readonly epochs?: number;
    readonly schedule?: { readonly name?: string };
  };
  const ends = schedule?.name === "cosine" ? `, whose end is epoch ${epochs} now` : "";
  return `resumed, up to epoch ${epochs}; learning rate: ${schedule?.name ?? "const"}${ends}`;
}

/** Without the bytes at its end that begin a character of UTF-8, while the rest of it may come. */
function wholeCharacters(part: LogPart, isEnd: boolean): LogPart {
  const { bytes, nextOffset } = part;
  const cut = isEnd && bytes.length < READ_BYTES_MAX ? 0 : begunBytes(bytes);
  if (cut === 0) return part;
  return { ...part, bytes: bytes.subarray(0, bytes.length - cut), nextOffset: nextOffset - cut };
}

function begunBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    const isInside = byte >= 0x80 && byte < 0xc0;
    if (isInside) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

/** Returns as soon as there is something new. */
async function follow(
  { store, queue }: JobsPlace,
  { record, options }: { record: JobRecord; options: JobsOptions },
  call: Call,
): Promise<JobsResult> {
  const { id } = record;
  const places = jobPlaces(store.path, record);
  const deadline = performance.now() + Math.min(options.waitMs ?? 0, WAIT_MS_MAX);
  const start: FollowPosition = options.since ?? {
    transitions: 0,
    historyOffset: 0,
    logOffset: options.tailBytes === undefined ? 0 : await logTail(places.log, options.tailBytes),
  };
  for (;;) {
    throwIfCanceled(call);
    // Before its files: what it wrote until it ended is read after that.
    const now = findJob({ queue }, id);
    const history = await readHistoryFrom(places.history, start.historyOffset);
    const log = wholeCharacters(await readLog(places.log, start.logOffset), hasEnded(now));
    const said = options.progress === true ? await readProgress(places.progress) : undefined;
    const isSaid = said !== undefined && said.atUs !== start.progressUs;
    const isSame = history.nextOffset === start.historyOffset && log.nextOffset === start.logOffset;
    const isQuiet = isSame && !isSaid && now.transitions.length <= start.transitions;
    if (!isQuiet || hasEnded(now) || performance.now() >= deadline) {
      const best = bestSince(start.best, history.points);
      const followed = {
        position: {
          transitions: now.transitions.length,
          historyOffset: history.nextOffset,
          logOffset: log.nextOffset,
          ...(said === undefined ? {} : { progressUs: said.atUs }),
          ...(best === undefined ? {} : { best }),
        },
        points: history.points,
        best: best ?? null,
        progress: isSaid ? said : null,
        log: log.bytes.toString("utf8"),
        droppedBytes: log.droppedBytes,
        isDone: hasEnded(now) && isSame,
      };
      return { action: "follow", ...NOTHING, jobs: [cardOf(store.path, now)], followed };
    }
    await queue.changed(id, LOOK_MS, call.signal);
  }
}
