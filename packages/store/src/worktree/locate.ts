/** What is at paths of the worktree right now: for plans that touch some files of many. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { breathe } from "../call.ts";
import type { FileStat } from "../store.ts";
import { isAbsent, kindOf, lstatMany } from "./stat.ts";

/** Between two turns of the event loop. */
const PATHS_AT_ONCE = 4096;

export interface Located {
  /** As the disk spells it. */
  readonly disk: string;
  /** Undefined when nothing is there. */
  readonly stat: FileStat | undefined;
  /** The first folder above that is no folder: a link or a file. Then `stat` is undefined. */
  readonly blocked: { readonly path: string; readonly isLink: boolean } | undefined;
}

/** Looks at paths without following a link anywhere. Throws PERMISSION_DENIED, IO_FAILED. */
export async function locate(root: string, paths: readonly string[]): Promise<Map<string, Located>> {
  const spelled = await spell(root, paths);
  const folders = new Map<string, { path: string; isLink: boolean } | undefined>();
  const wholePaths: string[] = [];
  for (const [index, path] of paths.entries()) {
    if (index % PATHS_AT_ONCE === 0) await breathe();
    const disk = spelled.get(path) ?? path;
    wholePaths.push(`${root}/${disk}`);
    for (const folder of foldersAbove(disk)) {
      if (folders.has(folder)) break;
      folders.set(folder, undefined);
    }
  }
  const names = [...folders.keys()];
  const folderStats = await lstatMany(names.map((folder) => join(root, folder)));
  for (const [index, folder] of names.entries()) {
    const stat = folderStats[index];
    if (stat === undefined || kindOf(stat) === "folder") continue;
    folders.set(folder, { path: folder, isLink: kindOf(stat) === "link" });
  }
  const stats = await lstatMany(wholePaths);
  const located = new Map<string, Located>();
  for (const [index, path] of paths.entries()) {
    if (index % PATHS_AT_ONCE === 0) await breathe();
    const disk = spelled.get(path) ?? path;
    // The outermost counts: below a link the others are somewhere else.
    let blocked: Located["blocked"];
    for (const folder of foldersAbove(disk)) blocked = folders.get(folder) ?? blocked;
    located.set(path, { disk, stat: blocked === undefined ? stats[index] : undefined, blocked });
  }
  return located;
}

/** The folders that a path is in, from the innermost to the outermost. */
export function* foldersAbove(path: string): Generator<string> {
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
    yield path.slice(0, end);
}

/** Finds how the disk spells names in another normal form than C. Only paths that are not found as they are. */
async function spell(root: string, paths: readonly string[]): Promise<Map<string, string>> {
  const spelled = new Map<string, string>();
  const unsure = paths.filter((path) => !isAscii(path));
  const stats = await lstatMany(unsure.map((path) => join(root, path)));
  const known = new Map<string, Map<string, string>>();
  for (const [index, path] of unsure.entries()) {
    if (stats[index] !== undefined) continue;
    let disk = "";
    for (const part of path.split("/")) {
      let names = known.get(disk);
      if (names === undefined) {
        names = await listSpellings(join(root, disk));
        known.set(disk, names);
      }
      disk = disk === "" ? (names.get(part) ?? part) : `${disk}/${names.get(part) ?? part}`;
    }
    spelled.set(path, disk);
  }
  return spelled;
}

function isAscii(text: string): boolean {
  return /^[\u0020-\u007e]*$/.test(text);
}

/** Name in normal form C → name on the disk, where the two differ and nothing is called the former. */
async function listSpellings(folder: string): Promise<Map<string, string>> {
  const spellings = new Map<string, string>();
  let names: string[] = [];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  for (const name of names) if (!isAscii(name)) spellings.set(name.normalize("NFC"), name);
  for (const name of names) if (!isAscii(name) && name.normalize("NFC") === name) spellings.set(name, name);
  return spellings;
}

/** Files, links and others below a folder, counted up to `countMax`. */
export async function countFiles(folder: string, countMax: number): Promise<number> {
  let count = 0;
  const queue = [folder];
  for (let path = queue.pop(); path !== undefined && count < countMax; path = queue.pop()) {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory()) queue.push(join(path, entry.name));
      else count += 1;
    }
  }
  return count;
}
