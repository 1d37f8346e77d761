/**
 * The only module that writes to the disk. Everything else reads through node:fs and writes through here,
 * so a test can make the n-th call fail and a reader can find every fsync of the product in one page.
 * Synchronous calls are for the workers, asynchronous ones for the daemon's event loop.
 */
import { constants } from "node:fs";
import * as fs from "node:fs";
import { type FileHandle, open, mkdir, rename, link, rm, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { randomBytes } from "node:crypto";
import { fromErrno, isSmcError, SmcError } from "./errors.ts";
import { show } from "./show.ts";

/** Created, never followed, never truncated: an existing file or link is an error. */
export const CREATE_FLAGS =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

let intercept: ((what: string, path: string) => void) | undefined;

/**
 * For fault tests: `hook` runs before every call of this module with its name ("write", "sync", "rename" …) and path;
 * what it throws is that call's failure. Undefined takes the hook away. Each thread has its own.
 */
export function interceptCalls(hook: ((what: string, path: string) => void) | undefined): void {
  intercept = hook;
}

/** `shown` is what a failure calls the file. */
async function named<T>(
  what: string,
  path: string,
  action: () => Promise<T>,
  shown: string = path,
): Promise<T> {
  try {
    intercept?.(what, path);
    return await action();
  } catch (error) {
    throw fromErrno(error, `cannot ${what} '${show(shown)}'`);
  }
}

function namedSync<T>(what: string, path: string, action: () => T): T {
  try {
    intercept?.(what, path);
    return action();
  } catch (error) {
    throw fromErrno(error, `cannot ${what} '${show(path)}'`);
  }
}

/** Missing parents that one call creates. */
const FOLDERS_MAX = 512;

/** Makes a folder's entries durable: creations, renames and removals in it. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await named("open", path, () => open(path, constants.O_RDONLY));
  try {
    await named("sync", path, () => handle.sync());
  } finally {
    await handle.close();
  }
}

/** Makes a file's bytes durable through a new descriptor. Never call it again after it failed: write the file anew. */
export async function syncFile(path: string): Promise<void> {
  const handle = await named("open", path, () => open(path, constants.O_RDONLY));
  try {
    await named("sync", path, () => handle.datasync());
  } finally {
    await handle.close();
  }
}

/** Creates the folder and its missing parents; durable only after `syncFolder`. There already is fine. */
export async function createFolder(path: string, options: { mode?: number } = {}): Promise<void> {
  // One level at a time, from the first that is there: mkdir(…, { recursive: true }) of Node never ends below /proc.
  const missing = [path];
  for (let parent = dirname(path); missing.length < FOLDERS_MAX; parent = dirname(parent)) {
    if (parent === missing.at(-1) || (await isFolder(parent))) break;
    missing.push(parent);
  }
  for (const next of missing.reverse()) {
    try {
      await named("create", next, () => mkdir(next, { mode: options.mode ?? 0o700 }));
    } catch (error) {
      if (!isSmcError(error) || error.details.errno !== "EEXIST") throw error;
      if (await isFolder(next)) continue;
      throw new SmcError("PATH_NOT_FOUND", `cannot create '${show(path)}': '${show(next)}' is not a folder`);
    }
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await fs.promises.stat(path)).isDirectory();
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return false;
    throw known;
  }
}

export async function createOneFolder(path: string, options: { mode?: number } = {}): Promise<void> {
  await named("create", path, () => mkdir(path, { mode: options.mode ?? 0o777 }));
}

/** Atomic; durable only after `syncFolder` of the target's parent. */
export async function renamePath(from: string, to: string): Promise<void> {
  await named("rename", from, () => rename(from, to));
}

/** Fails with EEXIST (as `cause`) when `to` exists. */
export async function linkFile(from: string, to: string): Promise<void> {
  await named("link", to, () => link(from, to));
}

export async function removeFile(path: string): Promise<void> {
  await named("remove", path, () => unlink(path));
}

export async function removeEmptyFolder(path: string): Promise<void> {
  await named("remove", path, () => fs.promises.rmdir(path));
}

/** Removes a folder of ours with everything in it; absent is fine. */
export async function removeTree(path: string): Promise<void> {
  await named("remove", path, () => rm(path, { recursive: true, force: true }));
}

export async function createSymlink(target: string, path: string): Promise<void> {
  await named("create", path, () => fs.promises.symlink(target, path));
}

export async function changeMode(path: string, mode: number): Promise<void> {
  await named("change the mode of", path, () => fs.promises.chmod(path, mode));
}

/**
 * Replaces a small file: temporary file, fsync, rename, fsync of the folder. After a crash it is old or new.
 * With `durable: false` the folder is not fsynced: after a power cut it may be the old one although this returned.
 */
export async function replaceFile(
  path: string,
  bytes: Uint8Array | string,
  options: { mode?: number; durable?: boolean } = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const handle = await named("create", temporary, () => open(temporary, CREATE_FLAGS, options.mode ?? 0o600));
  try {
    try {
      await named("write", temporary, () => handle.writeFile(bytes));
      await named("sync", temporary, () => handle.datasync());
    } finally {
      await handle.close();
    }
    await renamePath(temporary, path);
  } catch (error) {
    // What failed first is what is told.
    await removeTree(temporary).catch(() => undefined);
    throw error;
  }
  if (options.durable !== false) await syncFolder(dirname(path));
}

/** Creates a file that must not exist yet and writes it whole; its name is durable after `syncFolder`. */
export async function createFile(
  path: string,
  bytes: Uint8Array | string,
  options: { mode?: number; durable?: boolean } = {},
): Promise<void> {
  const handle = await named("create", path, () => open(path, CREATE_FLAGS, options.mode ?? 0o600));
  try {
    await named("write", path, () => handle.writeFile(bytes));
    if (options.durable !== false) await named("sync", path, () => handle.datasync());
  } finally {
    await handle.close();
  }
}

/** Opens a log to append to, made when absent; a link in its place is not followed. Never fsynced. */
export async function openLog(path: string): Promise<FileHandle> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);
  return named("open", path, () => open(path, flags, 0o600));
}

/** A file that only grows: the journal, an object of a folder while it is written. One writer. */
export class AppendFile implements AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #shown: string;

  private constructor(path: string, handle: FileHandle, shown: string = path) {
    this.path = path;
    this.#handle = handle;
    this.#shown = shown;
  }

  static async open(path: string): Promise<AppendFile> {
    const flags = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0);
    return new AppendFile(path, await named("open", path, () => open(path, flags)));
  }

  /**
   * Creates a file that must not exist yet; its name is durable after `syncFolder`. Failures call it `shownAs`: the
   * name that it will have, and that the user knows.
   */
  static async create(
    path: string,
    { mode = 0o600, shownAs = path }: { mode?: number; shownAs?: string } = {},
  ): Promise<AppendFile> {
    const create = () => open(path, CREATE_FLAGS, mode);
    return new AppendFile(path, await named("create", path, create, shownAs), shownAs);
  }

  /** Writes at `offset`; not durable. After an error the file must be truncated or closed. */
  async write(bytes: Uint8Array, offset: number): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      const start = at;
      const write = () => this.#handle.write(bytes, start, bytes.length - start, offset + start);
      const { bytesWritten } = await named("write", this.path, write, this.#shown);
      at += bytesWritten;
    }
  }

  /** Never call it again after it failed: what was written may be lost although the next call succeeds. */
  async sync(): Promise<void> {
    await named("sync", this.path, () => this.#handle.datasync(), this.#shown);
  }

  async truncate(sizeBytes: number): Promise<void> {
    await named("truncate", this.path, () => this.#handle.truncate(sizeBytes), this.#shown);
    await this.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** An open file that is written past the page cache, or not. */
export interface DirectFile {
  readonly handle: FileHandle;
  readonly isDirect: boolean;
}

/** What a file system answers that cannot write past the page cache. */
function isInvalid(error: unknown): boolean {
  return isSmcError(error) && error.details.errno === "EINVAL";
}

/** Creates a file that is written past the page cache where the file system can do so. */
export async function createDirectFile(path: string, mode: number): Promise<DirectFile> {
  if (constants.O_DIRECT !== undefined) {
    const direct = CREATE_FLAGS | constants.O_DIRECT;
    try {
      return { handle: await named("create", path, () => open(path, direct, mode)), isDirect: true };
    } catch (error) {
      if (!isInvalid(error)) throw error;
      // Some file systems create the file before they refuse the flag.
      await removeTree(path);
    }
  }
  return { handle: await named("create", path, () => open(path, CREATE_FLAGS, mode)), isDirect: false };
}

/**
 * Writes a whole block, aligned in memory, offset and length. Where the device wants more alignment than that, the
 * file is opened again without O_DIRECT and the block written so.
 */
export async function writeDirect(
  file: DirectFile,
  path: string,
  block: Uint8Array,
  position: number,
): Promise<DirectFile> {
  let done = 0;
  let current = file;
  while (done < block.length) {
    const start = done;
    try {
      const { handle } = current;
      const write = () => handle.write(block, start, block.length - start, position + start);
      done += (await named("write", path, write)).bytesWritten;
    } catch (error) {
      const isRefused = current.isDirect && isInvalid(error);
      // The caller knows only the file that it came with, and closes that.
      if (!isRefused && current !== file) await current.handle.close();
      if (!isRefused) throw error;
      const flags = constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0);
      const handle = await named("open", path, () => open(path, flags));
      await current.handle.close();
      current = { handle, isDirect: false };
    }
  }
  return current;
}

export async function truncateFile({ handle }: DirectFile, path: string, sizeBytes: number): Promise<void> {
  await named("set the size of", path, () => handle.truncate(sizeBytes));
}

export function createFileSync(path: string, mode = 0o600): number {
  return namedSync("create", path, () => fs.openSync(path, CREATE_FLAGS, mode));
}

/** Opens a file of ours for writing anywhere in it. */
export function openFileSync(path: string): number {
  const flags = constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0);
  return namedSync("open", path, () => fs.openSync(path, flags));
}

/** Writes all parts, at `position` or at the end of what was written. */
export function writePartsSync(
  fd: number,
  path: string,
  parts: readonly Uint8Array[],
  position: number,
): void {
  let at = position;
  for (const part of parts) {
    let done = 0;
    while (done < part.length) {
      const start = done;
      done += namedSync("write", path, () => fs.writeSync(fd, part, start, part.length - start, at + start));
    }
    at += part.length;
  }
}

export function changeModeSync(fd: number, path: string, mode: number): void {
  namedSync("change the mode of", path, () => fs.fchmodSync(fd, mode));
}
