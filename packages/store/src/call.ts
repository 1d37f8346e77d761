/** What every verb gets besides its options: a way to stop it and a way to tell how far it is. */
import { SmcError } from "./errors.ts";
import type { StoreEvent } from "./events.ts";

export interface Progress {
  /** What is being done, one word for people: "add", "checkout", "check". */
  readonly phase: string;
  readonly done: number;
  readonly total?: number;
  readonly unit: "bytes" | "files" | "objects";
}

export interface Call {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Tells the caller of an event before the verb ends; returns when the caller has room for more. Throws CANCELED. */
  readonly onEvent?: (event: StoreEvent) => Promise<void>;
}

/** Lets other requests have the event loop. Await it every few thousand steps of a long loop. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const SLICE_MS = 10;

export type Pacer = () => Promise<void> | undefined;

/**
 * For loops whose steps differ in cost: await what it returns after every step. It breathes once 10 ms went by
 * since the last time, and throws CANCELED when the call was.
 */
export function createPacer(call: Call): Pacer {
  let last = performance.now();
  return () => {
    throwIfCanceled(call);
    if (performance.now() - last < SLICE_MS) return undefined;
    return breathe().then(() => {
      last = performance.now();
    });
  };
}

/** Throws CANCELED when the caller went away. */
export function throwIfCanceled(call: Call): void {
  if (call.signal.aborted) throw new SmcError("CANCELED", "stopped on request");
}

/** What `work` gives, or CANCELED as soon as the caller went away: for waits that do not take the signal themselves. */
export async function orCanceled<T>(work: Promise<T>, call: Call): Promise<T> {
  // Nobody waits for it then: what becomes of it is no failure of its own.
  if (call.signal.aborted) work.catch(() => undefined);
  throwIfCanceled(call);
  let stop = (): void => undefined;
  const canceled = new Promise<never>((_, reject) => {
    stop = (): void => reject(new SmcError("CANCELED", "stopped on request"));
    call.signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, canceled]);
  } finally {
    call.signal.removeEventListener("abort", stop);
  }
}
