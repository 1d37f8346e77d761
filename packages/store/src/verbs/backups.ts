/** `smc backups`: lists, verifies and removes backups. */
import { basename, dirname } from "node:path";
import {
  backupsFolder,
  type BackupRow,
  type BrokenRow,
  findBackup,
  listBackups,
  rowOf,
} from "../backup/find-backup.ts";
import { Backup } from "../backup/read-backup.ts";
import { besideOf } from "../backup/write-backup.ts";
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { removeFile, syncFolder } from "../fs.ts";
import { type FilesPlace, pathOf } from "../layout/folders.ts";
import { FileWork } from "../layout/note-files.ts";
import { show } from "../show.ts";

const NAMES_MAX = 10_000;
/** In the audit log. */
const NAMES_TOLD_MAX = 8;

export interface BackupsOptions {
  readonly action: "list" | "verify" | "rm";
  /** Of backups: all of the folder for `verify` when none is given. */
  readonly names?: readonly string[];
  /** Folder that is listed; `backups/` of the layout when left out. */
  readonly folder?: string;
}

export interface BackupsResult {
  readonly action: BackupsOptions["action"];
  /** Absolute path of the folder. */
  readonly folder: string;
  readonly backups: readonly BackupRow[];
  /** Damaged ones; of `verify` and `list`. */
  readonly broken: readonly BrokenRow[];
  /** In the audit log; of `rm`, false when the store takes no writes. */
  readonly recorded: boolean;
}

/**
 * Throws USAGE, PATH_NOT_FOUND for a name that is none (nothing was removed then), FILE_MALFORMED for what is no
 * backup.
 */
export async function backups(
  place: FilesPlace,
  options: BackupsOptions,
  call: Call,
): Promise<BackupsResult> {
  const { action, names = [] } = options;
  const folder = options.folder === undefined ? backupsFolder(place) : pathOf(place, options.folder);
  if (names.length > NAMES_MAX) throw new SmcError("LIMIT_EXCEEDED", `more than ${NAMES_MAX} names`);
  if (action === "rm" && names.length === 0) throw new SmcError("USAGE", "name the backups to remove");
  if (action === "list" || names.length === 0) {
    const listed = await listBackups(folder, call);
    if (action === "list") return { action, folder, ...listed, recorded: false };
    const paths = listed.backups.map(({ path }) => path);
    const { backups: whole, broken } = await verifyAll(paths, call);
    return { action, folder, backups: whole, broken: [...listed.broken, ...broken], recorded: false };
  }
  const paths: string[] = [];
  for (const name of new Set(names)) paths.push(await findBackup(place, name));
  if (action === "verify") return { action, folder, ...(await verifyAll(paths, call)), recorded: false };
  const rows: BackupRow[] = [];
  for (const path of paths) rows.push(await lookAt(path, call));
  const named = paths.slice(0, NAMES_TOLD_MAX).map((path) => show(path));
  const more = paths.length > named.length ? ` and ${paths.length - named.length} more` : "";
  await using work = await FileWork.begin(place, { op: "backups", what: `rm ${named.join(", ")}${more}` });
  await removeAll(rows, work);
  return { action, folder, backups: rows, broken: [], recorded: await work.record() };
}

async function verifyAll(
  paths: readonly string[],
  call: Call,
): Promise<{ backups: BackupRow[]; broken: BrokenRow[] }> {
  const whole: BackupRow[] = [];
  const broken: BrokenRow[] = [];
  for (const path of paths) {
    const name = basename(path);
    try {
      await using backup = await Backup.open(path, call);
      await backup.verify(call);
      whole.push(rowOf(name, backup));
    } catch (error) {
      if (!isSmcError(error, "OBJECT_CORRUPT")) throw error;
      broken.push({ name, path, message: error.message });
    }
  }
  return { backups: whole, broken };
}

/** Only what is a backup is removed: all were looked at before the first goes. */
async function removeAll(rows: readonly BackupRow[], work: FileWork): Promise<void> {
  for (const { path, kind } of rows) {
    await removeFile(path);
    work.hasChanged = true;
    if (kind === "file") await removeFile(besideOf(path));
    await syncFolder(dirname(path));
  }
}

async function lookAt(path: string, call: Call): Promise<BackupRow> {
  await using backup = await Backup.open(path, call);
  return rowOf(basename(path), backup);
}
