/**
 * Requests whose head was read. Their clients were asked for the body: they get an answer, also of a daemon that
 * leaves.
 */
import type { Server } from "node:http";

export class Unanswered {
  #count = 0;
  #onNone: (() => void) | undefined;

  constructor(server: Server) {
    server.on("request", (_request, response) => {
      this.#count += 1;
      response.once("close", () => {
        this.#count -= 1;
        if (this.#count === 0) this.#onNone?.();
      });
    });
  }

  /** Returns when there is none, or after `patienceMs`. */
  none(patienceMs: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      this.#onNone = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
