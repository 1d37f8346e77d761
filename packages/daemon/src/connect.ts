/** Finds the daemon of a store and starts one when none answers; exactly one, however many ask at once. */
import { connect as connectSocket } from "node:net";
import { isSmcError, SmcError } from "@smc/store/errors";
import { type Presence, presenceOf, socketToKnock } from "./presence.ts";
import { canceled, NotAccepted } from "./request.ts";

/**
 * From the first knock to a daemon that answers: half a second on a free machine. A machine where hundreds of
 * processes want the processor at once needs far more, and giving up there helps nobody.
 */
export const READY_MS_MAX = 120_000;
/** How long an owner of the store that does not answer may be one that is about to. */
const OWNER_MS_MAX = 5_000;
/** Between sends of one request: a daemon may be leaving while another starts, or have no place in its queue. */
const RETRY_MS = 20;
const RETRY_MS_MAX = 200;
/** Between looks at a daemon that another process starts: hundreds who look often leave it no processor to start on. */
const POLL_MS = 30;
const POLL_MS_MAX = 2_000;
const POLL_GROWTH = 1.5;

export interface Link {
  /** The store as the user wrote it; it may not exist yet. */
  readonly storePath: string;
  /** Starts a daemon when none answers. */
  readonly autostart: boolean;
}

/**
 * Calls `attempt` with the path of a socket that answers, again as long as it throws NotAccepted (READY_MS_MAX at
 * most). Throws DAEMON_UNREACHABLE, what starting throws (STORE_LOCKED …), and what `attempt` throws.
 */
export async function withDaemon<T>(
  link: Link,
  signal: AbortSignal,
  attempt: (socketPath: string) => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + READY_MS_MAX;
  let last: unknown;
  for (let sends = 0; performance.now() < deadline; sends += 1) {
    await pause(Math.min(RETRY_MS * sends, RETRY_MS_MAX), signal);
    const presence = presenceOf(link.storePath);
    const socket = socketToKnock(presence);
    try {
      if (socket !== undefined) return await attempt(socket);
    } catch (error) {
      if (!isNotAccepted(error)) throw error;
      last = error;
    }
    if (!link.autostart) break;
    await ensureDaemon(presence, signal);
  }
  throw new SmcError("DAEMON_UNREACHABLE", "no daemon answers; nothing was changed", {
    ...(link.autostart ? {} : { hint: 'start it with "smc daemon start"' }),
    cause: last,
  });
}

/** True when the request is known not to have been carried out. */
function isNotAccepted(error: unknown): boolean {
  return error instanceof NotAccepted || isSmcError(error, "DAEMON_STOPPING");
}

/** Returns when a daemon takes connections. Throws DAEMON_UNREACHABLE, STORE_LOCKED and what opening a store throws. */
export async function ensureDaemon(presence: Presence, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_MS_MAX;
  const patience = performance.now() + OWNER_MS_MAX;
  let pollMs = POLL_MS;
  do {
    if (await answers(presence)) return;
    const { tryStart } = await import("./start.ts");
    try {
      if (await tryStart(presence, signal)) return;
    } catch (error) {
      // The owner may be a daemon that was started a moment ago and does not listen yet.
      if (!isSmcError(error, "STORE_LOCKED") || performance.now() > patience) throw error;
    }
    await pause(pollMs * (0.5 + Math.random()), signal);
    pollMs = Math.min(pollMs * POLL_GROWTH, POLL_MS_MAX);
  } while (performance.now() < deadline);
  throw new SmcError("DAEMON_UNREACHABLE", `the daemon was not ready within ${READY_MS_MAX / 1000} s`);
}

/** True when something takes connections on the daemon's socket. */
export function answers(presence: Presence): Promise<boolean> {
  const path = socketToKnock(presence);
  if (path === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connectSocket(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.destroy();
      // A full listen queue: somebody is there.
      resolve(error.code === "EAGAIN");
    });
  });
}

/** Throws CANCELED at once when the signal comes. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0 && !signal.aborted) return Promise.resolve();
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(canceled());
    const abort = (): void => {
      clearTimeout(timer);
      reject(canceled());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
  });
}
