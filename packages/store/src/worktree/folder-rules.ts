/** The ignore rules of many folders, each file read once: for paths that are named one by one. */
import { join } from "node:path";
import { IGNORE_FILE, type IgnoreRules, isIgnored, NO_RULES, readRules, rulesBelow } from "./ignore.ts";
import { kindOf, lstatOne } from "./stat.ts";

/** The path of the folder that something is in; "" is the root. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

/** Keeps what it read: make one for each command. */
export class FolderRules {
  readonly #root: string;
  readonly #rules = new Map<string, IgnoreRules>();
  /** Folder → the first part of its path that is ignored. */
  readonly #ignored = new Map<string, string | undefined>([["", undefined]]);

  constructor(root: string) {
    this.#root = root;
  }

  /** The rules for what is in a folder. Throws CONFIG_INVALID naming file and line, PERMISSION_DENIED. */
  async at(folder: string): Promise<IgnoreRules> {
    const known = this.#rules.get(folder);
    if (known !== undefined) return known;
    const above = folder === "" ? NO_RULES : rulesBelow(await this.at(folderOf(folder)), folder);
    const prefix = folder === "" ? "" : `${folder}/`;
    const stat = await lstatOne(join(this.#root, prefix, IGNORE_FILE));
    const isThere = stat !== undefined && kindOf(stat) === "file";
    const rules = isThere ? await readRules(this.#root, prefix, above) : above;
    this.#rules.set(folder, rules);
    return rules;
  }

  /** The first part of a path that is ignored, or undefined. Throws as `at`. */
  async findIgnored(path: string, isFolder: boolean): Promise<string | undefined> {
    const folder = folderOf(path);
    const above = this.#ignored.has(folder)
      ? this.#ignored.get(folder)
      : await this.findIgnored(folder, true);
    const found = above ?? (isIgnored(await this.at(folder), path, isFolder) ? path : undefined);
    if (isFolder) this.#ignored.set(path, found);
    return found;
  }
}
