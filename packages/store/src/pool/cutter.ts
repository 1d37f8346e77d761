/**
 * Reads files into windows and cuts them; while storers hash and write full windows, the next one fills. Memory: the
 * windows, whatever the size and number of the files. A window's memory moves from thread to thread: copying out of
 * shared memory is eight times as slow.
 */
import { createHash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { basename } from "node:path";
import { GEAR_MIN_BYTES } from "../chunk/gear.ts";
import { cutSegment } from "../chunk/plan.ts";
import type { Digest } from "../objects/digest.ts";
import { fromErrno } from "../errors.ts";
import { FileSource } from "../formats/file-source.ts";
import { describeBySibling } from "../formats/sidecar.ts";
import type { TensorTable } from "../formats/table.ts";
import { type Chunk, CHUNK_BYTES_MAX, encodeChunklist } from "../objects/objects.ts";
import { show } from "../show.ts";
import type { FileStat, ReadFile } from "../store.ts";
import { FileCuts } from "./file-cuts.ts";
import { assertUnchanged, openRegular } from "./read-file.ts";
import type { AddedFile, ChunkHints } from "./tasks.ts";

const WINDOW_BYTES = 12 * 1024 * 1024;
const READ_BYTES = 2 * 1024 * 1024;
/** Chunks handed over at a time. */
const PENDING_MAX = 2048;

/** The chunks of a window: start and length in turn, and what is known about each. */
export interface ChunksOfWindow {
  readonly spans: Int32Array;
  readonly hints: readonly (ChunkHints | undefined)[];
}

/** The digests of a window's chunks in order, and its memory back. */
export interface StoredChunks {
  readonly digests: readonly Digest[];
  readonly window: ArrayBuffer;
}

/** Where windows go. */
export interface Storer {
  /** Hashes the chunks of a window and stores the new ones. When it throws, the memory is gone. */
  storeChunks(window: ArrayBuffer, chunks: ChunksOfWindow): Promise<StoredChunks>;
  storeChunklists(raws: readonly Uint8Array[]): Promise<void>;
}

interface CutFile {
  readonly stat: FileStat;
  readonly sizeBytes: number;
  readonly plan: number;
  /** Of the whole file; undefined when it is one chunk, whose digest is the same. */
  readonly whole: Digest | undefined;
  readonly chunks: (Chunk | undefined)[];
}

interface PendingChunk {
  readonly start: number;
  readonly length: number;
  readonly file: (Chunk | undefined)[];
  /** Which of the file's chunks it is. */
  readonly index: number;
  readonly hints: ChunkHints | undefined;
}

/** Memory that is used again for the next task. */
export class Window {
  /** Empty while a storer has the memory, and for good when it did not give it back. */
  bytes = new Uint8Array(WINDOW_BYTES);
  /** Settled when the storer is done with it. */
  busy: Promise<void> = Promise.resolve();
}

/** Cuts files one after the other; `finish` tells their digests. */
export class Cutter {
  readonly #storer: Storer;
  /** Throws CANCELED when the command was stopped. */
  readonly #onRead: (bytes: number) => void;
  readonly #files: CutFile[] = [];
  readonly #windows: readonly Window[];
  #turn = 0;
  #used = 0;
  /** Start of the bytes that are not cut yet. */
  #start = 0;
  #pending: PendingChunk[] = [];

  /** At least two windows. */
  constructor(storer: Storer, windows: readonly Window[], onRead: (bytes: number) => void) {
    this.#storer = storer;
    this.#windows = windows;
    this.#onRead = onRead;
  }

  get #window(): Window {
    return this.#windows[this.#turn % this.#windows.length] as Window;
  }

  /** Waits until the storers have let go of all windows. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#windows.map(({ busy }) => busy));
  }

  async addFile({ path, parents }: AddedFile): Promise<void> {
    const { fd, stat } = openRegular(path);
    try {
      // Opened a second time: where a parser reads must not move where the bytes are read.
      using source = FileSource.open(path);
      const describe = (): TensorTable | undefined => describeBySibling(path, source.sizeBytes);
      using cuts = new FileCuts(source, { fileName: basename(path), parents, describe });
      const file = await this.#cutFile(fd, path, { stat, cuts });
      assertUnchanged(path, fd, stat, file.sizeBytes);
      this.#files.push(file);
    } finally {
      closeSync(fd);
    }
  }

  async #cutFile(
    fd: number,
    path: string,
    { stat, cuts }: { stat: FileStat; cuts: FileCuts },
  ): Promise<CutFile> {
    const expectedBytes = stat.sizeBytes;
    const whole = expectedBytes > GEAR_MIN_BYTES || !cuts.isPlain ? createHash("sha256") : undefined;
    const chunks: (Chunk | undefined)[] = [];
    let readBytes = 0;
    for (let isEnd = false; !isEnd;) {
      await this.#makeRoom(Math.min(READ_BYTES, Math.max(expectedBytes - readBytes, 1)));
      const read = this.#read(fd, path);
      whole?.update(this.#window.bytes.subarray(this.#used, this.#used + read));
      this.#used += read;
      readBytes += read;
      isEnd = read === 0 || readBytes >= expectedBytes;
      this.#onRead(read);
      this.#cut(chunks, cuts, isEnd);
    }
    if (readBytes === 0) this.#push(chunks, 0, undefined);
    const digest = whole?.digest("hex") as Digest | undefined;
    return { stat, sizeBytes: readBytes, plan: cuts.plan.id, whole: digest, chunks };
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

  #cut(file: (Chunk | undefined)[], cuts: FileCuts, isEnd: boolean): void {
    const { bytes } = this.#window;
    for (;;) {
      const left = this.#used - this.#start;
      const segment = cuts.segment;
      if (left === 0) return;
      // A file that grew beyond its plan is refused when it is read; until then its bytes are cut somehow.
      const length =
        segment === undefined
          ? Math.min(left, CHUNK_BYTES_MAX)
          : cutSegment(segment, isEnd ? Math.min(left, cuts.left) : cuts.left, {
              bytes,
              start: this.#start,
              end: this.#used,
            });
      if (length === undefined) return;
      this.#push(file, length, cuts.take(length));
    }
  }

  #push(file: (Chunk | undefined)[], length: number, hints: ChunkHints | undefined): void {
    this.#pending.push({ start: this.#start, length, file, index: file.length, hints });
    file.push(undefined);
    this.#start += length;
  }

  /** Gives the window to a storer and goes on in the next one, with the bytes that are not cut yet. */
  async #handOver(): Promise<void> {
    const full = this.#window;
    const used = this.#used;
    this.#turn += 1;
    const next = this.#window;
    await next.busy;
    next.bytes.set(full.bytes.subarray(this.#start, used));
    full.busy = this.#store(full, this.#pending);
    full.busy.catch(() => undefined);
    this.#pending = [];
    this.#used = used - this.#start;
    this.#start = 0;
  }

  async #store(window: Window, pending: readonly PendingChunk[]): Promise<void> {
    if (pending.length === 0) return;
    const spans = Int32Array.from(pending.flatMap(({ start, length }) => [start, length]));
    const hints = pending.some((chunk) => chunk.hints !== undefined)
      ? pending.map((chunk) => chunk.hints)
      : [];
    const { digests, window: memory } = await this.#storer.storeChunks(window.bytes.buffer, {
      spans,
      hints,
    });
    window.bytes = new Uint8Array(memory);
    for (const [position, { file, index, length }] of pending.entries()) {
      const digest = digests[position];
      if (digest !== undefined) file[index] = { digest, sizeBytes: length };
    }
  }

  /** Waits until everything is stored. */
  async finish(): Promise<ReadFile[]> {
    await this.#handOver();
    for (const { busy } of this.#windows) await busy;
    const raws: Uint8Array[] = [];
    const files = this.#files.map(({ stat, sizeBytes, plan, whole, chunks: found }): ReadFile => {
      const chunks = found.map((chunk) => {
        if (chunk === undefined) throw new Error("a chunk without a digest");
        return chunk;
      });
      const digest = chunks.length === 1 ? chunks[0]?.digest : whole;
      if (digest === undefined) throw new Error("a file without a digest");
      if (chunks.length > 1) raws.push(encodeChunklist({ blob: digest, sizeBytes, plan, chunks }));
      return { digest, sizeBytes, stat };
    });
    if (raws.length > 0) await this.#storer.storeChunklists(raws);
    return files;
  }
}
