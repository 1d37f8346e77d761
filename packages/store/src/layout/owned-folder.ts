/**
 * A folder that smc wrote: `.smc-layout.json` in it lists every file, so that it can be replaced and taken away without
 * a file of somebody else being lost.
 */
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOf } from "../backup/restore-backup.ts";
import { type Call, createPacer } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { removeEmptyFolder, removeFile } from "../fs.ts";
import { assertPath } from "../objects/names.ts";
import { show } from "../show.ts";
import type { FileStat } from "../store.ts";
import { readSmall } from "../worktree/head.ts";
import { LEFTOVER } from "../worktree/ignore.ts";
import { kindOf, lstatMany, lstatOne } from "../worktree/stat.ts";

export const MARKER = ".smc-layout.json";
const MARKER_FORMAT = "smc-layout/1";
const MARKER_BYTES_MAX = 16 * 1024 * 1024;
/** Of one folder with all below it. */
export const FOLDER_FILES_MAX = 10_000;
const ENTRIES_MAX = 100_000;

export interface OwnedFile {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** When it was written, of the file system; null while the folder is being written. */
  readonly mtimeNs: string | null;
}

/** What `.smc-layout.json` holds. */
export interface Marker {
  readonly format: string;
  readonly repository: string;
  /** Empty while one version takes the place of another one: then the files of both are listed. */
  readonly commit: string;
  /** SHA-256 of what was added to the files of the version; null when nothing was. */
  readonly metadata: string | null;
  readonly files: readonly OwnedFile[];
}

export function encodeMarker(marker: Omit<Marker, "format">): string {
  return `${JSON.stringify({ format: MARKER_FORMAT, ...marker }, null, 1)}\n`;
}

export interface FolderState {
  /** False where nothing is. */
  readonly isThere: boolean;
  /** Undefined for a folder that smc did not write. */
  readonly marker: Marker | undefined;
  /** Paths, from the folder, of files of the marker that are as they were written, and of what a kill left of one. */
  readonly own: readonly string[];
  /** Files that smc did not write; "" for something that is no folder. */
  readonly foreign: readonly string[];
  /** Files that smc wrote and somebody changed. */
  readonly changed: readonly string[];
}

const NOTHING: FolderState = { isThere: false, marker: undefined, own: [], foreign: [], changed: [] };

/** A file counts as changed by its size or its bytes, not by its time. Throws LIMIT_EXCEEDED, PERMISSION_DENIED. */
export async function readFolder(folder: string, call: Call): Promise<FolderState> {
  const found = await lstatOne(folder);
  if (found === undefined) return NOTHING;
  if (kindOf(found) !== "folder") return { ...NOTHING, isThere: true, foreign: [""] };
  const marker = await readMarker(folder);
  const paths = await listAll(folder, call);
  const stats = await lstatMany(paths.map((path) => join(folder, path)));
  const written = byPath(marker?.files ?? []);
  const own: string[] = [];
  const foreign: string[] = [];
  const changed: string[] = [];
  for (const [index, path] of paths.entries()) {
    const files = written.get(path);
    if (path === MARKER && marker !== undefined) continue;
    // A marker that was being written when smc was killed.
    if (marker !== undefined && LEFTOVER.test(path)) own.push(path);
    else if (files === undefined) foreign.push(path);
    else if (await isOneOf(join(folder, path), { files, stat: stats[index] }, call)) own.push(path);
    else changed.push(path);
  }
  return { isThere: true, marker, own, foreign, changed };
}

/** Several of one path while a version takes the place of another one. */
function byPath(files: readonly OwnedFile[]): Map<string, OwnedFile[]> {
  const found = new Map<string, OwnedFile[]>();
  for (const file of files) {
    const known = found.get(file.path);
    if (known === undefined) found.set(file.path, [file]);
    else known.push(file);
  }
  return found;
}

async function isOneOf(
  path: string,
  { files, stat }: { files: readonly OwnedFile[]; stat: FileStat | undefined },
  call: Call,
): Promise<boolean> {
  for (const file of files) if (await isAsWritten(path, { file, stat }, call)) return true;
  return false;
}

async function isAsWritten(
  path: string,
  { file, stat }: { file: OwnedFile; stat: FileStat | undefined },
  call: Call,
): Promise<boolean> {
  if (stat === undefined || kindOf(stat) !== "file") return false;
  // Of a folder that was being written when smc was killed.
  if (file.mtimeNs === null) return true;
  if (stat.sizeBytes !== file.sizeBytes) return false;
  return String(stat.mtimeNs) === file.mtimeNs || (await digestOf(path, call)) === file.sha256;
}

/** Undefined where there is none, or something else of that name. */
export async function readMarker(folder: string): Promise<Marker | undefined> {
  let parsed: unknown;
  try {
    parsed = JSON.parse((await readSmall(join(folder, MARKER), MARKER_BYTES_MAX)).toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError || isSmcError(error, "PATH_NOT_FOUND")) return undefined;
    throw error;
  }
  return isMarker(parsed) ? parsed : undefined;
}

function isMarker(value: unknown): value is Marker {
  if (typeof value !== "object" || value === null) return false;
  const { format, repository, commit, metadata, files } = value as Partial<Record<keyof Marker, unknown>>;
  if (format !== MARKER_FORMAT || typeof repository !== "string" || typeof commit !== "string") return false;
  if (metadata !== null && typeof metadata !== "string") return false;
  return Array.isArray(files) && files.length <= ENTRIES_MAX && files.every(isOwnedFile);
}

function isOwnedFile(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { path, sha256, sizeBytes, mtimeNs } = value as Partial<Record<keyof OwnedFile, unknown>>;
  if (typeof path !== "string" || typeof sha256 !== "string" || !Number.isSafeInteger(sizeBytes))
    return false;
  if (mtimeNs !== null && typeof mtimeNs !== "string") return false;
  try {
    assertPath(path, { allowNonportable: true });
    return true;
  } catch (error) {
    if (isSmcError(error)) return false;
    throw error;
  }
}

/** Everything but folders, `/`-separated; links are not followed. */
async function listAll(folder: string, call: Call): Promise<string[]> {
  const pace = createPacer(call);
  const found: string[] = [];
  const waiting = [""];
  for (let prefix = waiting.pop(); prefix !== undefined; prefix = waiting.pop()) {
    for (const entry of await listFolder(join(folder, prefix))) {
      if (entry.isDirectory()) waiting.push(`${prefix}${entry.name}/`);
      else found.push(prefix + entry.name);
      await pace();
    }
    if (found.length + waiting.length > ENTRIES_MAX)
      throw new SmcError("LIMIT_EXCEEDED", `'${show(folder)}' holds more than ${ENTRIES_MAX} files`);
  }
  return found.sort();
}

async function listFolder(folder: string): Promise<{ name: string; isDirectory(): boolean }[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const known = fromErrno(error, `cannot list the folder '${show(folder)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return [];
    throw known;
  }
}

/** Removes what smc wrote and the folders that are empty then. True when nothing is left of it. */
export async function removeOwned(folder: string, call: Call): Promise<boolean> {
  const { isThere, marker, own, foreign, changed } = await readFolder(folder, call);
  if (!isThere) return true;
  for (const path of own) await removeFile(join(folder, path));
  const isRest = foreign.length + changed.length > 0;
  // The marker goes last: a kill before leaves a folder that is known as ours.
  if (marker !== undefined && !isRest) await removeFile(join(folder, MARKER));
  await removeHollow(folder);
  return !isRest;
}

/** The folder and those below it, as far as they hold no files. */
async function removeHollow(folder: string): Promise<boolean> {
  let isEmpty = true;
  for (const entry of await listFolder(folder))
    isEmpty = entry.isDirectory() && (await removeHollow(join(folder, entry.name))) && isEmpty;
  if (isEmpty) await removeEmptyFolder(folder);
  return isEmpty;
}

/** Takes away what killed commands left beside folders of ours. */
export async function removeLeftovers(folder: string, call: Call): Promise<void> {
  for (const { name } of await listFolder(folder))
    if (LEFTOVER.test(name)) await removeOwned(join(folder, name), call);
}

/** Folders below one that smc wrote, `/`-separated; it does not look into these. */
export async function findOwned(folder: string, call: Call): Promise<string[]> {
  const pace = createPacer(call);
  const found: string[] = [];
  const waiting = [""];
  let seen = 0;
  for (let prefix = waiting.pop(); prefix !== undefined; prefix = waiting.pop()) {
    for (const entry of await listFolder(join(folder, prefix))) {
      await pace();
      seen += 1;
      if (seen > ENTRIES_MAX)
        throw new SmcError("LIMIT_EXCEEDED", `'${show(folder)}' holds more than ${ENTRIES_MAX} folders`);
      if (!entry.isDirectory() || LEFTOVER.test(entry.name)) continue;
      const path = prefix + entry.name;
      if ((await readMarker(join(folder, path))) === undefined) waiting.push(`${path}/`);
      else found.push(path);
    }
  }
  return found.sort();
}

/** Folders above files, each once: `a/b/c` gives `a` and `a/b`. */
export function foldersOf(paths: Iterable<string>): string[] {
  const folders = new Set<string>();
  for (const path of paths)
    for (let above = dirname(path); above !== "." && !folders.has(above); above = dirname(above))
      folders.add(above);
  return [...folders].sort();
}
