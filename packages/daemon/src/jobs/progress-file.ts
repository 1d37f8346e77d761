/** Says in a file how far a program is: always the newest of it, and never so that the program waits. */
import { createFile, removeTree, renamePath } from "@smc/store/fs";

export class ProgressFile {
  readonly #path: string | undefined;
  #next: object | undefined;
  #writing: Promise<void> | undefined;

  /** Without a path nothing is written. */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** What comes while a write is under way replaces what waited. */
  say(what: object): void {
    this.#next = what;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Returns when the last of it is written. */
  async done(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const path = this.#path;
    if (path === undefined) return;
    while (this.#next !== undefined) {
      const text = JSON.stringify(this.#next);
      this.#next = undefined;
      const temporary = `${path}.tmp`;
      try {
        await removeTree(temporary);
        await createFile(temporary, text, { durable: false });
        await renamePath(temporary, path);
      } catch {
        // It is for people who watch: a full disk is no reason to end a training.
        return;
      }
    }
  }
}
