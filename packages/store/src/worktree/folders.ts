/**
 * Folders of a worktree, entered without following a link. On Linux a folder is held open and its entries are reached
 * through `/proc/self/fd/<n>/<name>`, so that nobody can swap a parent for a link meanwhile; elsewhere every part of
 * the path is looked at first.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { createOneFolder, removeEmptyFolder } from "../fs.ts";
import { show } from "../show.ts";
import { linkInTheWay } from "./paths.ts";
import { isAbsent, kindOf, lstatOne } from "./stat.ts";

const OPEN_FLAGS = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0);
const HAS_PROC = process.platform === "linux";

/** A folder that is there and is no link. Close it after use. */
export class HeldFolder implements AsyncDisposable {
  readonly #place: string;
  readonly #handle: FileHandle | undefined;

  constructor(place: string, handle: FileHandle | undefined) {
    this.#place = place;
    this.#handle = handle;
  }

  /** Path of an entry for system calls. */
  entry(name: string): string {
    return join(this.#place, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close();
  }
}

/**
 * Enters a folder below the root; undefined when it is not there, unless `create` makes it. Throws UNSAFE_PATH for a
 * link on the way, WOULD_OVERWRITE for a file, PERMISSION_DENIED.
 */
export async function holdFolder(
  root: string,
  folder: string,
  options: { create?: boolean } = {},
): Promise<HeldFolder | undefined> {
  let held = await openRoot(root);
  let path = "";
  for (const part of folder === "" ? [] : folder.split("/")) {
    path = path === "" ? part : `${path}/${part}`;
    const entry = held.entry(part);
    let next: HeldFolder | undefined;
    try {
      next = await enter(entry, { path, create: options.create === true });
    } finally {
      await held[Symbol.asyncDispose]();
    }
    if (next === undefined) return undefined;
    held = next;
  }
  return held;
}

async function openRoot(root: string): Promise<HeldFolder> {
  try {
    return await openFolder(root);
  } catch (error) {
    throw fromErrno(error, `cannot enter the folder '${show(root)}'`);
  }
}

async function enter(
  entry: string,
  { path, create }: { path: string; create: boolean },
): Promise<HeldFolder | undefined> {
  try {
    return await openFolder(entry);
  } catch (error) {
    const stat = await lstatOne(entry);
    if (stat !== undefined && kindOf(stat) === "link") throw linkInTheWay(path);
    if (stat !== undefined && kindOf(stat) !== "folder") throw fileInTheWay(path);
    if (stat !== undefined || !isAbsent(error))
      throw fromErrno(error, `cannot enter the folder '${show(path)}'`);
  }
  if (!create) return undefined;
  try {
    await createOneFolder(entry);
  } catch (error) {
    if (!isSmcError(error) || error.details.errno !== "EEXIST")
      throw renamed(error, `cannot create '${show(path)}'`);
  }
  return enter(entry, { path, create: false });
}

function fileInTheWay(path: string): SmcError {
  return new SmcError("WOULD_OVERWRITE", `'${show(path)}' is a file where a folder must go`, {
    details: { paths: [path], count: 1 },
  });
}

async function openFolder(path: string): Promise<HeldFolder> {
  if (HAS_PROC) {
    const handle = await open(path, OPEN_FLAGS);
    return new HeldFolder(`/proc/self/fd/${handle.fd}`, handle);
  }
  const stat = await lstatOne(path);
  if (stat === undefined) throw Object.assign(new Error("no folder"), { code: "ENOENT", syscall: "open" });
  if (kindOf(stat) !== "folder")
    throw Object.assign(new Error("not a folder"), { code: "ENOTDIR", syscall: "open" });
  return new HeldFolder(path, undefined);
}

/** The same failure, named after the path that the user knows. */
export function renamed(error: unknown, what: string): unknown {
  if (!isSmcError(error) || error.cause === undefined) return error;
  const again = fromErrno(error.cause, what);
  return isSmcError(again) ? again : error;
}

/** Removes folders from `folder` upwards as long as they are empty. The root stays. */
export async function removeEmptyFolders(root: string, folder: string): Promise<void> {
  for (let path = folder; path !== ""; path = path.slice(0, Math.max(path.lastIndexOf("/"), 0))) {
    const cut = path.lastIndexOf("/");
    const parent = await holdFolder(root, cut < 0 ? "" : path.slice(0, cut));
    if (parent === undefined) continue;
    try {
      await removeEmptyFolder(parent.entry(path.slice(cut + 1)));
    } catch (error) {
      const errno = isSmcError(error) ? error.details.errno : undefined;
      if (errno === "ENOTEMPTY" || errno === "EEXIST" || errno === "EBUSY" || errno === "ENOTDIR") return;
      if (errno !== "ENOENT") throw renamed(error, `cannot remove the folder '${show(path)}'`);
    } finally {
      await parent[Symbol.asyncDispose]();
    }
  }
}

/** Removes a folder that holds only folders. Throws what rmdir throws when there is a file in one. */
export async function removeHollowFolder(path: string, depthMax: number): Promise<void> {
  if (depthMax > 0) {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory()) await removeHollowFolder(join(path, entry.name), depthMax - 1);
    }
  }
  await removeEmptyFolder(path);
}
