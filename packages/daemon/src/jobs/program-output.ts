/** What a program prints → the log of its job, and the points of its curve. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";
import { isSmcError } from "@smc/store/errors";
import { openLog } from "@smc/store/fs";
import {
  type EpochPoint,
  type JobLog,
  LINE_BYTES_MAX,
  parseEpochLine,
  POINTS_MAX,
  readPoints,
} from "@smc/store/jobs";

/** After so many looks without anything new: one may come before what waits in a pipe was seen. */
const QUIET_LOOKS = 4;
/** More than pipes hold: it comes from something that outlived the program. */
const LEFT_BYTES_MAX = 16 * 1024 * 1024;

/** Both streams of a program, into one log; the program waits while a write is under way. */
export class ProgramOutput implements AsyncDisposable {
  readonly #log: JobLog;
  readonly #history: FileHandle;
  #writing: Promise<void> = Promise.resolve();
  #points = 0;
  /** Of each epoch, what was told last: a resumed program tells some again. */
  readonly #told: Map<number, string>;
  /** The last write to the history may have stopped inside of a line. */
  #isCut: boolean;
  /** Told of each point after it was written. */
  onPoint: (point: EpochPoint) => void = () => undefined;
  #takenBytes = 0;
  /** Pieces that are being written. */
  #taking = 0;
  /** What could not be written: the program goes on all the same. */
  lostBytes = 0;

  private constructor(
    log: JobLog,
    history: FileHandle,
    { told, isCut }: { told: Map<number, string>; isCut: boolean },
  ) {
    this.#log = log;
    this.#history = history;
    this.#told = told;
    this.#isCut = isCut;
  }

  static async open(log: JobLog, historyPath: string): Promise<ProgramOutput> {
    const told = new Map<number, string>();
    for await (const point of readPoints(historyPath)) told.set(point.epoch, digestOf(point));
    const history = await openLog(historyPath);
    return new ProgramOutput(log, history, { told, isCut: (await history.stat()).size > 0 });
  }

  /** Returns when the stream has ended or was destroyed. Lines of metrics count on standard output only. */
  async take(stream: Readable, hasMetrics: boolean): Promise<void> {
    const decoder = new StringDecoder("utf8");
    let line = "";
    let isTooLong = false;
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        using _ = this.#takes(chunk);
        await this.#write(chunk);
        if (!hasMetrics) continue;
        const lines = (line + decoder.write(chunk)).split("\n");
        line = lines.pop() ?? "";
        for (const [index, text] of lines.entries()) if (index > 0 || !isTooLong) await this.#epoch(text);
        if (lines.length > 0) isTooLong = false;
        if (line.length > LINE_BYTES_MAX) {
          line = "";
          isTooLong = true;
        }
      }
      if (hasMetrics && !isTooLong) await this.#epoch(line);
    } catch (error) {
      // Destroyed, because something outlived the program and kept its output open.
      if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
    }
  }

  #takes(chunk: Buffer): Disposable {
    this.#takenBytes += chunk.length;
    this.#taking += 1;
    return {
      [Symbol.dispose]: () => {
        this.#taking -= 1;
      },
    };
  }

  /**
   * Waits until a program that has ended has nothing left in its streams, however long that takes to write, and
   * destroys those in which nothing comes for so long: something that outlived it keeps them open.
   */
  async drain(
    streams: readonly Readable[],
    { taken, quietMs }: { taken: Promise<unknown>; quietMs: number },
  ): Promise<void> {
    let isEnded = false;
    const ended = taken.then(() => {
      isEnded = true;
    });
    const bytesMax = this.#takenBytes + LEFT_BYTES_MAX;
    let seenBytes = this.#takenBytes;
    for (let quiet = 0; quiet < QUIET_LOOKS && this.#takenBytes <= bytesMax;) {
      await Promise.race([ended, sleep(quietMs / QUIET_LOOKS, undefined, { ref: false })]);
      if (isEnded) return;
      quiet = this.#taking > 0 || this.#takenBytes > seenBytes ? 0 : quiet + 1;
      seenBytes = this.#takenBytes;
    }
    for (const stream of streams) stream.destroy();
    await ended;
  }

  /** A line of our own in the log. */
  async note(text: string): Promise<void> {
    await this.#write(Buffer.from(`smc: ${text}\n`));
  }

  async #epoch(line: string): Promise<void> {
    const told = parseEpochLine(line.trimEnd(), Date.now());
    if (told === undefined) return;
    const { point, leftOut } = told;
    if (leftOut.length > 0)
      await this.note(`epoch ${point.epoch}: no finite number, left out: ${leftOut.join(", ")}`);
    this.#points += 1;
    if (this.#points === POINTS_MAX)
      await this.note(`more than ${POINTS_MAX} epochs; further ones are left out`);
    if (this.#points >= POINTS_MAX) return;
    if (this.#told.get(point.epoch) === digestOf(point)) return;
    await this.#ordered(() => this.#writePoint(point), 0);
  }

  async #writePoint(point: EpochPoint): Promise<void> {
    const line = `${JSON.stringify(point)}\n`;
    // An empty line is no point; without it this one would be lost together with a half one.
    const text = this.#isCut ? `\n${line}` : line;
    this.#isCut = true;
    await this.#history.writeFile(text);
    this.#isCut = false;
    this.#told.set(point.epoch, digestOf(point));
    this.onPoint(point);
  }

  #write(bytes: Uint8Array): Promise<void> {
    return this.#ordered(() => this.#log.write(bytes), bytes.length);
  }

  #ordered(write: () => Promise<unknown>, sizeBytes: number): Promise<void> {
    this.#writing = this.#writing.then(write).then(
      () => undefined,
      (error: unknown) => {
        // A full disk must not end a training that may run for days.
        const isDisk = isSmcError(error) || (error as NodeJS.ErrnoException).syscall !== undefined;
        if (!isDisk) throw error;
        this.lostBytes += sizeBytes;
      },
    );
    return this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#history.close();
    await this.#log[Symbol.asyncDispose]();
  }
}

function digestOf({ metrics }: EpochPoint): string {
  return createHash("sha256").update(JSON.stringify(metrics)).digest("base64");
}
