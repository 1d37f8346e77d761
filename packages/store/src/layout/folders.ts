/** The folders that people keep model files in: `data/models/{trained,cloud,backups,active,downloads}`. */
import type { Stats } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import type { OwnedStore } from "../open-store.ts";
import type { OwnedRepository } from "../repository.ts";
import { createFolder } from "../fs.ts";
import { show } from "../show.ts";
import { ignoreIn } from "../worktree/ignore-in.ts";

export const MODEL_FOLDERS: readonly string[] = ["trained", "cloud", "backups", "active", "downloads"];

/** What is in them is kept elsewhere: a version that held them would hold everything twice. */
const COPIES: readonly string[] = MODEL_FOLDERS.filter((name) => name !== "trained");

/**
 * Keeps copies out of versions, also where nobody ran `smc setup`, and where `smc init` comes later: answers with the
 * `.smcignore` that was written now.
 * Throws DISK_FULL, PERMISSION_DENIED.
 */
export async function hideCopies(models: string): Promise<string | undefined> {
  await createFolder(models, { mode: 0o777 });
  return ignoreIn(models, { names: COPIES, why: "copies of what is kept elsewhere" });
}

/** Where verbs that deal with files work. */
export interface FilesPlace {
  readonly store: OwnedStore;
  /** Absolute path of the folder that the user stands in. */
  readonly folder: string;
  /** Absolute path of the worktree's root, else `folder`. */
  readonly root: string;
  /** Absolute path of the folder with the five folders: `layout.folder` below the worktree, else below `folder`. */
  readonly models: string;
  /** "Name <address>". */
  readonly actor: string;
  /** Throws WORKTREE_NOT_FOUND, REPOSITORY_NOT_FOUND where there is none. */
  readonly openRepository: () => Promise<OwnedRepository>;
}

/** Absolute path of the folder with the five, by the settings of a place. */
export function modelsOf(
  root: string,
  settings: ReadonlyMap<string, { readonly value: unknown }> = new Map(),
): string {
  const wish = settings.get("layout.folder")?.value;
  return resolve(root, typeof wish === "string" ? wish : join("data", "models"));
}

/** A path that the user gave, made absolute. Throws PATH_INVALID. */
export function pathOf({ folder }: Pick<FilesPlace, "folder">, text: string): string {
  if (text === "" || text.includes("\0"))
    throw new SmcError("PATH_INVALID", `'${show(text, 80)}' is not a path; nothing was changed`);
  return resolve(folder, text);
}

/** Where a file goes: into a folder that is there or whose path ends with `/`, else to the path itself. */
export async function targetOf(place: FilesPlace, text: string, name: string): Promise<string> {
  const path = pathOf(place, text);
  return text.endsWith("/") || (await kindAt(path)) === "folder" ? join(path, name) : path;
}

/** What a path leads to, through links; undefined where nothing is. Throws PERMISSION_DENIED, IO_FAILED. */
export async function kindAt(path: string): Promise<"file" | "folder" | "other" | undefined> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return "folder";
    return found.isFile() ? "file" : "other";
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}

export interface LayoutFile {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** ISO 8601, UTC: when it was changed last. */
  readonly date: string;
}

/** Regular files of a folder by name, without hidden ones; none where there is no folder. Throws LIMIT_EXCEEDED. */
export async function listFiles(folder: string, countMax: number): Promise<LayoutFile[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const known = fromErrno(error, `cannot list the folder '${show(folder)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return [];
    throw known;
  }
  if (names.length > countMax)
    throw new SmcError("LIMIT_EXCEEDED", `'${show(folder)}' holds more than ${countMax} files`);
  const files: LayoutFile[] = [];
  for (const name of names.sort()) {
    if (name.startsWith(".")) continue;
    const path = join(folder, name);
    const found = await statOrUndefined(path);
    if (found?.isFile() !== true) continue;
    files.push({ name, path, sizeBytes: found.size, date: found.mtime.toISOString() });
  }
  return files;
}

async function statOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    const known = fromErrno(error, `cannot look at '${show(path)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
}
