/**
 * What is in a worktree: names and kinds from readdir, stats where they are asked for. Nothing is opened or followed.
 */
import { isUtf8 } from "node:buffer";
import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { TREE_DEPTH_MAX } from "../objects/names.ts";
import { TREE_ENTRIES_MAX } from "../objects/objects.ts";
import { show } from "../show.ts";
import type { FileStat } from "../store.ts";
import {
  IGNORE_FILE,
  type IgnoreRules,
  isAlwaysIgnored,
  isIgnored,
  NO_RULES,
  readRules,
  rulesBelow,
} from "./ignore.ts";
import { FolderRules, folderOf } from "./folder-rules.ts";
import { type FileKind, isAbsent, kindOf, lstatEach, lstatMany, lstatOne } from "./stat.ts";

const FOLDERS_AT_ONCE = 16;
const BYTES_SHOWN = 16;

/** A file or link in the worktree. */
export interface Found {
  /** In Unicode normal form C, as trees keep it. */
  readonly path: string;
  /** The path as the file system spells it. */
  readonly disk: string;
  readonly kind: "file" | "link";
  /** Undefined when `wantsStat` did not ask for it. */
  readonly stat: FileStat | undefined;
}

/** Something that cannot be stored. */
export interface Fault {
  readonly path: string;
  readonly error: SmcError;
}

export interface Scan {
  readonly files: ReadonlyMap<string, Found>;
  readonly faults: readonly Fault[];
}

export interface ScanOptions {
  /** Paths below the root to look at, files or folders; "" is everything. All of them exist. */
  readonly from: readonly string[];
  /** Paths that are tracked: never ignored. */
  readonly tracked: TrackedPaths;
  /** Takes ignored files as well; `.smc` and `.git` are left out all the same. */
  readonly withIgnored?: boolean;
  /** Whether a file's stat is of use; default always. */
  readonly wantsStat?: (path: string) => boolean;
  /** Absolute path of a folder that is left out: the store, when it is inside. */
  readonly leaveOut: string;
}

/** The stage as a scan needs it. */
export class TrackedPaths {
  readonly #files: ReadonlyMap<string, unknown>;
  readonly #folders = new Set<string>();

  constructor(files: ReadonlyMap<string, unknown>) {
    this.#files = files;
    let last = "";
    for (const path of files.keys()) {
      let end = path.lastIndexOf("/");
      if (end < 0 || path.slice(0, end) === last) continue;
      last = path.slice(0, end);
      for (; end > 0; end = path.lastIndexOf("/", end - 1)) {
        const folder = path.slice(0, end);
        if (this.#folders.has(folder)) break;
        this.#folders.add(folder);
      }
    }
  }

  hasFile(path: string): boolean {
    return this.#files.has(path);
  }

  /** Whether a tracked file is below the folder. */
  hasFolder(path: string): boolean {
    return this.#folders.has(path);
  }
}

interface Folder {
  readonly path: string;
  readonly disk: string;
  readonly rules: IgnoreRules;
  /** Ignored itself, and looked into for what is tracked in it only. */
  readonly isTrackedOnly: boolean;
}

/**
 * Looks at a worktree, or at parts of it. Throws PERMISSION_DENIED naming the folder or file, LIMIT_EXCEEDED over
 * 1,000,000 entries in a folder or 512 folders of depth, CONFIG_INVALID for a bad `.smcignore`, CANCELED.
 */
export async function scan(root: string, options: ScanOptions, call: Call): Promise<Scan> {
  const walk = new Walk(root, options);
  await walk.start(options.from, call);
  await walk.run(call);
  return walk;
}

class Walk implements Scan {
  readonly files = new Map<string, Found>();
  readonly faults: Fault[] = [];
  readonly #root: string;
  readonly #options: ScanOptions;
  readonly #queue: Folder[] = [];

  constructor(root: string, options: ScanOptions) {
    this.#root = root;
    this.#options = options;
  }

  async start(paths: readonly string[], call: Call): Promise<void> {
    const rules = new FolderRules(this.#root);
    let index = 0;
    for await (const stat of lstatEach(
      paths.map((path) => join(this.#root, path)),
      call,
    )) {
      const path = paths[index] ?? "";
      index += 1;
      const above = path === "" ? NO_RULES : await rules.at(folderOf(path));
      if (stat !== undefined) this.#startAt(path, stat, above);
    }
  }

  #startAt(path: string, stat: FileStat, rules: IgnoreRules): void {
    const kind = kindOf(stat);
    if (kind === "folder") this.#queue.push({ path, disk: path, rules, isTrackedOnly: false });
    else if (kind === "file" || kind === "link") this.files.set(path, { path, disk: path, kind, stat });
    else this.faults.push({ path, error: unsupported(path, kind) });
  }

  async run(call: Call): Promise<void> {
    const pace = createPacer(call);
    while (this.#queue.length > 0) {
      const folders = this.#queue.splice(-FOLDERS_AT_ONCE);
      await Promise.all(folders.map((folder) => this.#readFolder(folder, pace)));
      await pace();
    }
  }

  async #readFolder(folder: Folder, pace: () => Promise<void> | undefined): Promise<void> {
    const entries = await this.#list(folder);
    if (entries === undefined) return;
    const prefix = folder.path === "" ? "" : `${folder.path}/`;
    if (prefix.split("/").length > TREE_DEPTH_MAX) {
      throw new SmcError(
        "LIMIT_EXCEEDED",
        `'${show(folder.path, 80)}' is deeper than ${TREE_DEPTH_MAX} folders`,
      );
    }
    const hasRules = entries.some((entry) => entry.isFile() && entry.name.toString("latin1") === IGNORE_FILE);
    const rules = hasRules ? await readRules(this.#root, prefix, folder.rules) : folder.rules;
    const spellings = new Map<string, string>();
    const files: Candidate[] = [];
    for (const entry of entries) {
      this.#take({ ...folder, rules }, entry, spellings, files);
      const pause = pace();
      if (pause !== undefined) await pause;
    }
    await this.#addFiles(files);
  }

  async #list(folder: Folder): Promise<Dirent<Buffer>[] | undefined> {
    const path = join(this.#root, folder.disk);
    if (path === this.#options.leaveOut) return undefined;
    try {
      const entries = await readdir(path, { withFileTypes: true, encoding: "buffer" });
      if (entries.length > TREE_ENTRIES_MAX) {
        throw new SmcError(
          "LIMIT_EXCEEDED",
          `'${show(folder.path)}' has more than ${TREE_ENTRIES_MAX} entries`,
        );
      }
      if (folder.path !== "" && entries.some(isOwnFolder) && (await isWorktree(path))) return undefined;
      return entries;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw fromErrno(error, `cannot list the folder '${show(folder.path === "" ? path : folder.path)}'`);
    }
  }

  #take(folder: Folder, entry: Dirent<Buffer>, spellings: Map<string, string>, files: Candidate[]): void {
    const spelling = entry.name.toString("utf8");
    if (isAlwaysIgnored(spelling)) return;
    const { tracked, withIgnored } = this.#options;
    const name = isAscii(spelling) ? spelling : spelling.normalize("NFC");
    const path = folder.path === "" ? name : `${folder.path}/${name}`;
    const isFolder = entry.isDirectory();
    const isTracked = isFolder ? tracked.hasFolder(path) : tracked.hasFile(path);
    if (folder.isTrackedOnly && !isTracked) return;
    const isLeftOut =
      folder.isTrackedOnly || (withIgnored !== true && isIgnored(folder.rules, path, isFolder));
    if (isLeftOut && !isTracked) return;
    const fault =
      nameFault(folder.path, entry.name, spelling) ?? spellingFault(path, spelling, name, spellings);
    if (fault !== undefined) {
      this.faults.push({ path, error: fault });
      return;
    }
    const disk = folder.disk === "" ? spelling : `${folder.disk}/${spelling}`;
    const kind = entryKind(entry);
    if (kind === "folder") {
      const rules = isLeftOut ? folder.rules : rulesBelow(folder.rules, path);
      this.#queue.push({ path, disk, rules, isTrackedOnly: isLeftOut });
    } else if (kind === "file" || kind === "link") files.push({ path, disk, kind });
    else this.faults.push({ path, error: unsupported(path, kind) });
  }

  async #addFiles(files: readonly Candidate[]): Promise<void> {
    const { wantsStat } = this.#options;
    const wanted = wantsStat === undefined ? files : files.filter(({ path }) => wantsStat(path));
    const stats = await lstatMany(wanted.map(({ disk }) => join(this.#root, disk)));
    const asked = new Set(wanted);
    for (const file of files) if (!asked.has(file)) this.files.set(file.path, { ...file, stat: undefined });
    for (const [index, file] of wanted.entries()) {
      const stat = stats[index];
      if (stat === undefined) continue;
      const kind = kindOf(stat);
      if (kind === "file" || kind === "link") this.files.set(file.path, { ...file, kind, stat });
    }
  }
}

type Candidate = Pick<Found, "path" | "disk" | "kind">;

function isAscii(text: string): boolean {
  return /^[\u0020-\u007e]*$/.test(text);
}

function isOwnFolder(entry: Dirent<Buffer>): boolean {
  return entry.isDirectory() && entry.name.toString("latin1") === ".smc";
}

/** A worktree inside a worktree belongs to its own repository. */
async function isWorktree(path: string): Promise<boolean> {
  return (await lstatOne(join(path, ".smc", "worktree.json"))) !== undefined;
}

function entryKind(entry: Dirent<Buffer>): FileKind {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  if (entry.isSymbolicLink()) return "link";
  if (entry.isFIFO()) return "fifo";
  if (entry.isSocket()) return "socket";
  return entry.isCharacterDevice() ? "character device" : "block device";
}

export function unsupported(path: string, kind: FileKind): SmcError {
  return new SmcError("FILE_UNSUPPORTED", `'${show(path)}' is a ${kind}; it cannot be stored`, {
    hint: `smc stores regular files and symbolic links; name it in ${IGNORE_FILE} to leave it out`,
    details: { path, kind },
  });
}

function nameFault(folder: string, name: Buffer, spelling: string): SmcError | undefined {
  if (!spelling.includes("\ufffd") || isUtf8(name)) return undefined;
  const bytes = [...name.subarray(0, BYTES_SHOWN)]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join(" ");
  const shown = show(folder === "" ? spelling : `${folder}/${spelling}`);
  return new SmcError("PATH_INVALID", `the name '${shown}' is not valid UTF-8 (bytes ${bytes})`, {
    hint: "rename the file",
    details: { folder, bytes },
  });
}

/** One name in two normal forms makes two files here and one elsewhere. */
function spellingFault(
  path: string,
  spelling: string,
  name: string,
  known: Map<string, string>,
): SmcError | undefined {
  const other = known.get(name);
  known.set(name, spelling);
  if (other === undefined) return undefined;
  return new SmcError(
    "NAME_COLLISION",
    `two files are called '${show(path)}', in different Unicode normal forms`,
  );
}
