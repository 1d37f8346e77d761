/** All jobs of the store: their records, their queue, and what runs. One daemon owns them, as it owns the store. */
import { EventEmitter } from "node:events";
import { join } from "node:path";
import {
  type CommittedLater,
  hasEnded,
  isWaiting,
  JOBS_MAX,
  type JobQueue,
  type JobRecord,
  jobsFolder,
  jobPlaces,
  type JobPlaces,
  type JobSpec,
  type JobState,
  moveTo,
  type OwnedStore,
  type QueueState,
  readConfig,
  readJobs,
  removeJob,
  stateOfJob,
  writeJob,
} from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { createFolder, removeTree, replaceFile } from "@smc/store/fs";
import type { Logger } from "../logger.ts";
import { askKeeper, type Keeper } from "./keeper-process.ts";
import { noteEnd } from "./note-end.ts";
import { runJob } from "./run-job.ts";

const SLOTS = 1;

interface Running {
  readonly controller: AbortController;
  readonly done: Promise<void>;
  keeper: Keeper | undefined;
}

export class Jobs implements JobQueue {
  readonly #store: OwnedStore;
  readonly #logger: Logger;
  readonly #records: Map<string, JobRecord>;
  readonly #running = new Map<string, Running>();
  readonly #changes = new EventEmitter();
  #changing: Promise<unknown> = Promise.resolve();
  #pumping: Promise<void> = Promise.resolve();
  #isPaused: boolean;
  #isLeaving = false;

  private constructor(
    store: OwnedStore,
    logger: Logger,
    { records, isPaused }: { records: JobRecord[]; isPaused: boolean },
  ) {
    this.#store = store;
    this.#logger = logger;
    this.#records = new Map(records.map((record) => [record.id, record]));
    this.#isPaused = isPaused;
    this.#changes.setMaxListeners(0);
  }

  /** Reads the records; nothing runs before `start`. */
  static async open(store: OwnedStore, logger: Logger): Promise<Jobs> {
    const records = await readJobs(store.path);
    return new Jobs(store, logger, { records, isPaused: await isThere(pauseFile(store)) });
  }

  /** Goes on with what an earlier daemon began, and then with the queue. */
  start(): void {
    for (const record of this.#records.values())
      if (!hasEnded(record) && !isWaiting(record)) this.#run(record.id);
    this.#pump();
  }

  /** True while the daemon must stay. */
  get isBusy(): boolean {
    if (this.#running.size > 0) return true;
    return !this.#isPaused && [...this.#records.values()].some((record) => stateOfJob(record) === "queued");
  }

  list(): readonly JobRecord[] {
    return [...this.#records.values()];
  }

  async submit(record: JobRecord): Promise<void> {
    if (this.#records.size >= JOBS_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `there are ${JOBS_MAX} jobs; no job was made`, {
        hint: 'take some away with "smc jobs rm"',
      });
    await createFolder(jobsFolder(this.#store.path));
    await this.#inTurn(() => this.#save(record));
    this.#pump();
  }

  async ask(id: string, what: "stop" | "cancel"): Promise<JobRecord> {
    const atMs = Date.now();
    let wasWaiting = false;
    const record = await this.#change(id, (now) => {
      wasWaiting = isWaiting(now);
      if (hasEnded(now)) return now;
      if (wasWaiting)
        return moveTo(now, { state: "canceled", atMs, why: "before its program began" }, { asked: what });
      // Who wants it killed does not wait for it to stop.
      return { ...now, asked: now.asked === "cancel" ? "cancel" : what };
    });
    const keeper = this.#running.get(id)?.keeper;
    if (wasWaiting) await noteEnd(this.#store, this.#logger, record);
    if (!hasEnded(record) && keeper !== undefined) askKeeper(keeper, what);
    return record;
  }

  async resume(id: string, { spec, why }: { spec: JobSpec; why: string }): Promise<JobRecord> {
    const next = { state: "queued", atMs: Date.now(), why } as const;
    const record = await this.#change(id, (now) =>
      moveTo(now, next, {
        attempt: now.attempt + 1,
        isResumed: true,
        asked: null,
        reason: null,
        commit: null,
        checkpoints: null,
        spec,
      }),
    );
    this.#pump();
    return record;
  }

  pause(id: string): Promise<JobRecord> {
    return this.#setStill(id, { isStill: true, why: "asked for" });
  }

  async unpause(id: string): Promise<JobRecord> {
    const record = await this.#setStill(id, { isStill: false, why: "going on" });
    this.#pump();
    return record;
  }

  /** File, record, signal, in this order: whoever finds the record makes the rest true. */
  #setStill(id: string, { isStill, why }: { isStill: boolean; why: string }): Promise<JobRecord> {
    return this.#inTurn(async () => {
      const now = this.#read(id);
      const state = stillState(now, isStill);
      // One that was queued a moment ago is taken already.
      if (state === undefined || (state === "held" && this.#running.has(id))) return now;
      const next = moveTo(now, { state, atMs: Date.now(), why });
      if (!isWaiting(now)) await setPauseFile(jobPlaces(this.#store.path, now), isStill);
      await this.#save(next);
      const keeper = this.#running.get(id)?.keeper;
      if (keeper !== undefined) askKeeper(keeper, "look");
      return next;
    });
  }

  setPriority(id: string, priority: number): Promise<JobRecord> {
    return this.#change(id, (now) => ({ ...now, priority }));
  }

  async committed(id: string, { attempt, state, why, ...changes }: CommittedLater): Promise<JobRecord> {
    const record = await this.#change(id, (now) => {
      if (hasEnded(now) && now.attempt === attempt)
        return moveTo(now, { state, atMs: Date.now(), why }, changes);
      const { commit } = changes;
      const text = `job ${id} was started again meanwhile; it does not name its commit ${commit}, which stays`;
      throw new SmcError("JOB_STATE_WRONG", text);
    });
    await noteEnd(this.#store, this.#logger, record);
    return record;
  }

  async remove(id: string): Promise<void> {
    await this.#inTurn(async () => {
      await removeJob(this.#store.path, this.#read(id));
      this.#records.delete(id);
    });
  }

  changed(id: string, waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#changes.off(id, done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      this.#changes.once(id, done);
      signal.addEventListener("abort", done);
    });
  }

  async state(): Promise<QueueState> {
    const { entries } = await readConfig({ storePath: this.#store.path });
    return { slots: Number(entries.get("jobs.slots")?.value ?? SLOTS), isPaused: this.#isPaused };
  }

  async setPaused(isPaused: boolean): Promise<void> {
    const path = pauseFile(this.#store);
    await createFolder(jobsFolder(this.#store.path));
    if (isPaused) await replaceFile(path, "");
    else await removeTree(path);
    this.#isPaused = isPaused;
    this.#pump();
  }

  /** The daemon leaves: programs go on, and the next daemon finds them. */
  async close(): Promise<void> {
    this.#isLeaving = true;
    const reason = new SmcError("DAEMON_STOPPING", "the daemon is leaving");
    for (const { controller } of this.#running.values()) controller.abort(reason);
    await this.#pumping;
    await Promise.all([...this.#running.values()].map(({ done }) => done));
    await this.#changing;
  }

  #read(id: string): JobRecord {
    const record = this.#records.get(id);
    if (record === undefined) throw new SmcError("JOB_NOT_FOUND", `there is no job ${id}`);
    return record;
  }

  /** One change of a record at a time, each of what the one before left. */
  #change(id: string, change: (now: JobRecord) => JobRecord): Promise<JobRecord> {
    return this.#inTurn(async () => {
      const now = this.#read(id);
      const next = change(now);
      if (next !== now) await this.#save(next);
      return next;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(work);
    this.#changing = done.catch(() => undefined);
    return done;
  }

  async #save(record: JobRecord): Promise<void> {
    await writeJob(this.#store.path, record);
    this.#records.set(record.id, record);
    this.#changes.emit(record.id);
  }

  #pump(): void {
    this.#pumping = this.#pumping
      .then(() => this.#fill())
      .catch((error: unknown) => this.#logger.error({ err: error }, "no job could be begun"));
  }

  async #fill(): Promise<void> {
    const { slots } = await this.state();
    const waiting = this.list().filter((record) => {
      return stateOfJob(record) === "queued" && !this.#running.has(record.id);
    });
    waiting.sort((a, b) => b.priority - a.priority || a.createdMs - b.createdMs);
    for (const { id } of waiting) {
      if (this.#isLeaving || this.#isPaused || this.#running.size >= slots) return;
      this.#run(id);
    }
  }

  #run(id: string): void {
    const controller = new AbortController();
    const move = async (state: JobState, why: string, changes?: Partial<JobRecord>): Promise<JobRecord> => {
      const record = await this.#change(id, (now) => moveTo(now, { state, atMs: Date.now(), why }, changes));
      await noteEnd(this.#store, this.#logger, record);
      return record;
    };
    const done = runJob({
      store: this.#store,
      logger: this.#logger,
      signal: controller.signal,
      read: () => this.#read(id),
      move,
      onKeeper: (keeper) => {
        const running = this.#running.get(id);
        if (running !== undefined) running.keeper = keeper;
      },
    })
      // A record that cannot be written: the next daemon goes on from the old one.
      .catch((error: unknown) => this.#logger.error({ err: error, job: id }, "job given up"))
      .finally(() => {
        this.#running.delete(id);
        this.#pump();
      });
    this.#running.set(id, { controller, done, keeper: undefined });
  }
}

/** The state that follows; undefined when it is the one that it has. Throws JOB_STATE_WRONG. */
function stillState(record: JobRecord, isStill: boolean): JobState | undefined {
  const now = stateOfJob(record);
  const [states, verb] = isStill
    ? [{ queued: "held", running: "paused" } as const, "paused"]
    : [{ held: "queued", paused: "running" } as const, "resumed"];
  if (isStill && ["held", "paused", "preparing", "ready"].includes(now) && record.asked === null)
    return undefined;
  const isEnding = record.asked !== null;
  const next = isEnding ? undefined : (states as Partial<Record<JobState, JobState>>)[now];
  if (next !== undefined) return next;
  const why = isEnding && !hasEnded(record) ? `was asked to ${record.asked ?? ""}` : `is ${now}`;
  throw new SmcError("JOB_STATE_WRONG", `job ${record.id} ${why}; it was not ${verb}`, {
    hint: `see "smc jobs show ${record.id}"`,
  });
}

async function setPauseFile({ pauseFile: path }: JobPlaces, isStill: boolean): Promise<void> {
  if (isStill) await replaceFile(path, "");
  else await removeTree(path);
}

function pauseFile(store: OwnedStore): string {
  return join(jobsFolder(store.path), "paused");
}

async function isThere(path: string): Promise<boolean> {
  const { stat } = await import("node:fs/promises");
  return stat(path).then(
    () => true,
    () => false,
  );
}
