/**
 * Putting files into a stage: what changed is read and stored, names are checked, a file replaces a folder and back.
 */
import { join } from "node:path";
import { breathe, type Call, createPacer } from "../call.ts";
import { readConfig } from "../config.ts";
import { SmcError } from "../errors.ts";
import { assertPath, foldName } from "../objects/names.ts";
import type { Repository } from "../repository.ts";
import { show } from "../show.ts";
import type { NewFile, WriteSession } from "../store.ts";
import { isSameFile, readLink } from "./compare.ts";
import type { ParentsOf } from "./parent-files.ts";
import { type Found, TrackedPaths } from "./scan.ts";
import { cacheOf, isCertainlyUnchanged, type Stage, type StageEntry } from "./stage.ts";
import { fileModeOf, nowNs } from "./stat.ts";
import type { Worktree } from "./worktree.ts";

/** Between two turns of the event loop. */
const NAMES_AT_ONCE = 1000;

export interface StageChanges {
  readonly added: string[];
  readonly modified: string[];
  readonly deleted: string[];
}

/** Which of the files must be read to know what they are; the rest is what the stage says. */
export function changedFiles(stage: Stage, files: Iterable<Found>): Found[] {
  return [...files].filter(({ path, stat }) => {
    const entry = stage.entries.get(path);
    return entry === undefined || stat === undefined || !isCertainlyUnchanged(entry, stat);
  });
}

/**
 * Stores files and links in the session and gives their entries. Throws FILE_CHANGED, FILE_UNSUPPORTED,
 * PERMISSION_DENIED, PATH_NOT_FOUND for a file that went away, DISK_FULL.
 */
export async function storeFiles(
  worktree: Pick<Worktree, "root">,
  session: WriteSession,
  { files, parents }: { files: readonly Found[]; parents: ParentsOf },
  call: Call,
): Promise<Map<string, StageEntry>> {
  const entries = new Map<string, StageEntry>();
  const plain = files.filter(({ kind }) => kind === "file");
  const startNs = nowNs();
  const pace = createPacer(call);
  const newFiles: NewFile[] = [];
  for (const { path, disk, stat } of plain) {
    await pace();
    newFiles.push({
      path: join(worktree.root, disk),
      ...(stat === undefined ? {} : { sizeBytes: stat.sizeBytes }),
      parents: parents(path, stat?.sizeBytes ?? 0),
    });
  }
  const read = await session.addFiles(newFiles, withTotal(plain, call));
  for (const [index, { path }] of plain.entries()) {
    await pace();
    const file = read[index];
    if (file === undefined) throw new SmcError("INTERNAL", "a file was added without a result");
    const { digest, sizeBytes, stat } = file;
    entries.set(path, { mode: fileModeOf(stat), digest, sizeBytes, cache: cacheOf(stat, startNs) });
  }
  for (const { path, disk, kind, stat } of files) {
    if (kind !== "link") continue;
    const target = await readLink(join(worktree.root, disk));
    const blob = await session.putBlob(target);
    const cache = stat === undefined ? {} : { cache: cacheOf(stat, startNs) };
    entries.set(path, { mode: "120000", digest: blob.digest, sizeBytes: target.length, ...cache });
  }
  return entries;
}

/** The call with the sum of the sizes in its progress, so that people see how much is left. */
function withTotal(files: readonly Found[], call: Call): Call {
  const sum = files.reduce((total, { stat }) => total + (stat?.sizeBytes ?? 0), 0);
  return {
    signal: call.signal,
    onProgress: (progress) => call.onProgress({ ...progress, total: Math.max(sum, progress.done) }),
  };
}

/** Puts entries into the stage; a file takes the place of the folder of its name, and the other way round. */
export function putEntries(stage: Stage, entries: ReadonlyMap<string, StageEntry>): StageChanges {
  const changes: StageChanges = { added: [], modified: [], deleted: [] };
  const tracked = new TrackedPaths(stage.entries);
  for (const [path, entry] of entries) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (stage.entries.delete(path.slice(0, end))) changes.deleted.push(path.slice(0, end));
    }
    if (tracked.hasFolder(path)) {
      for (const below of stage.entries.keys()) {
        if (below.startsWith(`${path}/`) && stage.entries.delete(below)) changes.deleted.push(below);
      }
    }
    const before = stage.entries.get(path);
    stage.entries.set(path, entry);
    if (before === undefined) changes.added.push(path);
    else if (!isSameFile(before, entry)) changes.modified.push(path);
  }
  if (changes.added.length + changes.modified.length + changes.deleted.length > 0) stage.isExact = false;
  return changes;
}

/**
 * Checks names before anything is stored. Throws PATH_INVALID, NAME_NOT_PORTABLE, LIMIT_EXCEEDED, and NAME_COLLISION
 * for a path that is another's name where case or Unicode form does not count.
 */
export async function assertNames(
  repository: Repository,
  names: { added: readonly string[]; kept: Iterable<string>; allowNonportable: boolean | undefined },
): Promise<void> {
  if (names.added.length === 0) return;
  const allowNonportable = names.allowNonportable === true || (await allowsNonportable(repository));
  let count = 0;
  const rest = (): Promise<void> | undefined => ((count += 1) % NAMES_AT_ONCE === 0 ? breathe() : undefined);
  for (const path of names.added) {
    assertPath(path, { allowNonportable });
    await rest();
  }
  const spellings = new Map<string, string>();
  for (const path of names.kept) {
    addSpellings(spellings, path);
    await rest();
  }
  for (const path of names.added) {
    const other = addSpellings(spellings, path);
    await rest();
    if (other === undefined) continue;
    throw new SmcError(
      "NAME_COLLISION",
      `'${show(path, 200)}' and '${show(other, 200)}' are one name on other systems`,
      {
        hint: "rename one of them",
        details: { path, other },
      },
    );
  }
}

/** Remembers how a path and the folders above it are spelled; gives what is there already, spelled otherwise. */
function addSpellings(spellings: Map<string, string>, path: string): string | undefined {
  for (let part = path; part !== ""; part = part.slice(0, Math.max(part.lastIndexOf("/"), 0))) {
    const folded = PLAIN.test(part) ? part.toLowerCase() : foldName(part);
    const known = spellings.get(folded);
    if (known === part) return undefined;
    if (known !== undefined) return known;
    spellings.set(folded, part);
  }
  return undefined;
}

// Folding these is lowering their case.
const PLAIN = /^[\u0020-\u007e]*$/;

async function allowsNonportable({ store, worktree }: Repository): Promise<boolean> {
  const config = await readConfig({ storePath: store.path, worktreeRoot: worktree?.root });
  return config.entries.get("names.allowNonportable")?.value === true;
}
