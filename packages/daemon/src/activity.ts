/** What the daemon is doing: requests at work, when it last did something, and whether it is leaving. */
import { setMaxListeners } from "node:events";
import { SmcError } from "@smc/store/errors";

/** Everything that a request has under way listens to its signal: files, packs and requests of its own at a time. */
const LISTENERS_MAX = 256;

export interface ActivityOptions {
  /** 0: never idle. */
  readonly idleMs: number;
  readonly onIdle: () => void;
  /** While it is true the daemon is not idle, although nobody asks for anything: a job runs. */
  readonly isBusy?: () => boolean;
  /** Work for when nobody asked for anything for `ms`; its signal fires as soon as somebody does. 0: never. */
  readonly quiet?: { readonly ms: number; readonly run: (signal: AbortSignal) => Promise<void> };
}

const LEAVING = new SmcError("DAEMON_STOPPING", "the daemon is leaving");

/** Counts requests, tells once when there was none for `idleMs`, and lets other work run in between. */
export class Activity {
  readonly #active = new Set<AbortController>();
  readonly #watching = new Set<AbortController>();
  #options: ActivityOptions;
  #timer: NodeJS.Timeout | undefined;
  #quietTimer: NodeJS.Timeout | undefined;
  #quiet: { readonly controller: AbortController; readonly done: Promise<void> } | undefined;
  #isStarted = false;
  #leaving = false;
  #drained: (() => void) | undefined;

  constructor(options: ActivityOptions) {
    this.#options = options;
  }

  /** Begins to count idle time: the daemon can be reached from now on. */
  start(): void {
    this.#isStarted = true;
    if (this.#active.size === 0) this.#arm();
  }

  /** From the next time on that nobody asks for anything. */
  setTimes({ idleMs, quietMs }: { readonly idleMs: number; readonly quietMs: number }): void {
    const { quiet, ...options } = this.#options;
    this.#options = {
      ...options,
      idleMs,
      ...(quiet === undefined ? {} : { quiet: { ...quiet, ms: quietMs } }),
    };
    if (this.#isStarted && this.#active.size === 0) this.#arm();
  }

  get count(): number {
    return this.#active.size;
  }

  /** Undefined when the daemon is leaving. Call `leave` once when the request is done. */
  enter(): { controller: AbortController; leave: () => void } | undefined {
    if (this.#leaving) return undefined;
    clearTimeout(this.#timer);
    this.#stopQuiet();
    const controller = new AbortController();
    setMaxListeners(LISTENERS_MAX, controller.signal);
    this.#active.add(controller);
    return {
      controller,
      leave: () => {
        this.#active.delete(controller);
        if (this.#active.size > 0) return;
        if (this.#watching.size === 0) this.#drained?.();
        this.#arm();
      },
    };
  }

  /**
   * As `enter`, for a request that only waits for what others do: quiet work goes on beside it and leaving does not
   * wait for it, but as long as it is there the daemon is not idle.
   */
  watch(): { controller: AbortController; leave: () => void } | undefined {
    if (this.#leaving) return undefined;
    const controller = new AbortController();
    setMaxListeners(LISTENERS_MAX, controller.signal);
    this.#watching.add(controller);
    clearTimeout(this.#timer);
    return {
      controller,
      leave: () => {
        this.#watching.delete(controller);
        if (this.#active.size === 0) this.#armIdle();
        if (this.#active.size + this.#watching.size === 0) this.#drained?.();
      },
    };
  }

  /** No request enters from now on; returns when none is left, or after `patienceMs` with what is left aborted. */
  async drain(patienceMs: number, abortedMs: number): Promise<void> {
    this.#leaving = true;
    clearTimeout(this.#timer);
    this.#stopQuiet();
    await this.#quiet?.done;
    for (const controller of this.#watching) controller.abort(LEAVING);
    if (await this.#empty(patienceMs)) return;
    this.abort();
    await this.#empty(abortedMs);
  }

  /** Aborts every request. */
  abort(): void {
    for (const controller of this.#active) controller.abort(LEAVING);
  }

  #arm(): void {
    if (this.#leaving) return;
    const { quiet } = this.#options;
    clearTimeout(this.#quietTimer);
    if (quiet !== undefined && quiet.ms > 0)
      this.#quietTimer = setTimeout(
        this.#unlessBusy(() => this.#startQuiet(quiet.run)),
        quiet.ms,
      ).unref();
    this.#armIdle();
  }

  /** Looks again later while a job runs. */
  #unlessBusy(then: () => void): () => void {
    return () => (this.#options.isBusy?.() === true ? this.#arm() : then());
  }

  #armIdle(): void {
    if (this.#leaving) return;
    const { idleMs, onIdle } = this.#options;
    clearTimeout(this.#timer);
    if (idleMs > 0 && this.#watching.size === 0)
      this.#timer = setTimeout(this.#unlessBusy(onIdle), idleMs).unref();
  }

  #startQuiet(run: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController();
    const done = run(controller.signal).finally(() => {
      if (this.#quiet?.controller === controller) this.#quiet = undefined;
    });
    this.#quiet = { controller, done };
  }

  #stopQuiet(): void {
    clearTimeout(this.#quietTimer);
    this.#quiet?.controller.abort();
  }

  #empty(patienceMs: number): Promise<boolean> {
    if (this.#active.size + this.#watching.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), patienceMs);
      this.#drained = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}
