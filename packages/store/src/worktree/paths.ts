/** Paths that a user types → paths of the stage; which stage paths they mean. */
import { realpath } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, posix } from "node:path";
import { breathe } from "../call.ts";
import { SmcError } from "../errors.ts";
import { PATH_BYTES_MAX } from "../objects/names.ts";
import { matchesPattern } from "../pattern.ts";
import { show } from "../show.ts";
import { isAlwaysIgnored } from "./ignore.ts";
import { kindOf, lstatMany } from "./stat.ts";
import type { Worktree } from "./worktree.ts";

export const PATH_ARGUMENTS_MAX = 1_000_000;
/** Between two turns of the event loop. */
const RESOLVED_AT_ONCE = 1000;

/** Folder as it was typed → where it really is; UNKNOWN where nothing is. */
type RealFolders = Map<string, string>;
const UNKNOWN = "";

/**
 * The path from the root that a text means where the user stands; "" is the root. Throws ARGUMENT_INVALID for "",
 * PATH_INVALID for text that can be no path or is smc's own, UNSAFE_PATH outside the worktree.
 */
export async function resolvePath(
  worktree: Pick<Worktree, "root" | "prefix">,
  text: string,
  folders: RealFolders = new Map(),
): Promise<string> {
  if (text === "")
    throw new SmcError("ARGUMENT_INVALID", "an empty path; write '.' for the folder you are in");
  const fault = textFault(text);
  if (fault !== undefined) throw new SmcError("PATH_INVALID", `'${show(text, 80)}': ${fault}`);
  const path = isAbsolute(text)
    ? await insideRoot(worktree.root, text, folders)
    : posix.join(worktree.prefix, text);
  const plain = posix.normalize(path).replace(/\/+$/, "").normalize("NFC");
  if (plain === "..") throw outside(text);
  if (plain.startsWith("../") || plain.startsWith("/")) throw outside(text);
  if (plain === "." || plain === "") return "";
  const own = plain.split("/").find(isAlwaysIgnored);
  if (own !== undefined)
    throw new SmcError("PATH_INVALID", `'${show(text, 200)}': '${own}' is never tracked`);
  return plain;
}

function textFault(text: string): string | undefined {
  const nul = text.indexOf("\0");
  if (nul >= 0) return `a NUL character at ${nul}`;
  if (!text.isWellFormed() || text.includes("\ufffd")) return "not valid UTF-8";
  if (Buffer.byteLength(text) > PATH_BYTES_MAX) return `longer than ${PATH_BYTES_MAX} bytes`;
  return undefined;
}

function outside(text: string): SmcError {
  return new SmcError("UNSAFE_PATH", `'${show(text, 200)}' is outside the worktree`);
}

async function insideRoot(root: string, text: string, folders: RealFolders): Promise<string> {
  const direct = posix.relative(root, posix.normalize(text));
  if (!direct.startsWith("..")) return direct;
  // The last part is not followed: it may be a link that is meant itself.
  const folder = dirname(text);
  const real = folders.get(folder) ?? (await realOf(folder));
  folders.set(folder, real);
  return real === UNKNOWN ? direct : posix.relative(root, join(real, basename(text)));
}

async function realOf(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch {
    return UNKNOWN;
  }
}

/** Throws UNSAFE_PATH when a folder above one of the paths is a symbolic link. */
export async function assertNoLinkAbove(root: string, paths: readonly string[]): Promise<void> {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const folder = path.slice(0, end);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  const list = [...folders];
  const stats = await lstatMany(list.map((folder) => join(root, folder)));
  for (const [index, stat] of stats.entries()) {
    if (stat !== undefined && kindOf(stat) === "link") throw linkInTheWay(list[index] ?? "");
  }
}

export function linkInTheWay(path: string): SmcError {
  return new SmcError("UNSAFE_PATH", `'${show(path)}' is a symlink, not followed`, { details: { path } });
}

/** Which stage paths a list of arguments means: the path itself, all below it, or a pattern with `*` and `?`. */
export class PathFilter {
  readonly specs: readonly string[];
  readonly #exact: ReadonlySet<string>;
  readonly #patterns: readonly string[];
  readonly #met = new Set<string>();

  constructor(specs: readonly string[]) {
    this.specs = specs;
    this.#exact = new Set(specs);
    this.#patterns = specs.filter(isPattern);
  }

  /** Remembers which arguments matched. */
  matches(path: string): boolean {
    let isMatch = this.#meet("") || this.#meet(path);
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (this.#meet(path.slice(0, end))) isMatch = true;
    }
    for (const pattern of this.#patterns) {
      if (!matchesPattern(pattern, path)) continue;
      this.#met.add(pattern);
      isMatch = true;
    }
    return isMatch;
  }

  #meet(spec: string): boolean {
    if (!this.#exact.has(spec)) return false;
    this.#met.add(spec);
    return true;
  }

  /** Counts an argument as matched though no path was. */
  meet(spec: string): void {
    this.#met.add(spec);
  }

  /** Throws PATH_NOT_FOUND for the first argument that matched nothing. "" always matches. */
  assertAllMet(): void {
    const missed = this.specs.find((spec) => spec !== "" && !this.#met.has(spec));
    if (missed !== undefined) {
      throw new SmcError("PATH_NOT_FOUND", `'${show(missed, 200)}' matches no file; nothing was changed`, {
        details: { path: missed },
      });
    }
  }
}

/** Resolves all arguments where the user stands. Throws as `resolvePath`, LIMIT_EXCEEDED. */
export async function resolvePaths(worktree: Worktree, texts: readonly string[]): Promise<PathFilter> {
  if (texts.length > PATH_ARGUMENTS_MAX) {
    throw new SmcError("LIMIT_EXCEEDED", `more than ${PATH_ARGUMENTS_MAX} paths`);
  }
  const specs: string[] = [];
  const folders: RealFolders = new Map();
  for (const text of texts) {
    specs.push(await resolvePath(worktree, text, folders));
    if (specs.length % RESOLVED_AT_ONCE === 0) await breathe();
  }
  return new PathFilter(specs);
}

export function isPattern(spec: string): boolean {
  return /[*?]/.test(spec);
}
