/**
 * The daemon's side of the workers: a queue of tasks, one at a time a worker. A worker is two threads: one reads files
 * and packs, the other (started when something is stored) hashes, encodes and writes. Both start with the first task.
 */
import { setMaxListeners } from "node:events";
import { availableParallelism } from "node:os";
import { MessageChannel, Worker } from "node:worker_threads";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import type { WrittenPack } from "../pack/writer.ts";
import {
  type FromWorker,
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
  /** Runs on this worker instead of the first free one. */
  readonly worker?: number;
  /** Told which worker takes the task. */
  onStart?(worker: number): void;
  onProgress?(bytes: number, files: number): void;
  /** Answers a storer that wants to know what to store: one byte a digest, 1 = store it. */
  ask?(digests: readonly Digest[]): Promise<Uint8Array>;
  onPack?(pack: WrittenPack): void;
}

interface Task {
  readonly message: TaskMessage;
  readonly options: TaskOptions;
  readonly resolve: (output: TaskOutput<TaskType>) => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  readonly worker: Worker;
  storer: Worker | undefined;
  /** What the worker does; the storer may have more to do. */
  current: Task | undefined;
  /** Sent and not answered, by id: to the worker or the storer. */
  readonly running: Map<number, Task>;
}

function entry(name: "worker" | "storer"): URL {
  // Tests run the sources; Node 20 cannot run a .ts worker, so they use the built one.
  const here = import.meta.url;
  return new URL(here.endsWith(".ts") ? `../../dist/pool/${name}.js` : `./${name}.js`, here);
}

export class Pool implements AsyncDisposable {
  readonly size = Math.max(1, Math.min(availableParallelism(), WORKERS_MAX));
  readonly #lanes: (Lane | undefined)[] = Array.from({ length: this.size }, () => undefined);
  readonly #queue: Task[] = [];
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
    if (task.message.type === "add") this.#storer(index, lane);
    lane.current = task;
    lane.running.set(task.message.id, task);
    lane.worker.ref();
    task.options.onStart?.(index);
    lane.worker.postMessage({ kind: "task", task: task.message });
  }

  #sendToStorer(task: Task): void {
    const index = task.options.worker ?? 0;
    const lane = this.#lane(index);
    const storer = this.#storer(index, lane);
    lane.running.set(task.message.id, task);
    storer.ref();
    task.options.onStart?.(index);
    storer.postMessage({ kind: "task", task: task.message });
  }

  #lane(index: number): Lane {
    const known = this.#lanes[index];
    if (known !== undefined) return known;
    const lane: Lane = {
      worker: new Worker(entry("worker"), THREAD),
      storer: undefined,
      current: undefined,
      running: new Map(),
    };
    this.#lanes[index] = lane;
    this.#watch(index, lane, lane.worker);
    return lane;
  }

  #storer(index: number, lane: Lane): Worker {
    if (lane.storer !== undefined) return lane.storer;
    const storer = new Worker(entry("storer"), THREAD);
    lane.storer = storer;
    const { port1, port2 } = new MessageChannel();
    lane.worker.postMessage({ kind: "storer", port: port1 }, [port1]);
    storer.postMessage({ kind: "cutter", port: port2 }, [port2]);
    this.#watch(index, lane, storer);
    return storer;
  }

  #watch(index: number, lane: Lane, thread: Worker): void {
    thread.unref();
    thread.on("message", (message: FromWorker) => this.#receive(lane, thread, message));
    const lost = (cause: unknown): void => {
      if (this.#lanes[index] !== lane) return;
      this.#lanes[index] = undefined;
      for (const task of lane.running.values())
        task.reject(new SmcError("INTERNAL", "a worker died", { cause }));
      void lane.worker.terminate();
      void lane.storer?.terminate();
      if (!this.#isClosed) this.#dispatch();
    };
    thread.on("error", lost);
    thread.on("exit", lost);
  }

  #receive(lane: Lane, thread: Worker, message: FromWorker): void {
    const task = lane.running.get(message.id);
    if (task === undefined) {
      // Its command failed meanwhile; the storer still waits for an answer.
      if (message.kind === "ask")
        thread.postMessage({ kind: "wanted", wanted: new Uint8Array(message.digests.length) });
      return;
    }
    switch (message.kind) {
      case "progress":
        return task.options.onProgress?.(message.bytes, message.files);
      case "pack":
        return task.options.onPack?.(message.pack);
      case "ask":
        void answer(thread, task, message.digests);
        return;
      case "done":
        task.resolve(message.output);
        return this.#release(lane, task);
      case "failed":
        task.reject(SmcError.fromJSON(message.error));
        return this.#release(lane, task);
    }
  }

  #release(lane: Lane, task: Task): void {
    lane.running.delete(task.message.id);
    if (lane.current === task) lane.current = undefined;
    if (lane.running.size === 0) {
      lane.worker.unref();
      lane.storer?.unref();
    }
    this.#dispatch();
  }

  /** Ends the workers; what they were doing fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const closing = new SmcError("DAEMON_STOPPING", "the store is being closed");
    for (const task of this.#queue.splice(0)) task.reject(closing);
    for (const lane of this.#lanes) {
      for (const task of lane?.running.values() ?? []) task.reject(closing);
      await lane?.worker.terminate();
      await lane?.storer?.terminate();
    }
  }
}

async function answer(thread: Worker, task: Task, digests: readonly Digest[]): Promise<void> {
  let wanted: Uint8Array;
  try {
    wanted = (await task.options.ask?.(digests)) ?? new Uint8Array(digests.length).fill(1);
  } catch (error) {
    // The storer cannot go on without an answer: it stores nothing more and the task fails.
    Atomics.store(task.message.stop, 0, 1);
    task.reject(error);
    wanted = new Uint8Array(digests.length);
  }
  thread.postMessage({ kind: "wanted", wanted });
}
