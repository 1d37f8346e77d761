/** Counts who reads records, so that a pack is removed only when nobody holds its path any more. */

/** Everything that looks up where records are and then reads them is between `enter` and dispose. */
export class Readers {
  readonly #inside = new Set<Promise<void>>();

  enter(): Disposable {
    let leave = (): void => undefined;
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    this.#inside.add(left);
    return {
      [Symbol.dispose]: (): void => {
        this.#inside.delete(left);
        leave();
      },
    };
  }

  /**
   * True when everybody who is inside now has left; false when that takes longer than `timeoutMs` or the signal fires.
   */
  async drain(signal: AbortSignal, timeoutMs: number): Promise<boolean> {
    const left = Promise.all(this.#inside).then(() => true);
    const stop = new AbortController();
    const late = new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      const end = (): void => {
        clearTimeout(timer);
        resolve(false);
      };
      signal.addEventListener("abort", end, { once: true, signal: stop.signal });
      stop.signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
    });
    try {
      return await Promise.race([left, late]);
    } finally {
      stop.abort();
    }
  }
}
