/** A file that appears under its name when it is whole and on the disk; until then nothing has that name. */
import { randomBytes } from "node:crypto";
import { lstat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fromErrno, isSmcError, SmcError } from "./errors.ts";
import { AppendFile, createFile, linkFile, removeFile, renamePath, syncFolder } from "./fs.ts";
import { show } from "./show.ts";

const FILE_MODE = 0o666;

export interface NewFileOptions {
  /** Replaces a file that is there. */
  readonly force: boolean;
  readonly mode?: number;
}

/**
 * Lets `fill` write a file and gives it its name, durably; when anything fails nothing is left. Throws WOULD_OVERWRITE
 * unless `force`, PATH_NOT_FOUND, DISK_FULL, and what `fill` throws.
 */
export async function writeNewFile<T>(
  path: string,
  { force, mode = FILE_MODE }: NewFileOptions,
  fill: (file: AppendFile) => Promise<T>,
): Promise<T> {
  // Before anything is read: nobody waits for an hour to be told.
  await assertFree(path, force);
  const temporary = besidePath(path);
  let filled: T;
  {
    await using file = await AppendFile.create(temporary, { mode, shownAs: path });
    try {
      filled = await fill(file);
      await file.sync();
      await giveName(temporary, path, force);
    } catch (error) {
      // What failed first is what is told.
      await removeFile(temporary).catch(() => undefined);
      throw error;
    }
  }
  await syncFolder(dirname(path));
  return filled;
}

/** A small file of people, durably: after a kill it is old or new, and what is left beside it no worktree tracks. */
export async function replaceWith(
  path: string,
  bytes: Uint8Array | string,
  { mode = 0o644 }: { mode?: number } = {},
): Promise<void> {
  await writeNewFile(path, { force: true, mode }, (file) => file.write(Buffer.from(bytes), 0));
}

/** A name in the same folder that no worktree tracks. */
export function besidePath(path: string): string {
  return join(dirname(path), `.smc-tmp-${randomBytes(6).toString("hex")}`);
}

/** Throws WOULD_OVERWRITE for what must stay. */
export async function assertFree(path: string, force: boolean): Promise<void> {
  let isFolder: boolean;
  try {
    isFolder = (await lstat(path)).isDirectory();
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known) && known.details.errno === "ENOENT") return;
    throw known;
  }
  if (isFolder || !force) throw inTheWay(path, isFolder);
}

function inTheWay(path: string, isFolder: boolean): SmcError {
  const what = isFolder ? "is a folder" : "is there already";
  return new SmcError("WOULD_OVERWRITE", `'${show(path)}' ${what}; nothing was written`, {
    hint: isFolder ? "name a file" : 'choose another name, or use "--force"',
  });
}

/** What file systems of sticks answer, which have no links. */
const NO_LINKS = new Set<unknown>(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EMLINK"]);

/** True when a file system cannot give a file a second name. */
export function hasNoLinks(error: unknown): boolean {
  return isSmcError(error) && NO_LINKS.has(error.details.errno);
}

/**
 * Moves a whole file to its name; durable after `syncFolder`. Where there are no links the name is taken and then
 * replaced: there a kill between the two leaves it empty. Throws WOULD_OVERWRITE unless `force`.
 */
export async function giveName(temporary: string, path: string, force: boolean): Promise<void> {
  if (force) return renamePath(temporary, path);
  try {
    await linkFile(temporary, path);
    return await removeOther(temporary);
  } catch (error) {
    if (!isSmcError(error)) throw error;
    if (error.details.errno === "EEXIST") throw inTheWay(path, false);
    if (!hasNoLinks(error)) throw error;
  }
  try {
    await createFile(path, "", { durable: false });
  } catch (error) {
    if (isSmcError(error) && error.details.errno === "EEXIST") throw inTheWay(path, false);
    throw error;
  }
  try {
    await renamePath(temporary, path);
  } catch (error) {
    await removeFile(path).catch(() => undefined);
    throw error;
  }
}

/** The file has its name: that the other one stays, which no worktree tracks, is no failure. */
async function removeOther(temporary: string): Promise<void> {
  try {
    await removeFile(temporary);
  } catch (error) {
    if (!isSmcError(error)) throw error;
  }
}
