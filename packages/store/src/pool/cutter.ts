/**
 * Reads files into one of two windows of shared memory and cuts them; while the storer hashes and writes one window,
 * the other fills. Memory: two windows, whatever the size and number of the files.
 */
import { createHash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { GEAR_MIN_BYTES } from "../chunk/gear.ts";
import { GEAR_PLAN } from "../chunk/plan.ts";
import type { Digest } from "../objects/digest.ts";
import { fromErrno } from "../errors.ts";
import { type Chunk, CHUNK_BYTES_MAX, encodeChunklist } from "../objects/objects.ts";
import { show } from "../show.ts";
import type { FileStat, ReadFile } from "../store.ts";
import { assertUnchanged, fileStat, openRegular } from "./read-file.ts";

const WINDOW_BYTES = 12 * 1024 * 1024;
const READ_BYTES = 2 * 1024 * 1024;
/** Chunks handed over at a time. */
const PENDING_MAX = 2048;

/** Where windows go. */
export interface Storer {
  /** Hashes the chunks (start and length in turn) of a window and stores the new ones; their digests in order. */
  storeChunks(window: SharedArrayBuffer, spans: Int32Array): Promise<readonly Digest[]>;
  storeChunklists(raws: readonly Uint8Array[]): Promise<void>;
}

interface CutFile {
  readonly stat: FileStat;
  readonly sizeBytes: number;
  /** Of the whole file; undefined when it is one chunk, whose digest is the same. */
  readonly whole: Digest | undefined;
  readonly chunks: Chunk[];
}

interface PendingChunk {
  readonly start: number;
  readonly length: number;
  readonly file: Chunk[];
}

/** Memory that is used again for the next task. */
export class Window {
  readonly memory = new SharedArrayBuffer(WINDOW_BYTES);
  readonly bytes = new Uint8Array(this.memory);
  /** Settled when the storer is done with it. */
  busy: Promise<void> = Promise.resolve();
}

/** Cuts files one after the other; `finish` tells their digests. */
export class Cutter {
  readonly #storer: Storer;
  /** Throws CANCELED when the command was stopped. */
  readonly #onRead: (bytes: number) => void;
  readonly #files: CutFile[] = [];
  #window: Window;
  #other: Window;
  #used = 0;
  /** Start of the bytes that are not cut yet. */
  #start = 0;
  #pending: PendingChunk[] = [];

  constructor(storer: Storer, windows: readonly [Window, Window], onRead: (bytes: number) => void) {
    this.#storer = storer;
    [this.#window, this.#other] = windows;
    this.#onRead = onRead;
  }

  /** Waits until the storer has let go of both windows. */
  async settle(): Promise<void> {
    await Promise.allSettled([this.#window.busy, this.#other.busy]);
  }

  async addFile(path: string): Promise<void> {
    const { fd, stat } = openRegular(path);
    try {
      const file = await this.#cutFile(fd, path, stat);
      assertUnchanged(path, stat, fileStat(fd), file.sizeBytes);
      this.#files.push(file);
    } finally {
      closeSync(fd);
    }
  }

  async #cutFile(fd: number, path: string, stat: FileStat): Promise<CutFile> {
    const expectedBytes = stat.sizeBytes;
    const whole = expectedBytes > GEAR_MIN_BYTES ? createHash("sha256") : undefined;
    const chunks: Chunk[] = [];
    let readBytes = 0;
    for (let isEnd = false; !isEnd;) {
      await this.#makeRoom(Math.min(READ_BYTES, Math.max(expectedBytes - readBytes, 1)));
      const read = this.#read(fd, path);
      whole?.update(this.#window.bytes.subarray(this.#used, this.#used + read));
      this.#used += read;
      readBytes += read;
      isEnd = read === 0 || readBytes >= expectedBytes;
      this.#onRead(read);
      this.#cut(chunks, isEnd);
    }
    if (readBytes === 0) this.#pending.push({ start: this.#start, length: 0, file: chunks });
    return { stat, sizeBytes: readBytes, whole: whole?.digest("hex") as Digest | undefined, chunks };
  }

  #read(fd: number, path: string): number {
    const room = Math.min(WINDOW_BYTES - this.#used, READ_BYTES);
    try {
      return readSync(fd, this.#window.bytes, this.#used, room, null);
    } catch (error) {
      throw fromErrno(error, `cannot read '${show(path)}'`);
    }
  }

  async #makeRoom(bytes: number): Promise<void> {
    if (WINDOW_BYTES - this.#used < bytes || this.#pending.length >= PENDING_MAX) await this.#handOver();
  }

  #cut(file: Chunk[], isEnd: boolean): void {
    for (;;) {
      const left = this.#used - this.#start;
      if (left === 0 || (!isEnd && left < CHUNK_BYTES_MAX)) return;
      const length = GEAR_PLAN.cut(this.#window.bytes, this.#start, this.#used, 0);
      this.#pending.push({ start: this.#start, length, file });
      this.#start += length;
    }
  }

  /** Gives the window to the storer and goes on in the other one, with the bytes that are not cut yet. */
  async #handOver(): Promise<void> {
    const full = this.#window;
    const next = this.#other;
    await next.busy;
    next.bytes.set(full.bytes.subarray(this.#start, this.#used));
    full.busy = this.#store(full, this.#pending);
    full.busy.catch(() => undefined);
    this.#pending = [];
    this.#window = next;
    this.#other = full;
    this.#used -= this.#start;
    this.#start = 0;
  }

  async #store(window: Window, pending: readonly PendingChunk[]): Promise<void> {
    if (pending.length === 0) return;
    const spans = Int32Array.from(pending.flatMap(({ start, length }) => [start, length]));
    const digests = await this.#storer.storeChunks(window.memory, spans);
    for (const [index, { file, length }] of pending.entries()) {
      const digest = digests[index];
      if (digest !== undefined) file.push({ digest, sizeBytes: length });
    }
  }

  /** Waits until everything is stored. */
  async finish(): Promise<ReadFile[]> {
    await this.#handOver();
    await this.#other.busy;
    const raws: Uint8Array[] = [];
    const files = this.#files.map(({ stat, sizeBytes, whole, chunks }): ReadFile => {
      const digest = whole ?? chunks[0]?.digest;
      if (digest === undefined) throw new Error("a file without chunks");
      if (chunks.length > 1)
        raws.push(encodeChunklist({ blob: digest, sizeBytes, plan: GEAR_PLAN.id, chunks }));
      return { digest, sizeBytes, stat };
    });
    if (raws.length > 0) await this.#storer.storeChunklists(raws);
    return files;
  }
}
