/**
 * The worker's side of `add`: files are read once into one window of memory, cut, hashed, and what the store does not
 * have is appended to the session's pack. Memory: one window, whatever the size and number of the files.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { createHash } from "node:crypto";
import { GEAR_PLAN } from "../chunk/plan.ts";
import { type Digest, hashBytes } from "../digest.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { type Chunk, CHUNK_BYTES_MAX, encodeChunklist } from "../objects.ts";
import { show } from "../show.ts";
import type { FileStat, ReadFile } from "../store.ts";
import type { RecordKind } from "../pack/format.ts";

const WINDOW_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 4 * 1024 * 1024;
/** Chunks asked about in one message. */
const PENDING_MAX = 2048;

export interface IngestPort {
  /** For each digest: is it new, so that the caller must store it? */
  ask(digests: readonly Digest[]): Promise<Uint8Array>;
  store(kind: RecordKind, digest: Digest, raw: Uint8Array): void;
  /** Throws CANCELED when the command was stopped. */
  onRead(bytes: number): void;
}

interface PendingChunk {
  readonly digest: Digest;
  readonly raw: Uint8Array;
}

/** Opens a regular file for reading. Throws FILE_UNSUPPORTED for anything else, without waiting on it. */
export function openRegular(path: string): { fd: number; stat: FileStat } {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
  const stat = fileStat(fd);
  if ((stat.mode & constants.S_IFMT) !== constants.S_IFREG) {
    closeSync(fd);
    throw new SmcError("FILE_UNSUPPORTED", `'${show(path)}' is not a regular file`);
  }
  return { fd, stat };
}

export function fileStat(fd: number): FileStat {
  const { dev, ino, size, mtimeNs, ctimeNs, mode } = fstatSync(fd, { bigint: true });
  return { dev, ino, sizeBytes: Number(size), mtimeNs, ctimeNs, mode: Number(mode) };
}

/** Throws FILE_CHANGED unless the file is what it was when it was opened. */
export function assertUnchanged(path: string, before: FileStat, after: FileStat, readBytes: number): void {
  const same = before.sizeBytes === after.sizeBytes && before.mtimeNs === after.mtimeNs && before.ctimeNs === after.ctimeNs;
  if (!same || readBytes !== after.sizeBytes) {
    throw new SmcError("FILE_CHANGED", `'${show(path)}' changed while it was read; nothing was stored of it`);
  }
}

/** Cuts and stores files one after the other through one window. */
export class Ingest {
  readonly #port: IngestPort;
  readonly #window = new Uint8Array(WINDOW_BYTES);
  #used = 0;
  /** Start of the bytes that are not cut yet. */
  #start = 0;
  #pending: PendingChunk[] = [];

  constructor(port: IngestPort) {
    this.#port = port;
  }

  async addFile(path: string): Promise<ReadFile> {
    const { fd, stat } = openRegular(path);
    try {
      const { digest, sizeBytes, chunks } = await this.#addBytes(fd, path, stat.sizeBytes);
      assertUnchanged(path, stat, fileStat(fd), sizeBytes);
      if (chunks.length > 1) await this.#addChunklist(digest, sizeBytes, chunks);
      return { digest, sizeBytes, stat };
    } finally {
      closeSync(fd);
    }
  }

  /** Asks about and stores everything that is still in the window. */
  async finish(): Promise<void> {
    await this.#flush();
  }

  async #addBytes(fd: number, path: string, expectedBytes: number): Promise<CutFile> {
    const whole = expectedBytes > GEAR_SINGLE_BYTES ? createHash("sha256") : undefined;
    const chunks: Chunk[] = [];
    let readBytes = 0;
    let isEnd = false;
    while (!isEnd) {
      const room = await this.#makeRoom(Math.min(READ_BYTES, Math.max(expectedBytes - readBytes, 1)));
      const read = this.#read(fd, path, Math.min(room, READ_BYTES));
      whole?.update(this.#window.subarray(this.#used, this.#used + read));
      this.#used += read;
      readBytes += read;
      isEnd = read === 0 || readBytes >= expectedBytes;
      this.#port.onRead(read);
      this.#cut(chunks, isEnd);
    }
    const only = chunks.length === 1 ? chunks[0]?.digest : undefined;
    const digest = whole === undefined ? (only ?? EMPTY) : (whole.digest("hex") as Digest);
    if (chunks.length === 0) this.#pending.push({ digest, raw: new Uint8Array(0) });
    return { digest, sizeBytes: readBytes, chunks };
  }

  #read(fd: number, path: string, length: number): number {
    try {
      return readSync(fd, this.#window, this.#used, length, null);
    } catch (error) {
      throw fromErrno(error, `cannot read '${show(path)}'`);
    }
  }

  /** At least `bytes` of free window; moves what is not cut yet to its front when it has to. */
  async #makeRoom(bytes: number): Promise<number> {
    if (WINDOW_BYTES - this.#used < bytes || this.#pending.length >= PENDING_MAX) await this.#flush();
    return WINDOW_BYTES - this.#used;
  }

  #cut(chunks: Chunk[], isEnd: boolean): void {
    for (;;) {
      const left = this.#used - this.#start;
      if (left === 0 || (!isEnd && left < CHUNK_BYTES_MAX)) return;
      const length = GEAR_PLAN.cut(this.#window, this.#start, this.#used, 0);
      const raw = this.#window.subarray(this.#start, this.#start + length);
      const digest = hashBytes(raw);
      this.#pending.push({ digest, raw });
      chunks.push({ digest, sizeBytes: length });
      this.#start += length;
    }
  }

  async #flush(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    const wanted = pending.length === 0 ? undefined : await this.#port.ask(pending.map(({ digest }) => digest));
    for (const [index, { digest, raw }] of pending.entries()) {
      if (wanted?.[index] === 1) this.#port.store("chunk", digest, raw);
    }
    this.#window.copyWithin(0, this.#start, this.#used);
    this.#used -= this.#start;
    this.#start = 0;
  }

  async #addChunklist(blob: Digest, sizeBytes: number, chunks: readonly Chunk[]): Promise<void> {
    const raw = encodeChunklist({ blob, sizeBytes, plan: GEAR_PLAN.id, chunks });
    const digest = hashBytes(raw);
    await this.#flush();
    const wanted = await this.#port.ask([digest]);
    if (wanted[0] === 1) this.#port.store("chunklist", digest, raw);
  }
}

interface CutFile {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly chunks: readonly Chunk[];
}

/** A file up to this size is one chunk for sure, and its chunk's digest is its own. */
const GEAR_SINGLE_BYTES = 256 * 1024;
const EMPTY = hashBytes(new Uint8Array(0));

/** SHA-256 of a file, storing nothing. */
export function hashFile(path: string, buffer: Uint8Array, onRead: (bytes: number) => void): ReadFile {
  const { fd, stat } = openRegular(path);
  try {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    for (;;) {
      const read = readSync(fd, buffer, 0, buffer.length, null);
      if (read === 0) break;
      hash.update(buffer.subarray(0, read));
      sizeBytes += read;
      onRead(read);
      if (sizeBytes > stat.sizeBytes) break;
    }
    assertUnchanged(path, stat, fileStat(fd), sizeBytes);
    return { digest: hash.digest("hex") as Digest, sizeBytes, stat };
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  } finally {
    closeSync(fd);
  }
}
