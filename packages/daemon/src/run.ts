/** The life of a daemon: own the store, listen, serve, leave. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type DamagedRecord, openStore, type OwnedStore } from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import { Activity } from "./activity.ts";
import { assertListening, clearSocket, removeRecord, storeIdentity, writeRecord } from "./claim.ts";
import { answers } from "./connect.ts";
import { HookDispatcher } from "./hooks/dispatcher.ts";
import type { Logger } from "./logger.ts";
import { idleRepack } from "./idle-repack.ts";
import { idleScrub } from "./idle-scrub.ts";
import { tellDamage } from "./integrity.ts";
import { Jobs } from "./jobs/jobs.ts";
import { type LoopDelay, watchLoopDelay } from "./loop-delay.ts";
import { type Presence, presenceOf } from "./presence.ts";
import { type DaemonStatus, PROTOCOL, VERSION } from "./protocol.ts";
import { Unanswered } from "./unanswered.ts";
import { describeFailure } from "./failure.ts";
import { DEFAULT_SETTINGS, readSettings, type Settings } from "./settings.ts";
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
  /**
   * Reads the settings, the hooks and the certificate anew. What cannot be used is told in the log, and what was
   * there before stays.
   */
  readonly reload: () => Promise<void>;
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
  const settings = await settingsToStart(store, logger).catch(async (error: unknown) => {
    await store[Symbol.asyncDispose]();
    throw error;
  });
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
    idleMs: prepared === undefined ? idleMs : 0,
    quietMs,
    prepared,
    settings,
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

/** A broken configuration must not keep the daemon from starting: it is what repairs it. */
async function settingsToStart(store: OwnedStore, logger: Logger): Promise<Settings> {
  try {
    return await readSettings(store);
  } catch (error) {
    if (!isSmcError(error, "CONFIG_INVALID")) throw error;
    logger.warn({ err: error }, "settings ignored");
    return DEFAULT_SETTINGS;
  }
}

interface Parts {
  readonly presence: Presence;
  readonly store: OwnedStore;
  readonly jobs: Jobs;
  readonly logger: Logger;
  readonly prepared: Prepared | undefined;
  /** These two go before the settings. */
  readonly idleMs: number | undefined;
  readonly quietMs: number | undefined;
  readonly settings: Settings;
}

/** What a daemon does when nobody asks for anything, one after the other. */
function quietWork(
  { store, logger }: Parts,
  settings: () => Settings,
): (signal: AbortSignal) => Promise<void> {
  const repack = idleRepack(store, logger);
  return async (signal) => {
    await sweep(store, logger, signal);
    if (settings().isRepacking && !signal.aborted) await repack(signal);
    if (!signal.aborted) await idleScrub(store, logger, settings().scrub)(signal);
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
  #settings: Settings;
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
      idleMs: 0,
      onIdle: () => void this.stop("idle"),
      isBusy: () => parts.jobs.isBusy,
      quiet: { ms: 0, run: quietWork(parts, () => this.#settings) },
    });
    this.#settings = this.#apply(parts.settings);
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
    const { presence, store } = this.#parts;
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
      idleMs: this.#settings.idleMs,
      rssBytes: process.memoryUsage.rss(),
      rssBytesMax: process.resourceUsage().maxRSS * 1024,
      ...this.#loopDelay.read(),
      readOnlyReason: store.readOnlyReason ?? null,
    };
  };

  readonly reload = async (): Promise<void> => {
    const { store, logger } = this.#parts;
    if (this.#stopping !== undefined) return;
    try {
      this.#settings = this.#apply(await readSettings(store));
      await this.#listener?.reload();
      this.#hooks.refresh();
      logger.info({ settings: this.#settings }, "read settings and certificate anew");
    } catch (error) {
      logger.warn({ err: error }, "cannot read the settings anew; those from before stay");
    }
  };

  /** What the starter said goes before the settings. */
  #apply(settings: Settings): Settings {
    const { logger, idleMs = settings.idleMs, quietMs = settings.quietMs } = this.#parts;
    if (logger.level !== "silent") logger.level = settings.level;
    this.#activity.setTimes({ idleMs, quietMs });
    return { ...settings, idleMs, quietMs };
  }

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
