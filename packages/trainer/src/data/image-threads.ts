/** Threads that decode images: one decodes while the others do, and while files are read. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { SmcError } from "@smc/store/errors";
import type { ImageForm } from "./decode-image.ts";
import type { Pixels } from "./pixels.ts";

export interface ImageRequest {
  readonly bytes: Uint8Array;
  readonly form: ImageForm;
}

/** Of an image that cannot be decoded, why. */
export interface ImageAnswer {
  /** Which thread it was. */
  readonly thread: number;
  readonly pixels?: Pixels & { readonly data: Uint8Array };
  readonly why?: string;
}

function entry(): URL {
  // Tests run the sources; Node 20 cannot run a .ts worker, so they use the built one.
  const here = import.meta.url;
  return new URL(here.endsWith(".ts") ? "../../dist/data/image-thread.js" : "./image-thread.js", here);
}

/** Disposing ends the threads; what they were decoding is not answered. */
export class ImageThreads implements AsyncDisposable {
  readonly #idle: Worker[];
  readonly #all: readonly Worker[];
  readonly #waiting: ((worker: Worker) => void)[] = [];

  constructor(count: number) {
    this.#all = Array.from({ length: count }, () => new Worker(entry()));
    this.#idle = [...this.#all];
  }

  /** Throws INTERNAL when its thread dies, as for want of memory. */
  async decode(request: ImageRequest): Promise<ImageAnswer> {
    const worker = this.#idle.pop() ?? (await new Promise<Worker>((resolve) => this.#waiting.push(resolve)));
    try {
      const answered = once(worker, "message");
      worker.postMessage(request);
      const [answer] = (await answered) as [ImageAnswer];
      return answer;
    } catch (error) {
      throw new SmcError("INTERNAL", "a thread that decodes images died", { cause: error });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(worker);
      else next(worker);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#all) await worker.terminate();
  }
}
