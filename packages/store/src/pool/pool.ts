/** The daemon's side of the workers: a queue of tasks, one at a time a worker. Workers start with the first task. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Digest } from "../digest.ts";
import { SmcError } from "../errors.ts";
import type { WrittenPack } from "../pack/writer.ts";
import type { FromWorker, TaskInput, TaskMessage, TaskOutput, TaskType } from "./tasks.ts";

const WORKERS_MAX = 8;

export interface TaskOptions {
  readonly signal: AbortSignal;
  /** Runs on this worker instead of the first free one. */
  readonly worker?: number;
  /** Told which worker takes the task. */
  onStart?(worker: number): void;
  onProgress?(bytes: number, files: number): void;
  /** Answers a worker that wants to know what to store. */
  ask?(digests: readonly Digest[]): Promise<Uint8Array>;
  onPack?(pack: WrittenPack, worker: number): void;
}

interface Queued {
  readonly message: TaskMessage;
  readonly options: TaskOptions;
  readonly resolve: (output: TaskOutput<TaskType>) => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  readonly worker: Worker;
  current: Queued | undefined;
}

function release(lane: Lane): void {
  lane.current = undefined;
  lane.worker.unref();
}

function workerUrl(): URL {
  // Tests run the sources; Node 20 cannot run a .ts worker, so they use the built one.
  const here = import.meta.url;
  return new URL(here.endsWith(".ts") ? "../../dist/pool/worker.js" : "./worker.js", here);
}

export class Pool implements AsyncDisposable {
  readonly size = Math.max(1, Math.min(availableParallelism(), WORKERS_MAX));
  readonly #lanes: (Lane | undefined)[] = Array.from({ length: this.size }, () => undefined);
  readonly #queue: Queued[] = [];
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
    options.signal.addEventListener("abort", onAbort, { once: true });
    const done = new Promise<TaskOutput<TaskType>>((resolve, reject) => {
      this.#queue.push({ message, options, resolve, reject });
      this.#dispatch();
    });
    // A worker answers a task of type T with that type's output.
    return (done as Promise<TaskOutput<T>>).finally(() => options.signal.removeEventListener("abort", onAbort));
  }

  #dispatch(): void {
    for (let index = 0; index < this.#queue.length; ) {
      const queued = this.#queue[index];
      const lane = queued === undefined ? undefined : this.#freeLane(queued.options.worker);
      if (queued === undefined || lane === undefined) {
        index += 1;
        continue;
      }
      this.#queue.splice(index, 1);
      if (queued.options.signal.aborted && queued.options.worker === undefined) {
        queued.reject(new SmcError("CANCELED", "stopped"));
        continue;
      }
      lane.current = queued;
      lane.worker.ref();
      queued.options.onStart?.(this.#lanes.indexOf(lane));
      lane.worker.postMessage({ kind: "task", task: queued.message });
    }
  }

  #freeLane(wanted: number | undefined): Lane | undefined {
    if (wanted !== undefined) {
      const lane = this.#lane(wanted);
      return lane.current === undefined ? lane : undefined;
    }
    const idle = this.#lanes.find((lane) => lane !== undefined && lane.current === undefined);
    if (idle !== undefined) return idle;
    const unused = this.#lanes.indexOf(undefined);
    return unused < 0 ? undefined : this.#lane(unused);
  }

  #lane(index: number): Lane {
    const known = this.#lanes[index];
    if (known !== undefined) return known;
    const worker = new Worker(workerUrl(), { stdout: false, stderr: false });
    const lane: Lane = { worker, current: undefined };
    this.#lanes[index] = lane;
    worker.unref();
    worker.on("message", (message: FromWorker) => this.#receive(index, lane, message));
    const lost = (error: unknown): void => {
      if (this.#lanes[index] === lane) this.#lanes[index] = undefined;
      lane.current?.reject(new SmcError("INTERNAL", "a worker died", { cause: error }));
      lane.current = undefined;
      if (!this.#isClosed) this.#dispatch();
    };
    worker.on("error", lost);
    worker.on("exit", lost);
    return lane;
  }

  #receive(index: number, lane: Lane, message: FromWorker): void {
    const current = lane.current;
    if (current === undefined || message.id !== current.message.id) return;
    switch (message.kind) {
      case "progress":
        return current.options.onProgress?.(message.bytes, message.files);
      case "pack":
        return current.options.onPack?.(message.pack, index);
      case "ask":
        void this.#answer(lane, current, message.digests);
        return;
      case "done":
        release(lane);
        current.resolve(message.output);
        return this.#dispatch();
      case "failed":
        release(lane);
        current.reject(SmcError.fromJSON(message.error));
        return this.#dispatch();
    }
  }

  async #answer(lane: Lane, current: Queued, digests: readonly Digest[]): Promise<void> {
    let wanted: Uint8Array;
    try {
      wanted = (await current.options.ask?.(digests)) ?? new Uint8Array(digests.length).fill(1);
    } catch (error) {
      // The worker cannot go on without an answer: it stores nothing more and the task fails.
      Atomics.store(current.message.stop, 0, 1);
      current.reject(error);
      wanted = new Uint8Array(digests.length);
    }
    lane.worker.postMessage({ kind: "wanted", wanted });
  }

  /** Ends the workers; what they were doing fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const queued of this.#queue.splice(0)) queued.reject(new SmcError("DAEMON_STOPPING", "the store is being closed"));
    await Promise.all(this.#lanes.map((lane) => lane?.worker.terminate()));
  }
}
