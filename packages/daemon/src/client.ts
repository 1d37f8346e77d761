/**
 * The daemon as the command line sees it. Light on purpose: no schemas and no server are loaded here,
 * and starting a daemon is loaded when it is needed.
 */
import type { Progress, StoreEvent } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Input, Result, VerbName } from "./api.ts";
import { answers, ensureDaemon, type Link, pause, withDaemon } from "./connect.ts";
import { presenceOf } from "./presence.ts";
import { type At, type DaemonStatus, ERROR_TRAILER, SIZE_HEADER } from "./protocol.ts";
import { isReading } from "./reading.ts";
import { assertProtocol, Broken, NotAccepted, readAnswer, readBody, send } from "./request.ts";

export type { At, DaemonStatus } from "./protocol.ts";
export type { Input as VerbInput, Result as VerbResult, VerbName } from "./api.ts";

/** From the request to stop until the daemon is gone: what it grants active requests, and some more. */
const STOP_MS_MAX = 20_000;
const STOP_POLL_MS = 20;

export interface ClientOptions {
  /** Folder of the store; it need not exist yet. */
  readonly storePath: string;
  /** Start a daemon when none answers; true by default. */
  readonly autostart?: boolean;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** For verbs that tell events; the next is read when it returns. */
  readonly onEvent?: (event: StoreEvent) => Promise<void>;
}

/** A blob on its way: read `bytes` to the end, each piece is verified. */
export interface BlobStream {
  readonly sizeBytes: number;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface Client {
  /** Asks for a verb. Throws what the verb throws, DAEMON_UNREACHABLE, DAEMON_INCOMPATIBLE, CANCELED. */
  call<V extends VerbName>(
    verb: V,
    request: { readonly at: At; readonly input: Input<V> },
    options?: CallOptions,
  ): Promise<Result<V>>;
  /** Throws OBJECT_NOT_FOUND, and OBJECT_CORRUPT at once or while `bytes` is read. */
  readBlob(digest: string, options?: CallOptions): Promise<BlobStream>;
  /** Undefined when no daemon runs; never starts one. */
  daemonStatus(options?: CallOptions): Promise<DaemonStatus | undefined>;
  /** Starts a daemon unless one answers. */
  start(options?: CallOptions): Promise<DaemonStatus>;
  /** Returns when the daemon has left; false when none ran. Throws DAEMON_UNREACHABLE when it does not leave. */
  stop(options?: CallOptions): Promise<boolean>;
}

/** A signal that never comes; one for each call, as listeners are added to it. */
const never = (): AbortSignal => new AbortController().signal;

export function createClient({ storePath, autostart = true }: ClientOptions): Client {
  const link: Link = { storePath, autostart };
  const quiet: Link = { storePath, autostart: false };

  async function daemonStatus({ signal = never() }: CallOptions = {}): Promise<DaemonStatus | undefined> {
    if (!(await answers(presenceOf(storePath)))) return undefined;
    const path = "/v1/daemon";
    return withDaemon(quiet, signal, async (socket) => {
      return (await readAnswer(await send(socket, { method: "GET", path, signal }))) as DaemonStatus;
    });
  }

  return {
    async call<V extends VerbName>(verb: V, request: { at: At; input: Input<V> }, options: CallOptions = {}) {
      const { signal = never(), onProgress, onEvent } = options;
      const repeatable = isReading(verb, request.input);
      const path = `/v1/verbs/${verb}`;
      return withDaemon(link, signal, async (socket) => {
        try {
          const answer = await send(socket, { method: "POST", path, body: request, signal });
          return (await readAnswer(answer, onProgress, onEvent)) as Result<V>;
        } catch (error) {
          throw explainBroken(error, repeatable);
        }
      });
    },

    async readBlob(digest, { signal = never() } = {}) {
      const path = `/v1/blobs/${encodeURIComponent(digest)}`;
      return withDaemon(link, signal, async (socket) => openBlob(socket, path, signal));
    },

    daemonStatus,

    async start({ signal = never() } = {}) {
      await ensureDaemon(presenceOf(storePath), signal);
      const status = await daemonStatus({ signal });
      if (status === undefined)
        throw new SmcError("DAEMON_UNREACHABLE", "the daemon left as soon as it was started");
      return status;
    },

    async stop({ signal = never() } = {}) {
      return stopDaemon(quiet, signal);
    },
  };
}

/** A request that reads may be sent again; for any other the user must know that the outcome is not known. */
function explainBroken(error: unknown, repeatable: boolean): unknown {
  if (!(error instanceof Broken)) return error;
  if (repeatable) return new NotAccepted(error);
  return new SmcError("DAEMON_UNREACHABLE", "the daemon went away in the middle of the command", {
    hint: "the change may or may not have happened; running the command again is safe",
    cause: error,
  });
}

async function openBlob(socket: string, path: string, signal: AbortSignal): Promise<BlobStream> {
  const answer = await send(socket, { method: "GET", path, signal });
  assertProtocol(answer);
  if (answer.statusCode !== 200) {
    await readAnswer(answer);
    throw new SmcError("DAEMON_INCOMPATIBLE", "the daemon answered with a status that smc does not know");
  }
  const sizeBytes = Number(answer.headers[SIZE_HEADER]);
  async function* bytes(): AsyncGenerator<Uint8Array> {
    let seenBytes = 0;
    try {
      for await (const part of readBody(answer)) {
        seenBytes += part.length;
        yield part;
      }
    } catch (error) {
      throw explainBroken(error, false);
    } finally {
      answer.destroy();
    }
    const fault = answer.trailers[ERROR_TRAILER];
    if (fault !== undefined) throw SmcError.fromJSON(JSON.parse(decodeURIComponent(fault)));
    if (seenBytes !== sizeBytes) {
      throw new SmcError("DAEMON_UNREACHABLE", `the daemon sent ${seenBytes} of ${sizeBytes} bytes`);
    }
  }
  return { sizeBytes, bytes: bytes() };
}

async function stopDaemon(link: Link, signal: AbortSignal): Promise<boolean> {
  const presence = presenceOf(link.storePath);
  if (!(await answers(presence))) return false;
  const { isAlive, readLockHolder } = await import("@smc/store/lock");
  const holder = await readLockHolder(presence.ownerLock);
  const { pid } = await withDaemon(link, signal, async (socket) => {
    const answer = await send(socket, { method: "POST", path: "/v1/daemon/stop", body: {}, signal });
    return (await readAnswer(answer)) as { pid: number };
  });
  // Until its process has ended it has its log open, and the disk of the store cannot be let go.
  const hasEnded = (): boolean => pid === process.pid || holder?.pid !== pid || !isAlive(holder);
  const deadline = performance.now() + STOP_MS_MAX;
  while (performance.now() < deadline) {
    if ((await readLockHolder(presence.ownerLock))?.pid !== pid && hasEnded()) return true;
    await pause(STOP_POLL_MS, signal);
  }
  throw new SmcError("DAEMON_UNREACHABLE", `the daemon of '${show(presence.storePath)}' does not leave`, {
    hint: `end process ${pid} by hand; nothing that was acknowledged is lost by that`,
    details: { pid },
  });
}
