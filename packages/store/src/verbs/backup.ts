/** `smc backup`: a copy of a file, of a version or of the whole store, in one or several folders. */
import { basename, join } from "node:path";
import { backupsFolder } from "../backup/find-backup.ts";
import { type BackupKind, type BackupManifest } from "../backup/manifest.ts";
import { asStem, freeName, ownName, splitName } from "../backup/names.ts";
import { type Contents, contentsOfFile, contentsOfRevision, contentsOfStore } from "../backup/parts.ts";
import { type WrittenBackup, writeFileBackup, writeTarBackup } from "../backup/write-backup.ts";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { type ErrorJson, isSmcError, SmcError } from "../errors.ts";
import { resolveCommit } from "../history/revision.ts";
import { type FilesPlace, hideCopies, kindAt, pathOf } from "../layout/folders.ts";
import { FileWork } from "../layout/note-files.ts";
import { assertMounted } from "../mounts.ts";
import { show } from "../show.ts";
import { exclusively } from "../worktree/worktree.ts";

const PLACES_MAX = 64;
/** In the audit log; `show` keeps each short. */
const PLACES_TOLD_MAX = 8;

export interface BackupOptions {
  /** A file as seen from where the user stands, else a revision. */
  readonly target?: string;
  /** The whole store. */
  readonly store?: boolean;
  /** Its own name; when left out one with date and time. */
  readonly name?: string;
  /** Folders; `backups/` of the layout when left out. */
  readonly to?: readonly string[];
}

export interface BackupResult {
  readonly kind: BackupKind;
  readonly name: string;
  readonly files: number;
  /** Of the content, without the manifest. */
  readonly contentBytes: number;
  readonly source: BackupManifest["source"];
  /** Of a file; null for others. */
  readonly sha256: string | null;
  readonly md5: string | null;
  /** In the order in which they were named. */
  readonly places: readonly BackupPlace[];
  /** In the audit log; false when the store takes no writes. */
  readonly recorded: boolean;
}

export interface BackupPlace {
  /** Absolute path of the backup. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Why there is none here; null when there is. */
  readonly error: ErrorJson | null;
}

interface Asked {
  readonly kind: BackupKind;
  readonly folders: readonly string[];
  readonly name: string;
}

/**
 * A place that fails does not stop the others. Throws what failed when there is no backup anywhere: PATH_NOT_FOUND,
 * WOULD_OVERWRITE for a name that is taken, FILE_CHANGED, DISK_FULL, OBJECT_CORRUPT.
 */
export async function backup(place: FilesPlace, options: BackupOptions, call: Call): Promise<BackupResult> {
  const { target, store: isStore = false, to = [] } = options;
  if (isStore === (target !== undefined))
    throw new SmcError("USAGE", "name a file or a revision to back up, or use --store");
  if (to.length > PLACES_MAX) throw new SmcError("LIMIT_EXCEEDED", `more than ${PLACES_MAX} places`);
  const folders = to.length === 0 ? [backupsFolder(place)] : to.map((text) => pathOf(place, text));
  const kind = isStore ? "store" : await kindOf(place, target ?? "", call);
  // One at a time for a folder: two of one second get two names.
  return exclusively({ root: `backups in ${folders[0] ?? ""}` }, call, async () => {
    const name = await nameOf(place, { kind, folders, options });
    return save(place, { kind, folders, name, target }, call);
  });
}

async function kindOf(place: FilesPlace, target: string, call: Call): Promise<BackupKind> {
  const found = await kindAt(pathOf(place, target));
  if (found === "file") return "file";
  const shown = `'${show(target, 200)}'`;
  let repository;
  try {
    repository = await place.openRepository();
  } catch (error) {
    if (!isSmcError(error, "WORKTREE_NOT_FOUND")) throw error;
    throw new SmcError("PATH_NOT_FOUND", `there is no file ${shown}; nothing was written`, {
      hint: "in a worktree a revision can be named too",
    });
  }
  try {
    await resolveCommit(repository, target, call);
  } catch (error) {
    if (!isSmcError(error, "REVISION_NOT_FOUND")) throw error;
    const { hint = 'list versions with "smc versions"', details } = error;
    throw new SmcError(error.code, `there is neither a file nor a version ${shown}; nothing was written`, {
      hint,
      details,
    });
  }
  return "revision";
}

async function nameOf(
  place: FilesPlace,
  { kind, folders, options }: { kind: BackupKind; folders: readonly string[]; options: BackupOptions },
): Promise<string> {
  const { name, target = "" } = options;
  if (name !== undefined) return ownName(name, kind === "file" ? "file" : "tar");
  if (kind === "file") return freeName(folders, splitName(basename(pathOf(place, target))));
  if (kind === "store") return freeName(folders, { stem: "store", suffix: ".tar" });
  const { name: repository } = await place.openRepository();
  return freeName(folders, { stem: `${basename(repository)}_${asStem(target)}`, suffix: ".tar" });
}

async function save(
  place: FilesPlace,
  { kind, folders, name, target = "" }: Asked & { target: string | undefined },
  call: Call,
): Promise<BackupResult> {
  const { store } = place;
  if (kind === "file")
    return inPlaces(place, { kind, folders, name }, await contentsOfFile(pathOf(place, target)), call);
  if (kind === "revision") {
    const contents = await contentsOfRevision(await place.openRepository(), target, call);
    return inPlaces(place, { kind, folders, name }, contents, call);
  }
  // Nothing takes packs away while they are copied.
  return store.alone(async () =>
    inPlaces(place, { kind, folders, name }, await contentsOfStore(store), call),
  );
}

async function inPlaces(
  place: FilesPlace,
  { kind, folders, name }: Asked,
  contents: Contents,
  call: Call,
): Promise<BackupResult> {
  const { parts, source, links } = contents;
  const manifest = {
    kind,
    name,
    created: new Date(nowMs()).toISOString(),
    createdBy: place.actor,
    source,
    links,
  };
  await using work = await FileWork.begin(place, { op: "backup", what: `${kind} ${name} ` });
  const write = kind === "file" ? writeFileBackup : writeTarBackup;
  const places: BackupPlace[] = [];
  const failures: SmcError[] = [];
  let written: WrittenBackup | undefined;
  for (const folder of folders) {
    try {
      if (folder === backupsFolder(place) && (await hideCopies(place.models)) !== undefined)
        work.hasChanged = true;
      await assertMounted(folder);
      written = await write(folder, { manifest, parts }, call);
      places.push({ path: written.path, sizeBytes: written.sizeBytes, error: null });
    } catch (error) {
      if (!isSmcError(error) || error.code === "CANCELED") throw error;
      failures.push(error);
      places.push({ path: join(folder, name), sizeBytes: 0, error: error.toJSON() });
    }
  }
  if (written === undefined) throw failures[0] ?? new SmcError("INTERNAL", "a backup in no place");
  const { files } = written;
  const made = places.filter(({ error }) => error === null).map(({ path }) => path);
  const recorded = await work.record(whereText(made));
  return {
    kind,
    name,
    files: files.length,
    contentBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    source,
    sha256: kind === "file" ? (files[0]?.sha256 ?? null) : null,
    md5: kind === "file" ? (files[0]?.md5 ?? null) : null,
    places,
    recorded,
  };
}

function whereText(paths: readonly string[]): string {
  const named = paths.slice(0, PLACES_TOLD_MAX).map((path) => show(path));
  const more = paths.length - named.length;
  return `at ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
