/** Which backup a word means, and which there are. */
import { join } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { suggest } from "../history/suggest.ts";
import { type FilesPlace, kindAt, listFiles, pathOf } from "../layout/folders.ts";
import { show } from "../show.ts";
import type { BackupKind } from "./manifest.ts";
import { Backup } from "./read-backup.ts";

const FILES_MAX = 100_000;

export interface BackupRow {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly kind: BackupKind;
  readonly sizeBytes: number;
  /** ISO 8601, UTC: when it was made. */
  readonly date: string;
  readonly createdBy: string;
  /** What it is a backup of: the file's path, or the revision. */
  readonly of: string;
}

export interface BrokenRow {
  readonly name: string;
  readonly path: string;
  /** Why it is no backup that can be restored. */
  readonly message: string;
}

/** Absolute path of the folder that backups lie in when nobody names one. */
export function backupsFolder({ models }: Pick<FilesPlace, "models">): string {
  return join(models, "backups");
}

/** A name in the folder of backups, else a path as seen from where the user stands. Throws PATH_NOT_FOUND. */
export async function findBackup(place: FilesPlace, word: string): Promise<string> {
  const folder = backupsFolder(place);
  const isName = !/[/\\]/.test(word) && word !== "" && word !== "." && word !== "..";
  const candidates = isName ? [join(folder, word), pathOf(place, word)] : [pathOf(place, word)];
  for (const path of candidates) if ((await kindAt(path)) === "file") return path;
  const names = (await listFiles(folder, FILES_MAX)).map(({ name }) => name);
  const near = suggest(word, names);
  throw new SmcError("PATH_NOT_FOUND", `there is no backup '${show(word, 200)}'; nothing was changed`, {
    hint:
      near.length === 0
        ? 'list them with "smc backups list"'
        : `did you mean ${near.map((name) => show(name)).join(", ")}?`,
    details: { candidates: near },
  });
}

/** The backups of a folder, the newest last. Files that are none are left out; damaged ones are told apart. */
export async function listBackups(
  folder: string,
  call: Call,
): Promise<{ backups: BackupRow[]; broken: BrokenRow[] }> {
  const pace = createPacer(call);
  const backups: BackupRow[] = [];
  const broken: BrokenRow[] = [];
  for (const { name, path } of await listFiles(folder, FILES_MAX)) {
    if (name.endsWith(".json")) continue;
    try {
      await using backup = await Backup.open(path, call);
      backups.push(rowOf(name, backup));
    } catch (error) {
      if (!isSmcError(error) || error.code === "CANCELED") throw error;
      if (error.code !== "FILE_MALFORMED") broken.push({ name, path, message: error.message });
    }
    await pace();
  }
  backups.sort((a, b) => (a.date === b.date ? (a.name < b.name ? -1 : 1) : a.date < b.date ? -1 : 1));
  return { backups, broken };
}

export function rowOf(name: string, { path, sizeBytes, manifest }: Backup): BackupRow {
  const { kind, created, createdBy, source } = manifest;
  const commit = typeof source.commit === "string" ? source.commit : undefined;
  const of = kind === "revision" ? `${String(source.revision)} (${commit ?? "?"})` : String(source.path);
  return { name, path, kind, sizeBytes, date: created, createdBy, of };
}
