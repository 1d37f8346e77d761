/** What commands touch while gc runs: it marks that as well before it takes anything away. */
import type { Digest } from "./objects/digest.ts";

/**
 * Everything that a command is about to rely on is pinned before it looks whether it is there: what it stores anew or
 * not because it is there, what it resolves, what a ref named or names. Costs nothing while no gc runs.
 */
export class Pins {
  #pending: Set<Digest> | undefined;

  /** From now on pins are kept. */
  begin(): Disposable {
    this.#pending = new Set();
    return {
      [Symbol.dispose]: (): void => {
        this.#pending = undefined;
      },
    };
  }

  /** Keeps these objects, and all they need, from a gc that runs now. */
  add(digests: Iterable<Digest>): void {
    if (this.#pending === undefined) return;
    for (const digest of digests) this.#pending.add(digest);
  }

  get isEmpty(): boolean {
    return (this.#pending?.size ?? 0) === 0;
  }

  /** What was pinned since the last call. */
  take(): Digest[] {
    const pending = [...(this.#pending ?? [])];
    this.#pending?.clear();
    return pending;
  }
}
