/**
 * Tells hooks of events, each in order, beside everything else. The journal is the queue: a hook remembers which record
 * it has come to, so a commit waits for nobody and a daemon that is killed goes on where it was. Then a receiver may be
 * told twice.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Call,
  eventsOf,
  type HookRecord,
  noteHook,
  type OwnedStore,
  readHooks,
  type StoreEvent,
} from "@smc/store";
import { isSmcError } from "@smc/store/errors";
import type { Logger } from "../logger.ts";
import { readAllowedHosts } from "../remotes/allowed-hosts.ts";
import { NO_HOSTS, type PrivateHosts } from "../remotes/outside-addresses.ts";
import { deliver } from "./deliver.ts";

/** A hook that is further behind passes over the oldest records, and says so. */
const BEHIND_MAX = 10_000;
/** Records that mean nothing to a hook are noted no more often. */
const NOTE_RECORDS = 1000;
/** What is under way when the daemon leaves gets so long. */
const FINISH_MS = 2_000;

interface Tended {
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

export class HookDispatcher {
  readonly #store: OwnedStore;
  readonly #logger: Logger;
  readonly #tended = new Map<string, Tended>();
  readonly #leaving = new AbortController();
  #turn: Promise<void> = Promise.resolve();

  constructor(store: OwnedStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** Begins with hooks that are new, and ends with those that are gone. Returns at once; failures are logged. */
  refresh(): void {
    this.#turn = this.#turn
      .then(async () => this.#refresh())
      .catch((error: unknown) => {
        this.#logger.error({ err: error }, "hooks cannot be read; nobody is told of events");
      });
  }

  async #refresh(): Promise<void> {
    if (this.#leaving.signal.aborted) return;
    const hooks = await readHooks(this.#store);
    const ids = new Set(hooks.map(({ id }) => id));
    for (const [id, { controller }] of this.#tended) {
      if (ids.has(id)) continue;
      controller.abort();
      this.#tended.delete(id);
    }
    for (const hook of hooks) {
      if (this.#tended.has(hook.id)) continue;
      const controller = new AbortController();
      this.#tended.set(hook.id, { controller, done: this.#tend(hook, controller.signal) });
    }
  }

  /** What is not told by then is told when the next daemon starts. */
  async stop(): Promise<void> {
    this.#leaving.abort();
    await this.#turn;
    const all = Promise.all([...this.#tended.values()].map(({ done }) => done));
    const waiting = new AbortController();
    await Promise.race([all, sleep(FINISH_MS, undefined, { signal: waiting.signal }).catch(() => undefined)]);
    waiting.abort();
    for (const { controller } of this.#tended.values()) controller.abort();
    await all;
  }

  async #tend(hook: HookRecord, signal: AbortSignal): Promise<void> {
    try {
      await this.#follow(new Progress(this.#store, hook), signal);
    } catch (error) {
      if (signal.aborted && isSmcError(error, "CANCELED")) return;
      this.#logger.error({ err: error, hook: hook.id }, "a hook is not told of events any more");
    }
  }

  async #follow(progress: Progress, signal: AbortSignal): Promise<void> {
    const { journal, id: storeId } = this.#store;
    const skipped = progress.catchUp(journal.position.seq);
    if (skipped > 0) this.#logger.warn({ hook: progress.hook.id, skipped }, "a hook was too far behind");
    const call: Call = { signal, onProgress: () => undefined };
    const following = AbortSignal.any([signal, this.#leaving.signal]);
    for await (const record of journal.follow(progress.afterSeq + 1, following)) {
      const event = eventsOf(record, storeId).find((each) => each.event === progress.hook.event);
      if (event !== undefined) await this.#tell(progress, event, call);
      await this.#reached(progress, { seq: record.seq, isTold: event !== undefined }, call);
    }
    await progress.save({ ...call, signal: new AbortController().signal });
  }

  async #tell(progress: Progress, event: StoreEvent, call: Call): Promise<void> {
    const metadataHosts = await this.#metadataHosts();
    const outcome = await deliver(progress.hook, event, { call, metadataHosts });
    const { ok, attempts, message } = outcome;
    progress.told(outcome);
    const fields = { hook: progress.hook.id, event: event.id, attempts, message };
    if (ok) this.#logger.debug(fields, "a hook was told");
    else this.#logger.error(fields, "a hook was not told; the event is given up");
  }

  /** What cannot be noted, for a full disk say, is noted with the next event; until then it may be told twice. */
  async #reached(
    progress: Progress,
    { seq, isTold }: { readonly seq: number; readonly isTold: boolean },
    call: Call,
  ): Promise<void> {
    try {
      await progress.reached(seq, isTold, call);
    } catch (error) {
      if (!isSmcError(error) || error.code === "CANCELED") throw error;
      this.#logger.warn({ err: error, hook: progress.hook.id }, "how far a hook has come cannot be noted");
    }
  }

  /** Settings that are broken allow nothing. */
  async #metadataHosts(): Promise<PrivateHosts> {
    try {
      return await readAllowedHosts(this.#store, "network.metadataHosts");
    } catch (error) {
      if (!isSmcError(error, "CONFIG_INVALID")) throw error;
      return NO_HOSTS;
    }
  }
}

/** How far a hook has come. */
class Progress {
  readonly hook: HookRecord;
  readonly #store: OwnedStore;
  #now: Pick<HookRecord, "afterSeq" | "last" | "failed" | "skipped">;
  #savedSeq: number;

  constructor(store: OwnedStore, hook: HookRecord) {
    this.#store = store;
    this.hook = hook;
    const { afterSeq, last, failed, skipped } = hook;
    // A journal that was restored from a backup may end before.
    this.#now = { afterSeq: Math.min(afterSeq, store.journal.position.seq), last, failed, skipped };
    this.#savedSeq = this.#now.afterSeq;
  }

  get afterSeq(): number {
    return this.#now.afterSeq;
  }

  /** Records that are passed over. */
  catchUp(seq: number): number {
    const over = Math.max(0, seq - this.#now.afterSeq - BEHIND_MAX);
    const { afterSeq, skipped } = this.#now;
    this.#now = { ...this.#now, afterSeq: afterSeq + over, skipped: skipped + over };
    return over;
  }

  told(last: HookRecord["last"] & object): void {
    this.#now = { ...this.#now, last, failed: this.#now.failed + (last.ok ? 0 : 1) };
  }

  async reached(seq: number, isTold: boolean, call: Call): Promise<void> {
    this.#now = { ...this.#now, afterSeq: seq };
    if (isTold || seq - this.#savedSeq >= NOTE_RECORDS) await this.save(call);
  }

  async save(call: Call): Promise<void> {
    if (this.#savedSeq === this.#now.afterSeq) return;
    await noteHook(this.#store, this.hook.id, this.#now, call);
    this.#savedSeq = this.#now.afterSeq;
  }
}
