/**
 * The daemon's side of the workers: a queue of tasks, one at a time a worker. Workers read files and packs; storers
 * hash, encode and write, for all workers: one large file keeps every core busy. All of them start with their first
 * task.
 */
import { setMaxListeners } from "node:events";
import { availableParallelism } from "node:os";
import { MessageChannel, Worker } from "node:worker_threads";
import type { Digest } from "../objects/digest.ts";
import { type ErrorJson, fromErrno, isSmcError, SmcError } from "../errors.ts";
import type { ChunkPlace } from "../pack/open-packs.ts";
import type { DamagedRecord } from "../pack/reader.ts";
import type { WrittenPack } from "../pack/writer.ts";
import type { RecordKind } from "../pack/format.ts";
import { answerElsewhere } from "./ask-elsewhere.ts";
import {
  type FromWorker,
  memoryOf,
  STORER_TASKS,
  type TaskInput,
  type TaskMessage,
  type TaskOutput,
  type TaskType,
} from "./tasks.ts";

const WORKERS_MAX = 8;
/** A thread works in memory outside its heap; a small young generation keeps the daemon small. */
const THREAD = { resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 512 } };

export interface TaskOptions {
  readonly signal: AbortSignal;
  /** The storer of a task that stores: `put`, `seal`, `drop`. */
  readonly storer?: number;
  /** An `add` that is worth all storers. */
  readonly isLarge?: boolean;
  /** Told which storers the task may use. */
  onStorers?(storers: readonly number[]): void;
  onProgress?(bytes: number, files: number): void;
  /** Answers a storer that wants to know what to store: one byte a digest, 1 = store it. */
  ask?(digests: readonly Digest[], record: RecordKind): Promise<Uint8Array>;
  onPack?(pack: WrittenPack): void;
  /** Damage fails the task although other packs may have the record: for those who ask about this one. */
  readonly onlyThere?: boolean;
}

/** Where else these chunks are, without the records that are damaged; undefined when one of them is nowhere else. */
export type Elsewhere = (
  digests: readonly Digest[],
  damaged: readonly DamagedRecord[],
) => Promise<readonly ChunkPlace[] | undefined>;

interface Task {
  readonly message: TaskMessage;
  readonly options: TaskOptions;
  readonly resolve: (output: TaskOutput<TaskType>) => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  readonly worker: Worker;
  current: Task | undefined;
  /** Storers that it has a port to. */
  readonly storers: Set<number>;
}

function entry(name: "worker" | "storer"): URL {
  // Tests run the sources; Node 20 cannot run a .ts worker, so they use the built one.
  const here = import.meta.url;
  return new URL(here.endsWith(".ts") ? `../../dist/pool/${name}.js` : `./${name}.js`, here);
}

export class Pool implements AsyncDisposable {
  /** Asked when a task meets damage; until there is one, damage fails the task. */
  elsewhere: Elsewhere | undefined;
  readonly size = Math.max(1, Math.min(availableParallelism(), WORKERS_MAX));
  #lanes: (Lane | undefined)[] = Array.from({ length: this.size }, () => undefined);
  #storers: (Worker | undefined)[] = Array.from({ length: this.size }, () => undefined);
  readonly #queue: Task[] = [];
  /** Sent and not answered, by id. */
  readonly #running = new Map<number, Task>();
  #nextId = 1;
  #isClosed = false;

  /** Rejects with what the task threw, CANCELED when the signal fired, INTERNAL when the worker died. */
  run<T extends TaskType>(type: T, input: TaskInput<T>, options: TaskOptions): Promise<TaskOutput<T>> {
    if (this.#isClosed) return Promise.reject(new SmcError("DAEMON_STOPPING", "the store is being closed"));
    if (options.signal.aborted) return Promise.reject(new SmcError("CANCELED", "stopped"));
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const message = { id: this.#nextId, type, input, stop };
    this.#nextId += 1;
    const onAbort = (): void => {
      Atomics.store(stop, 0, 1);
    };
    // One command may have thousands of tasks.
    setMaxListeners(0, options.signal);
    options.signal.addEventListener("abort", onAbort, { once: true });
    const done = new Promise<TaskOutput<TaskType>>((resolve, reject) => {
      const task = { message, options, resolve, reject };
      if (STORER_TASKS.has(type)) this.#sendToStorer(task);
      else this.#queue.push(task);
      this.#dispatch();
    });
    // A worker answers a task of type T with that type's output.
    return (done as Promise<TaskOutput<T>>).finally(() =>
      options.signal.removeEventListener("abort", onAbort),
    );
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const index = this.#freeLane();
      if (index === undefined) return;
      const task = this.#queue.shift();
      if (task === undefined) return;
      if (task.options.signal.aborted) task.reject(new SmcError("CANCELED", "stopped"));
      else this.#sendToWorker(index, task);
    }
  }

  #freeLane(): number | undefined {
    const idle = this.#lanes.findIndex((lane) => lane !== undefined && lane.current === undefined);
    if (idle >= 0) return idle;
    const unused = this.#lanes.indexOf(undefined);
    return unused < 0 ? undefined : unused;
  }

  #sendToWorker(index: number, task: Task): void {
    const lane = this.#lane(index);
    const storers = task.message.type === "add" ? this.#connect(index, lane, task.options) : [];
    lane.current = task;
    this.#start(task);
    task.options.onStorers?.(storers);
    lane.worker.postMessage({ kind: "task", task: task.message, storers }, memoryOf(task.message.input));
  }

  /** Gives the lane ports to the storers that the task may use. */
  #connect(index: number, lane: Lane, { isLarge }: TaskOptions): number[] {
    const storers = isLarge === true ? this.#storers.map((_, storer) => storer) : [index];
    for (const storer of storers) {
      const thread = this.#storer(storer);
      if (lane.storers.has(storer)) continue;
      lane.storers.add(storer);
      const { port1, port2 } = new MessageChannel();
      lane.worker.postMessage({ kind: "storer", storer, port: port1 }, [port1]);
      thread.postMessage({ kind: "cutter", port: port2 }, [port2]);
    }
    return storers;
  }

  #sendToStorer(task: Task): void {
    const index = task.options.storer ?? 0;
    const storer = this.#storer(index);
    this.#start(task);
    task.options.onStorers?.([index]);
    storer.postMessage({ kind: "task", task: task.message }, memoryOf(task.message.input));
  }

  #lane(index: number): Lane {
    const known = this.#lanes[index];
    if (known !== undefined) return known;
    const lane: Lane = { worker: this.#thread("worker"), current: undefined, storers: new Set() };
    this.#lanes[index] = lane;
    return lane;
  }

  #storer(index: number): Worker {
    const known = this.#storers[index];
    if (known !== undefined) return known;
    const storer = this.#thread("storer");
    this.#storers[index] = storer;
    return storer;
  }

  #threads(): Worker[] {
    return [...this.#lanes.map((lane) => lane?.worker), ...this.#storers].filter(
      (thread) => thread !== undefined,
    );
  }

  #thread(name: "worker" | "storer"): Worker {
    const thread = new Worker(entry(name), THREAD);
    if (this.#running.size === 0) thread.unref();
    thread.on("message", (message: FromWorker) => this.#receive(thread, message));
    thread.on("error", (cause) => this.#lose(thread, cause));
    thread.on("exit", (cause) => this.#lose(thread, cause));
    return thread;
  }

  /** A thread that died leaves others waiting for it: all are started anew, and what was running fails. */
  #lose(thread: Worker, cause: unknown): void {
    const threads = this.#threads();
    if (this.#isClosed || !threads.includes(thread)) return;
    this.#lanes = this.#lanes.map(() => undefined);
    this.#storers = this.#storers.map(() => undefined);
    for (const other of threads) void other.terminate();
    const tasks = [...this.#running.values()];
    this.#running.clear();
    for (const task of tasks) task.reject(new SmcError("INTERNAL", "a worker died", { cause }));
    this.#dispatch();
  }

  #receive(thread: Worker, message: FromWorker): void {
    const task = this.#running.get(message.id);
    if (task === undefined) {
      // Its command failed meanwhile; the thread still waits for an answer.
      if (message.kind === "ask")
        thread.postMessage({ kind: "wanted", wanted: new Uint8Array(message.digests.length) });
      if (message.kind === "elsewhere") answerElsewhere(message, { places: undefined });
      return;
    }
    switch (message.kind) {
      case "progress":
        return task.options.onProgress?.(message.bytes, message.files);
      case "pack":
        return task.options.onPack?.(message.pack);
      case "elsewhere":
        void findElsewhere(task.options.onlyThere === true ? undefined : this.elsewhere, message);
        return;
      case "ask":
        void answer(thread, task, message);
        return;
      case "done":
        task.resolve(message.output);
        return this.#release(task);
      case "failed":
        task.reject(SmcError.fromJSON(message.error));
        return this.#release(task);
    }
  }

  /** While something runs, the threads keep the process alive. */
  #start(task: Task): void {
    this.#running.set(task.message.id, task);
    for (const thread of this.#threads()) thread.ref();
  }

  #release(task: Task): void {
    this.#running.delete(task.message.id);
    for (const lane of this.#lanes) if (lane?.current === task) lane.current = undefined;
    if (this.#running.size === 0) for (const thread of this.#threads()) thread.unref();
    this.#dispatch();
  }

  /** Ends the workers; what they were doing fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const closing = new SmcError("DAEMON_STOPPING", "the store is being closed");
    for (const task of this.#queue.splice(0)) task.reject(closing);
    for (const task of this.#running.values()) task.reject(closing);
    for (const thread of this.#threads()) await thread.terminate();
  }
}

async function answer(
  thread: Worker,
  task: Task,
  { digests, record }: Extract<FromWorker, { kind: "ask" }>,
): Promise<void> {
  let wanted: Uint8Array;
  try {
    wanted = (await task.options.ask?.(digests, record)) ?? new Uint8Array(digests.length).fill(1);
  } catch (error) {
    // The storer cannot go on without an answer: it stores nothing more and the task fails.
    Atomics.store(task.message.stop, 0, 1);
    task.reject(error);
    wanted = new Uint8Array(digests.length);
  }
  thread.postMessage({ kind: "wanted", wanted });
}

async function findElsewhere(
  elsewhere: Elsewhere | undefined,
  message: Extract<FromWorker, { kind: "elsewhere" }>,
): Promise<void> {
  try {
    answerElsewhere(message, { places: await elsewhere?.(message.digests, message.damaged) });
  } catch (error) {
    answerElsewhere(message, { error: errorJson(error) });
  }
}

function errorJson(error: unknown): ErrorJson {
  const known = fromErrno(error, "cannot look for another copy");
  return isSmcError(known) ? known.toJSON() : new SmcError("INTERNAL", String(error)).toJSON();
}
