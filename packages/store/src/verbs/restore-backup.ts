/** `smc restore-backup`: what was backed up, verified and brought back. */
import { basename, join } from "node:path";
import { findBackup } from "../backup/find-backup.ts";
import type { BackupKind, BackupManifest } from "../backup/manifest.ts";
import { Backup } from "../backup/read-backup.ts";
import { restoreFile, restoreFolder, restoreStore } from "../backup/restore-backup.ts";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { type FilesPlace, pathOf, targetOf } from "../layout/folders.ts";
import { FileWork } from "../layout/note-files.ts";
import { show } from "../show.ts";

export interface RestoreBackupOptions {
  /** Its name, or its path. */
  readonly backup: string;
  /**
   * A file: a folder or a path (`trained/` of the layout). A version: a new folder. A store: a new folder, required.
   */
  readonly destination?: string;
  /** Replaces another file that is there. */
  readonly force?: boolean;
  /** Refuses the backup of a version or a store. */
  readonly onlyFile?: boolean;
}

export interface RestoreBackupResult {
  readonly kind: BackupKind;
  /** Absolute path of the backup. */
  readonly backup: string;
  /** Absolute path of what was restored. */
  readonly path: string;
  readonly files: number;
  readonly contentBytes: number;
  readonly created: string;
  readonly source: BackupManifest["source"];
  /** Name of the file that was backed up; null for others. */
  readonly originalName: string | null;
  /** False when the same bytes were there already. */
  readonly written: boolean;
  /** Symbolic links, which are not restored. */
  readonly skippedLinks: readonly string[];
  /** In the audit log; false when nothing was written, and when the store takes no writes. */
  readonly recorded: boolean;
}

/**
 * Every byte is compared with its SHA-256 before anything has its place. Throws PATH_NOT_FOUND, FILE_MALFORMED for what
 * is no backup, OBJECT_CORRUPT, WOULD_OVERWRITE: then the destination is as it was.
 */
export async function restoreBackup(
  place: FilesPlace,
  options: RestoreBackupOptions,
  call: Call,
): Promise<RestoreBackupResult> {
  await using backup = await Backup.open(await findBackup(place, options.backup), call);
  const { kind, files, created, source, links } = backup.manifest;
  if (options.onlyFile === true && kind !== "file")
    throw new SmcError(
      "ARGUMENT_INVALID",
      `this is the backup of a ${kind}, not of a file; nothing was restored`,
      {
        hint: "restore it into a folder, then activate one of its files",
      },
    );
  const path = await pathFor(place, { backup, options });
  const what = `${show(backup.path)} restored as ${show(path)}`;
  await using work = await FileWork.begin(place, { op: "restore-backup", what });
  const written = await bring(backup, { path, force: options.force === true }, call);
  const recorded = written && (await work.record());
  return {
    kind,
    backup: backup.path,
    path,
    files: files.length,
    contentBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    created,
    source,
    originalName: kind === "file" ? (files[0]?.path ?? null) : null,
    written,
    skippedLinks: links.map((link) => link.path),
    recorded,
  };
}

/** Absolute path of what is to be restored. Throws USAGE. */
async function pathFor(
  place: FilesPlace,
  { backup, options }: { backup: Backup; options: RestoreBackupOptions },
): Promise<string> {
  const { kind } = backup.manifest;
  const { destination, force = false } = options;
  const name = basename(backup.path);
  if (kind === "file")
    return destination === undefined
      ? join(place.models, "trained", name)
      : targetOf(place, destination, name);
  if (force)
    throw new SmcError("USAGE", "--force goes with the backup of a file; folders are never replaced");
  if (destination !== undefined) return pathOf(place, destination);
  if (kind === "revision") return join(place.models, "trained", name.replace(/\.tar$/, ""));
  throw new SmcError("USAGE", "name the folder for the store; nothing was restored", {
    hint: `smc restore-backup ${name} FOLDER, then use it with --store FOLDER`,
  });
}

/** False when the same bytes were there already. */
async function bring(
  backup: Backup,
  { path, force }: { path: string; force: boolean },
  call: Call,
): Promise<boolean> {
  const { kind } = backup.manifest;
  if (kind === "file") return restoreFile(backup, { path, force }, call);
  await (kind === "revision" ? restoreFolder : restoreStore)(backup, path, call);
  return true;
}
