/** The life of a daemon: own the store, listen, serve, leave. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type DamagedRecord, openStore, type OwnedStore, readConfig } from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import { Activity } from "./activity.ts";
import { assertListening, clearSocket, removeRecord, storeIdentity, writeRecord } from "./claim.ts";
import { answers } from "./connect.ts";
import { HookDispatcher } from "./hooks/dispatcher.ts";
import { isLogLevel, type Logger, type LogLevel } from "./logger.ts";
import { idleRepack } from "./idle-repack.ts";
import { idleScrub, type ScrubSettings } from "./idle-scrub.ts";
import { tellDamage } from "./integrity.ts";
import { Jobs } from "./jobs/jobs.ts";
import { type LoopDelay, watchLoopDelay } from "./loop-delay.ts";
import { type Presence, presenceOf } from "./presence.ts";
import { type DaemonStatus, PROTOCOL, VERSION } from "./protocol.ts";
import { Unanswered } from "./unanswered.ts";
import { describeFailure } from "./failure.ts";
import { assertOwnClient, createDaemonServer, type Server } from "./server.ts";
import { Listener, type Prepared, prepareServing, type ServingOptions } from "./serving/listener.ts";
import { sweep } from "./serving/sweep.ts";
import { type Door, JobSockets } from "./watching/job-sockets.ts";

/** A predecessor that is leaving gets so long to let go of the store. */
const OWNER_MS_MAX = 3_000;
const OWNER_POLL_MS = 25;
/** What active requests get to finish when the daemon leaves, and then to stop. */
const FINISH_MS = 10_000;
const ABORTED_MS = 5_000;
/** For a client that was asked for its body: to send it, and to hear that nothing was done. */
const UNANSWERED_MS = 2_000;
const WATCH_MS = 1_000;
const MINUTE_MS = 60_000;
const IDLE_MINUTES = 15;
const QUIET_MINUTES = 2;
const SCRUB: ScrubSettings = { mibPerSecond: 20, days: 30 };

export interface DaemonOptions {
  readonly storePath: string;
  readonly logger: Logger;
  /** Overrides the setting daemon.idleMinutes; 0 means it stays. */
  readonly idleMs?: number;
  /** Overrides the setting repack.idleMinutes; 0 means that nothing is done in quiet times. */
  readonly quietMs?: number;
  /** Answers other machines too, and never leaves by itself. */
  readonly serving?: ServingOptions;
}

export interface Daemon {
  readonly status: () => DaemonStatus;
  /** Takes no new work, finishes or (after 10 s, or with `now`) aborts what is active, closes the store. */
  readonly stop: (reason: string, now?: boolean) => Promise<void>;
  /** Resolves when the daemon has left. */
  readonly stopped: Promise<void>;
}

/**
 * Starts a daemon in this process; it listens when the promise resolves.
 * Throws STORE_LOCKED (with the owner's pid), UNSAFE_PATH, UNSAFE_OWNER, what opening a store and what `prepareServing`
 * throw, and IO_FAILED when it cannot listen where it is told to.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { storePath, logger, idleMs, quietMs, serving } = options;
  const presence = presenceOf(storePath);
  const prepared = serving === undefined ? undefined : await prepareServing(serving);
  // For the socket. Afterwards the user's own again: checked-out files are made with it.
  const umask = process.umask(0o077);
  try {
    return await ownAndListen({ presence, logger, idleMs, quietMs, prepared });
  } finally {
    process.umask(umask);
  }
}

interface Starting {
  readonly presence: Presence;
  readonly logger: Logger;
  readonly idleMs: number | undefined;
  readonly quietMs: number | undefined;
  readonly prepared: Prepared | undefined;
}

async function ownAndListen(starting: Starting): Promise<RunningDaemon> {
  const { presence, logger, idleMs, quietMs, prepared } = starting;
  const store = await ownStore(presence, logger);
  const settings = await readSettings(store, logger).catch(async (error: unknown) => {
    await store[Symbol.asyncDispose]();
    throw error;
  });
  logger.level = logger.level === "silent" ? "silent" : settings.level;
  const jobs = await Jobs.open(store, logger).catch(async (error: unknown) => {
    await store[Symbol.asyncDispose]();
    throw error;
  });
  const running = new RunningDaemon({
    presence,
    store,
    jobs,
    logger,
    // Who comes over the network cannot start it again.
    idleMs: prepared === undefined ? (idleMs ?? settings.idleMs) : 0,
    prepared,
    quietMs: quietMs ?? settings.quietMs,
    isRepacking: settings.isRepacking,
    scrub: settings.scrub,
  });
  try {
    await running.listen();
  } catch (error) {
    await running.stop("cannot listen", true);
    throw error;
  }
  return running;
}

/** Waits for an owner that answers no more, and for nobody else. */
async function ownStore(presence: Presence, logger: Logger): Promise<OwnedStore> {
  const deadline = performance.now() + OWNER_MS_MAX;
  let opened: OwnedStore | undefined;
  const onDamage = (record: DamagedRecord): void => {
    logger.warn({ ...record }, "a damaged record was met");
    if (opened !== undefined)
      void tellDamage({ store: opened, logger }, `a read met damage: ${record.message}`);
  };
  for (;;) {
    try {
      opened = await openStore(presence.storePath, { create: true, onDamage });
      return opened;
    } catch (error) {
      if (!isSmcError(error, "STORE_LOCKED") || performance.now() > deadline || (await answers(presence)))
        throw error;
    }
    await sleep(OWNER_POLL_MS);
  }
}

interface Settings {
  readonly idleMs: number;
  readonly quietMs: number;
  readonly isRepacking: boolean;
  readonly scrub: ScrubSettings;
  readonly level: LogLevel;
}

/** A broken configuration must not keep the daemon from starting: it is what repairs it. */
async function readSettings(store: OwnedStore, logger: Logger): Promise<Settings> {
  try {
    const { entries } = await readConfig({ storePath: store.path, environment: process.env });
    const level = entries.get("log.level")?.value;
    const minutes = Number(entries.get("daemon.idleMinutes")?.value ?? IDLE_MINUTES);
    const quiet = Number(entries.get("repack.idleMinutes")?.value ?? QUIET_MINUTES);
    const scrub = {
      mibPerSecond: Number(entries.get("scrub.mibPerSecond")?.value ?? SCRUB.mibPerSecond),
      days: Number(entries.get("scrub.days")?.value ?? SCRUB.days),
    };
    return {
      idleMs: minutes * MINUTE_MS,
      // Who wants no repack still wants to know of damage.
      quietMs: (quiet === 0 && scrub.days > 0 ? QUIET_MINUTES : quiet) * MINUTE_MS,
      isRepacking: quiet > 0,
      scrub,
      level: isLogLevel(level) ? level : "info",
    };
  } catch (error) {
    if (!isSmcError(error, "CONFIG_INVALID")) throw error;
    logger.warn({ err: error }, "settings ignored");
    return {
      idleMs: IDLE_MINUTES * MINUTE_MS,
      quietMs: QUIET_MINUTES * MINUTE_MS,
      isRepacking: true,
      scrub: SCRUB,
      level: "info",
    };
  }
}

interface Parts {
  readonly presence: Presence;
  readonly store: OwnedStore;
  readonly jobs: Jobs;
  readonly logger: Logger;
  readonly prepared: Prepared | undefined;
  readonly idleMs: number;
  readonly quietMs: number;
  readonly isRepacking: boolean;
  readonly scrub: ScrubSettings;
}

/** What a daemon does when nobody asks for anything, one after the other. */
function quietWork({ store, logger, isRepacking, scrub }: Parts): (signal: AbortSignal) => Promise<void> {
  const repack = idleRepack(store, logger);
  const readAgain = idleScrub(store, logger, scrub);
  return async (signal) => {
    await sweep(store, logger, signal);
    if (isRepacking && !signal.aborted) await repack(signal);
    if (!signal.aborted) await readAgain(signal);
  };
}

class RunningDaemon implements Daemon {
  readonly #parts: Parts;
  readonly #server: Server;
  readonly #hooks: HookDispatcher;
  readonly #unanswered: Unanswered;
  readonly #listener: Listener | undefined;
  readonly #activity: Activity;
  readonly #loopDelay: LoopDelay = watchLoopDelay();
  readonly #startedMs = Date.now();
  readonly #startedAt = performance.now();
  readonly #identity: string | undefined;
  readonly stopped: Promise<void>;
  #resolveStopped: () => void = () => undefined;
  #stopping: Promise<void> | undefined;
  #watch: NodeJS.Timeout | undefined;
  #socketFolder: FileHandle | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
    this.#activity = new Activity({
      idleMs: parts.idleMs,
      onIdle: () => void this.stop("idle"),
      isBusy: () => parts.jobs.isBusy,
      quiet: { ms: parts.quietMs, run: quietWork(parts) },
    });
    this.#hooks = new HookDispatcher(parts.store, parts.logger);
    const { store, jobs, logger, prepared } = parts;
    const sockets = new JobSockets({ store, jobs, watch: () => this.#activity.watch() });
    this.#server = createDaemonServer({
      onHooksChanged: () => this.#hooks.refresh(),
      store,
      jobs,
      logger,
      status: this.status,
      resetLoopDelay: () => this.#loopDelay.reset(),
      stop: () => void this.stop("asked for"),
      enter: () => this.#activity.enter(),
      watch: () => this.#activity.watch(),
    });
    this.#unanswered = new Unanswered(this.#server.server);
    const describe: Door["describe"] = (error) => describeFailure(error, logger, { route: "watch" });
    this.#server.server.on("upgrade", (request, socket, head) => {
      void sockets.upgrade({ request, socket, head }, { admit: assertOwnClient, describe });
    });
    const enter = () => this.#activity.enter();
    if (prepared !== undefined) this.#listener = new Listener(prepared, { store, logger, enter, sockets });
    this.#identity = storeIdentity(parts.presence);
  }

  async listen(): Promise<void> {
    const { presence, store, logger } = this.#parts;
    await this.#listener?.listen();
    await clearSocket(presence);
    // Only the socket needs it: files in a worktree get the mode that the user's umask says.
    const umask = process.umask(0o077);
    try {
      await this.#server.listen({ path: await this.#bindPath() });
    } finally {
      process.umask(umask);
    }
    assertListening(presence);
    await writeRecord(presence, {
      pid: process.pid,
      socket: presence.socket,
      version: VERSION,
      protocol: PROTOCOL,
      storeId: store.id,
      storePath: presence.storePath,
      startedMs: this.#startedMs,
    });
    this.#watch = setInterval(() => this.#checkStore(), WATCH_MS);
    this.#watch.unref();
    this.#activity.start();
    this.#hooks.refresh();
    this.#parts.jobs.start();
    this.#loopDelay.reset();
    const { socket, storePath } = presence;
    logger.info({ store: storePath, socket, url: this.#listener?.url, version: VERSION }, "daemon started");
  }

  /**
   * Closing a listener removes the path it was bound to, whoever is there by then. Bound through the folder's own
   * descriptor that can only be our socket, also after the store was removed and made anew.
   */
  async #bindPath(): Promise<string> {
    const { socket, socketFolder } = this.#parts.presence;
    if (process.platform !== "linux" || socketFolder === undefined) return socket;
    this.#socketFolder = await open(socketFolder, constants.O_RDONLY | constants.O_DIRECTORY);
    return `/proc/self/fd/${this.#socketFolder.fd}/${basename(socket)}`;
  }

  readonly status = (): DaemonStatus => {
    const { presence, store, idleMs } = this.#parts;
    return {
      pid: process.pid,
      version: VERSION,
      protocol: PROTOCOL,
      storeId: store.id,
      storePath: presence.storePath,
      socket: presence.socket,
      url: this.#listener?.url ?? null,
      startedMs: this.#startedMs,
      uptimeMs: Math.round(performance.now() - this.#startedAt),
      activeRequests: this.#activity.count,
      idleMs,
      rssBytes: process.memoryUsage.rss(),
      rssBytesMax: process.resourceUsage().maxRSS * 1024,
      ...this.#loopDelay.read(),
      readOnlyReason: store.readOnlyReason ?? null,
    };
  };

  stop(reason: string, now = false): Promise<void> {
    if (now && this.#stopping !== undefined) this.#activity.abort();
    this.#stopping ??= this.#leave(reason, now);
    return this.#stopping;
  }

  async #leave(reason: string, now: boolean): Promise<void> {
    const { presence, store, jobs, logger } = this.#parts;
    logger.info({ reason, activeRequests: this.#activity.count }, "daemon leaving");
    clearInterval(this.#watch);
    // The listening socket goes first: who comes now starts the next daemon, which waits for the store.
    const closed = this.#server.close();
    this.#listener?.stopListening();
    await jobs.close();
    await this.#activity.drain(now ? 0 : FINISH_MS, ABORTED_MS);
    await this.#hooks.stop();
    await this.#unanswered.none(UNANSWERED_MS);
    this.#listener?.closeAll();
    this.#server.server.closeAllConnections();
    const outcomes = await Promise.allSettled([closed, removeRecord(presence)]);
    await this.#socketFolder?.close();
    outcomes.push(...(await Promise.allSettled([store[Symbol.asyncDispose]()])));
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") logger.error({ err: outcome.reason }, "daemon left in disorder");
    }
    this.#loopDelay.stop();
    logger.info({}, "daemon left");
    this.#resolveStopped();
  }

  /** A store that was removed or replaced under the daemon is not served any more. */
  #checkStore(): void {
    if (storeIdentity(this.#parts.presence) !== this.#identity) void this.stop("the store is gone", true);
  }
}
