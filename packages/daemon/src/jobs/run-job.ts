/** One job from the queue to its end, from whatever state it is in: a daemon that was killed left it anywhere. */
import { stat } from "node:fs/promises";
import {
  type Call,
  claimAttempt,
  commitOutput,
  type Digest,
  type JobEnd,
  jobPlaces,
  type JobPlaces,
  type JobRecord,
  type JobState,
  logTail,
  makeWorkingCopy,
  type OwnedStore,
  readClaim,
  readEnd,
  readLog,
  readProgress,
  type Repository,
  stateOfJob,
  storeCheckpoints,
} from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { removeFile, removeTree } from "@smc/store/fs";
import { show } from "@smc/store/show";
import { healing } from "../heal.ts";
import type { Logger } from "../logger.ts";
import { askKeeper, type Keeper, keeperOf, startKeeper } from "./keeper-process.ts";
import { killMarked } from "./kill-tree.ts";

/** Of the log, in the reason of a failure. */
const TAIL_BYTES = 2000;
const TAIL_SHOWN = 300;

export interface JobRun {
  readonly store: OwnedStore;
  readonly logger: Logger;
  /** Fires when the daemon leaves: the program goes on. */
  readonly signal: AbortSignal;
  read(): JobRecord;
  /** Durable when it returns. */
  move(state: JobState, why: string, changes?: Partial<JobRecord>): Promise<JobRecord>;
  /** Told of the keeper as soon as there is one. */
  onKeeper(keeper: Keeper): void;
}

/** Never throws for what is wrong with the job itself: that is its state. */
export async function runJob(run: JobRun): Promise<void> {
  const record = run.read();
  const places = jobPlaces(run.store.path, record);
  try {
    const keeper =
      stateOfJob(record) === "queued" ? await begin(run, places) : await findAgain(run, record, places);
    if (keeper === undefined) return;
    run.onKeeper(keeper);
    if (!["running", "paused"].includes(stateOfJob(run.read())))
      await run.move("running", `process ${keeper.holder.pid}`);
    const { asked } = run.read();
    if (asked !== null) askKeeper(keeper, asked);
    // The daemon may have been killed before it told; a keeper that knows does nothing.
    else askKeeper(keeper, "look");
    await keeper.gone(run.signal);
    await settle(run, places);
  } catch (error) {
    // The next daemon goes on from here.
    if (run.signal.aborted) return;
    const known = isSmcError(error) ? error : new SmcError("INTERNAL", String(error), { cause: error });
    run.logger.error({ err: error, job: record.id }, "job failed");
    await run.move("failed", known.message);
  }
}

/** Prepares the folder and starts the program; undefined when the job has ended before. */
async function begin(run: JobRun, places: JobPlaces): Promise<Keeper | undefined> {
  const { store, logger, signal } = run;
  const record = await run.move("preparing", whatIsPrepared(run.read()));
  const call: Call = { signal, onProgress: () => undefined };
  let links = 0;
  if (!(record.isResumed && (await isReady(places))))
    links = await healing({ store, logger }, { isReading: true }, async () => {
      using _ = store.calls.enter();
      return await makeWorkingCopy(store, { record, places }, call);
    });
  await removeFile(places.stopFile).catch(ignoreAbsent);
  await removeFile(places.pauseFile).catch(ignoreAbsent);
  // What an earlier attempt said does not count for this one.
  await removeTree(places.progress);
  if (run.read().asked !== null) {
    await run.move("canceled", "before its program began");
    return undefined;
  }
  await run.move(
    "ready",
    links === 0 ? "working copy made" : `working copy made without ${links} symbolic links`,
  );
  const keeper = await startKeeper(store.path, record);
  if (keeper === undefined)
    await run.move("failed", `its keeper did not start; see '${show(places.keeperLog)}'`);
  return keeper;
}

function whatIsPrepared({ isResumed }: JobRecord): string {
  return isResumed ? "going on in its folder" : "making its working copy";
}

async function isReady({ work }: JobPlaces): Promise<boolean> {
  return stat(work).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function ignoreAbsent(error: unknown): void {
  if (!isSmcError(error, "PATH_NOT_FOUND")) throw error;
}

/** What an earlier daemon began: its keeper; undefined when the job is in the queue again or has ended. */
async function findAgain(run: JobRun, record: JobRecord, places: JobPlaces): Promise<Keeper | undefined> {
  if (stateOfJob(record) === "preparing") {
    await run.move("queued", "the daemon ended before its program began");
    return undefined;
  }
  // Whoever makes the claim decides: a keeper that comes later than this runs nothing.
  if (
    (await readClaim(places, record.attempt)) === undefined &&
    (await claimAttempt(places, record.attempt))
  ) {
    const why = "the daemon ended before its program began";
    await run.move("queued", why, { attempt: record.attempt + 1 });
    return undefined;
  }
  const holder = await readClaim(places, record.attempt);
  if (holder === undefined)
    throw new SmcError("STORE_CORRUPT", `the claim of job ${record.id} cannot be read`);
  return keeperOf(holder);
}

/** The program has ended, and its keeper: what is to be said of it. */
async function settle(run: JobRun, places: JobPlaces): Promise<void> {
  const record = run.read();
  const end = await readEnd(places, record.attempt);
  if (end === undefined) {
    killMarked(record.id);
    await run.move("lost", "the process that kept its program was killed; what was left of it was ended");
    return;
  }
  if (end.cause === "cancel") await run.move("canceled", "its processes were killed as asked");
  else if (end.cause === "not-started") await run.move("failed", end.error ?? "it could not be started");
  else if (end.cause === "timeout") {
    const seconds = (record.spec.timeoutMs ?? 0) / 1000;
    await run.move("failed", `it was ended at its time limit of ${seconds} s`);
  } else if (end.code !== 0) {
    const how = end.signal === null ? `exit status ${end.code}` : `ended by ${end.signal}`;
    if (end.cause === "stop") await run.move("stopped", `as asked; ${how}, so nothing was committed`);
    else await run.move("failed", `${how}${await lastWords(places)}`);
  } else await commit(run, { record, places, end });
}

async function commit(
  run: JobRun,
  { record, places, end }: { record: JobRecord; places: JobPlaces; end: JobEnd },
): Promise<void> {
  const { store, logger, signal } = run;
  const isStopped = end.cause === "stop";
  const { repository: name, actor } = record;
  const repository: Repository = { store, name, worktree: undefined, actor, defaultBranch: "main" };
  const call: Call = { signal, onProgress: () => undefined };
  const isPart = record.group !== undefined;
  const challengerKept = isStopped ? "the job was stopped" : isPart ? "it is one of a search" : null;
  const reason = isStopped ? null : ((await readProgress(places.progress))?.reason ?? null);
  try {
    const made = await healing({ store, logger }, { isReading: true }, async () => {
      using _ = store.calls.enter();
      return await commitOutput(repository, { record, places, end, reason, challengerKept }, call);
    });
    const kept = made.challengerKept === null ? "" : `; challenger not moved: ${made.challengerKept}`;
    const why = `${isStopped ? "as asked; " : ""}committed on ${made.branch}${kept}`;
    const note = async (checkpoints: Digest | null): Promise<void> => {
      await run.move(isStopped ? "stopped" : "finished", why, { reason, commit: made.commit, checkpoints });
    };
    using _ = store.calls.enter();
    await storeCheckpoints(repository, { record, places }, { call, note });
  } catch (error) {
    if (!isSmcError(error) || signal.aborted) throw error;
    if (isStopped && error.code === "NOTHING_TO_COMMIT") await run.move("stopped", "as asked; no output");
    else await run.move("failed", `exit status 0, but not committed: ${error.message}`);
  }
}

/** The last line that it printed. */
async function lastWords({ log }: JobPlaces): Promise<string> {
  const { bytes } = await readLog(log, await logTail(log, TAIL_BYTES));
  const line = bytes.toString("utf8").trimEnd().split("\n").at(-1)?.trim() ?? "";
  return line === "" ? "" : `: ${show(line, TAIL_SHOWN)}`;
}
