/**
 * SHA-256 and MD5 of bytes on their way. MD5 is told because `md5sum` is at hand everywhere; SHA-256 is what counts.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type Call, createPacer } from "../call.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { show } from "../show.ts";

/** Read, hashed and written at a time. */
const PIECE_BYTES = 1024 * 1024;

export interface Digests {
  readonly sha256: string;
  readonly md5: string;
}

/** What went by so far. */
export class DigestCounter {
  readonly #sha256 = createHash("sha256");
  readonly #md5 = createHash("md5");
  sizeBytes = 0;

  async *count(content: AsyncIterable<Uint8Array>, call: Call): AsyncIterable<Uint8Array> {
    const pace = createPacer(call);
    for await (const bytes of content) {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        const piece = bytes.subarray(at, at + PIECE_BYTES);
        this.add(piece);
        yield piece;
        await pace();
      }
    }
  }

  add(piece: Uint8Array): void {
    this.#sha256.update(piece);
    this.#md5.update(piece);
    this.sizeBytes += piece.length;
  }

  /** Of everything; once. */
  end(): Digests {
    return { sha256: this.#sha256.digest("hex"), md5: this.#md5.digest("hex") };
  }
}

/** Opens a regular file for reading; a fifo or device is not waited for. Throws PATH_NOT_FOUND, FILE_UNSUPPORTED. */
export async function openFile(path: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new SmcError("FILE_UNSUPPORTED", `'${show(path)}' is not a regular file; nothing was written`);
}

/** Bytes of an open file, in pieces of their own; ends where the file ends. Throws IO_FAILED. */
export async function* readRange(
  handle: FileHandle,
  { path, from, sizeBytes }: { path: string; from: number; sizeBytes: number },
): AsyncIterable<Uint8Array> {
  for (let done = 0; done < sizeBytes;) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, sizeBytes - done));
    let bytesRead: number;
    try {
      ({ bytesRead } = await handle.read(piece, 0, piece.length, from + done));
    } catch (error) {
      throw fromErrno(error, `cannot read '${show(path)}'`);
    }
    if (bytesRead === 0) return;
    yield piece.subarray(0, bytesRead);
    done += bytesRead;
  }
}

/** Reads a file that must not change meanwhile. Throws FILE_CHANGED. */
export async function* readSteady(path: string, call: Call): AsyncIterable<Uint8Array> {
  await using handle = await openFile(path);
  const before = await handle.stat({ bigint: true });
  const total = Number(before.size);
  let done = 0;
  for await (const piece of readRange(handle, { path, from: 0, sizeBytes: total })) {
    done += piece.length;
    yield piece;
    call.onProgress({ phase: "copy", done, total, unit: "bytes" });
  }
  const after = await handle.stat({ bigint: true });
  if (done === total && before.mtimeNs === after.mtimeNs && before.size === after.size) return;
  throw new SmcError("FILE_CHANGED", `'${show(path)}' changed while it was read; nothing was written`);
}

/** The first bytes of a file that may grow meanwhile. */
export async function* readStart(path: string, sizeBytes: number): AsyncIterable<Uint8Array> {
  await using handle = await openFile(path);
  yield* readRange(handle, { path, from: 0, sizeBytes });
}

/** Size, SHA-256 and MD5 of a file. Throws PATH_NOT_FOUND, FILE_UNSUPPORTED, FILE_CHANGED. */
export async function digestsOf(path: string, { signal }: Call): Promise<Digests & { sizeBytes: number }> {
  const quiet: Call = { signal, onProgress: () => undefined };
  const counter = new DigestCounter();
  const content = counter.count(readSteady(path, quiet), quiet)[Symbol.asyncIterator]();
  let isDone = false;
  while (!isDone) isDone = (await content.next()).done === true;
  return { sizeBytes: counter.sizeBytes, ...counter.end() };
}
