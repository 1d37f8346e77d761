/** Waiting out short trouble of a server. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Call } from "@smc/store";
import { stopped, throwIfStopped } from "./stopped.ts";

export interface Limits {
  /** Until a connection stands. */
  readonly connectMs: number;
  /** Without a byte that comes or goes. */
  readonly idleMs: number;
  readonly retriesMax: number;
  /** The longest wait before the first retry; it doubles with each. */
  readonly backoffMs: number;
}

export const LIMITS: Limits = { connectMs: 10_000, idleMs: 30_000, retriesMax: 5, backoffMs: 200 };

const BACKOFF_MAX_MS = 10_000;
/** A server may ask for more, and gets this. */
const RETRY_AFTER_MAX_MS = 30_000;

/**
 * Waits a random time, so that many clients do not come back at once, and as long as the server asked for.
 * Throws CANCELED.
 */
export async function backOff(
  { call, limits, retry }: { call: Call; limits: Limits; retry: number },
  retryAfterMs = 0,
): Promise<void> {
  throwIfStopped(call);
  const most = Math.min(BACKOFF_MAX_MS, limits.backoffMs * 2 ** retry);
  const waitMs = Math.max(Math.random() * most, Math.min(RETRY_AFTER_MAX_MS, retryAfterMs));
  try {
    await sleep(waitMs, undefined, { signal: call.signal });
  } catch (error) {
    if ((error as { code?: unknown }).code === "ABORT_ERR") throw stopped();
    throw error;
  }
}

/** What a `Retry-After` header asks for, in seconds or as a date; 0 when it is absent or makes no sense. */
export function parseRetryAfter(text: string | undefined): number {
  if (text === undefined) return 0;
  const waitMs = /^\d{1,12}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : 0;
}
