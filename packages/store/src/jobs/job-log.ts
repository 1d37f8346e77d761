/**
 * What a program printed: pieces named by the offset of their first byte, so that a reader goes on where it was,
 * however many old pieces are gone by then.
 */
import type { FileHandle } from "node:fs/promises";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { createFolder, openLog, removeFile } from "../fs.ts";
import { show } from "../show.ts";

const PIECE_BYTES = 1024 * 1024;
/** What is kept of a log: the newest 8 MiB. */
const PIECES_MAX = 8;
const NAME = /^\d{15}$/;
/** Of one answer. */
export const READ_BYTES_MAX = 256 * 1024;

export interface LogPart {
  readonly bytes: Buffer;
  /** Where the next part begins. */
  readonly nextOffset: number;
  /** Bytes before this part that are not kept any more. */
  readonly droppedBytes: number;
}

/** The only writer of a log. */
export class JobLog implements AsyncDisposable {
  readonly #folder: string;
  #starts: number[];
  #sizeBytes: number;
  #handle: FileHandle | undefined;

  private constructor(folder: string, starts: number[], sizeBytes: number) {
    this.#folder = folder;
    this.#starts = starts;
    this.#sizeBytes = sizeBytes;
  }

  static async open(folder: string): Promise<JobLog> {
    await createFolder(folder);
    const starts = await startsIn(folder);
    const last = starts.at(-1);
    const sizeBytes = last === undefined ? 0 : last + (await sizeOf(pieceAt(folder, last)));
    return new JobLog(folder, starts, sizeBytes);
  }

  async write(bytes: Uint8Array): Promise<void> {
    const last = this.#starts.at(-1);
    if (last === undefined || this.#sizeBytes - last >= PIECE_BYTES) await this.#next();
    const start = this.#starts.at(-1) ?? 0;
    this.#handle ??= await openLog(pieceAt(this.#folder, start));
    try {
      await this.#handle.writeFile(bytes);
      this.#sizeBytes += bytes.length;
    } catch (error) {
      // A part of it may be written: the next piece is named by what is there.
      this.#sizeBytes = start + (await this.#handle.stat()).size;
      throw error;
    }
  }

  async #next(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
    this.#starts.push(this.#sizeBytes);
    while (this.#starts.length > PIECES_MAX)
      await removeFile(pieceAt(this.#folder, this.#starts.shift() ?? 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close();
  }
}

/** At most 256 KiB from `offset`, or from where what is kept begins. */
export async function readLog(folder: string, offset: number): Promise<LogPart> {
  const starts = await startsIn(folder);
  const first = starts[0] ?? 0;
  const from = Math.max(offset, first);
  const piece = starts.findLast((start) => start <= from);
  if (piece === undefined) return { bytes: Buffer.alloc(0), nextOffset: from, droppedBytes: from - offset };
  let bytes = await readFrom(pieceAt(folder, piece), from - piece, READ_BYTES_MAX);
  const next = starts.find((start) => start > piece);
  if (next !== undefined && next > from && bytes.length === 0) return readLog(folder, next);
  // The end of a piece that another one follows: a character may be in both.
  if (next === from + bytes.length)
    bytes = Buffer.concat([bytes, await readFrom(pieceAt(folder, next), 0, READ_BYTES_MAX - bytes.length)]);
  return { bytes, nextOffset: from + bytes.length, droppedBytes: from - offset };
}

/** Offset from which on at most `tailBytes` follow. */
export async function logTail(folder: string, tailBytes: number): Promise<number> {
  const starts = await startsIn(folder);
  const last = starts.at(-1);
  if (last === undefined) return 0;
  const end = last + (await sizeOf(pieceAt(folder, last)));
  return Math.max(starts[0] ?? 0, end - tailBytes);
}

/** At most `bytesMax` from `offset`; nothing when the file is not there. */
export async function readFrom(path: string, offset: number, bytesMax: number): Promise<Buffer> {
  try {
    await using file = await open(path, "r");
    // Mostly there is nothing new: then nothing is allocated for it.
    const sizeBytes = Math.min(bytesMax, (await file.stat()).size - offset);
    if (sizeBytes <= 0) return Buffer.alloc(0);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, offset);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    return absentIs(error, path, Buffer.alloc(0));
  }
}

function pieceAt(folder: string, start: number): string {
  return join(folder, String(start).padStart(15, "0"));
}

async function startsIn(folder: string): Promise<number[]> {
  try {
    const names = (await readdir(folder)).filter((name) => NAME.test(name));
    return names.map(Number).sort((a, b) => a - b);
  } catch (error) {
    return absentIs(error, folder, []);
  }
}

async function sizeOf(path: string): Promise<number> {
  await using file = await open(path, "r");
  return (await file.stat()).size;
}

function absentIs<T>(error: unknown, path: string, nothing: T): T {
  const known = fromErrno(error, `cannot read '${show(path)}'`);
  if (isSmcError(known, "PATH_NOT_FOUND")) return nothing;
  throw known instanceof SmcError ? known : error;
}
