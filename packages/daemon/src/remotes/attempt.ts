/**
 * One try of something over the network: it ends when its caller goes away or when nothing moves any more.
 */
import { setMaxListeners } from "node:events";
import type { Call } from "@smc/store";
import { stopped, throwIfStopped } from "./stopped.ts";

/** No byte came or went for so long. */
export class IdleError extends Error {
  override readonly name = "IdleError";
  readonly idleMs: number;

  constructor(idleMs: number) {
    super(`nothing moved for ${idleMs} ms`);
    this.idleMs = idleMs;
  }
}

export interface Attempt {
  /** Aborted when the attempt is over before its work is. */
  readonly signal: AbortSignal;
  /** Says that bytes moved. */
  readonly touch: () => void;
  /** Ends the attempt with this error. */
  readonly fail: (error: unknown) => void;
}

/** Throws CANCELED, an IdleError, what `fail` was given and what `run` throws. */
export async function attempt<T>(
  { call, idleMs }: { call: Call; idleMs: number },
  run: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  throwIfStopped(call);
  const controller = new AbortController();
  let fail: (error: unknown) => void = () => undefined;
  const over = new Promise<never>((_, reject) => {
    fail = (error) => {
      reject(error);
      controller.abort();
    };
  });
  const timer = setTimeout(() => fail(new IdleError(idleMs)), idleMs);
  const onAbort = (): void => fail(stopped());
  // Many attempts of one call at once are no leak.
  setMaxListeners(0, call.signal);
  call.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const work = run({ signal: controller.signal, touch: () => timer.refresh(), fail });
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", onAbort);
  }
}
