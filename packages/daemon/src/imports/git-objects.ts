/** Objects of git, one after the other, from one `git cat-file --batch` that stays. */
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { type GitProcess, startGit } from "./git-program.ts";

const LINE_BYTES_MAX = 1024;

export interface GitObjectHead {
  readonly kind: string;
  readonly sizeBytes: number;
}

/** One question at a time; an answer is read to its end before the next one. */
export class GitObjects implements AsyncDisposable {
  readonly #process: GitProcess;
  readonly #pieces: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #isBusy = false;
  /** Of an answer that was not read to its end. */
  #unreadBytes = 0;

  /** `mode` is "batch" for contents, "batch-check" for heads only. */
  constructor(folder: string, mode: "batch" | "batch-check", signal: AbortSignal) {
    this.#process = startGit(folder, ["cat-file", `--${mode}`], signal);
    this.#pieces = this.#process.child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Kind and size; with "batch" the bytes follow. Throws OBJECT_CORRUPT for an object that is not there. */
  async ask(id: string): Promise<GitObjectHead> {
    if (this.#isBusy) throw new SmcError("INTERNAL", "git is asked twice at a time");
    this.#isBusy = true;
    try {
      await this.#skip();
      this.#process.child.stdin.write(`${id}\n`);
      const line = await this.#line();
      const [, kind, size] = /^[0-9a-f]+ (\w+) (\d+)$/.exec(line) ?? [];
      if (kind === undefined || size === undefined)
        throw new SmcError(
          "OBJECT_CORRUPT",
          `git has no object ${show(id, 80)}: '${show(line, 120)}'; nothing was imported`,
          {
            hint: 'a shallow or partial clone lacks some: fetch all of it, and check it with "git fsck"',
          },
        );
      return { kind, sizeBytes: Number(size) };
    } finally {
      this.#isBusy = false;
    }
  }

  /** The bytes after `ask` of "batch". */
  async *bytes(sizeBytes: number): AsyncIterable<Buffer> {
    // A line feed ends the answer.
    this.#unreadBytes = sizeBytes + 1;
    while (this.#unreadBytes > 1) {
      const piece = await this.#take(this.#unreadBytes - 1);
      this.#unreadBytes -= piece.length;
      yield piece;
    }
    await this.#skip();
  }

  async #skip(): Promise<void> {
    while (this.#unreadBytes > 0) this.#unreadBytes -= (await this.#take(this.#unreadBytes)).length;
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      if (end >= 0) {
        const line = this.#rest.subarray(0, end).toString("latin1");
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      if (this.#rest.length > LINE_BYTES_MAX)
        throw new SmcError("OBJECT_CORRUPT", "git answers with a line without end");
      this.#rest = Buffer.concat([this.#rest, await this.#next()]);
    }
  }

  /** At least one byte, at most so many. */
  async #take(countMax: number): Promise<Buffer> {
    if (this.#rest.length === 0) this.#rest = await this.#next();
    const piece = this.#rest.subarray(0, countMax);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  async #next(): Promise<Buffer> {
    const next = await this.#pieces.next();
    if (next.done !== true) return next.value;
    const { said } = await this.#process.ended;
    throw new SmcError("OBJECT_CORRUPT", `git stopped: '${show(said, 300)}'; nothing was imported`, {
      hint: 'check the source with "git fsck"',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { child, ended } = this.#process;
    child.stdin.end();
    child.kill();
    // What it still wanted to say would keep it from ending.
    child.stdout.destroy();
    // How it ended is of no interest any more.
    await ended.catch(() => undefined);
  }
}
