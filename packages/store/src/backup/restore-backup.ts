/** Brings a backup to its place: written beside it, compared with its digests, and only then moved there. */
import { readdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Call } from "../call.ts";
import { fromErrno, isSmcError, SmcError } from "../errors.ts";
import { createFolder, removeTree, renamePath, syncFolder } from "../fs.ts";
import { kindAt } from "../layout/folders.ts";
import { besidePath, writeNewFile } from "../new-file.ts";
import { openStore } from "../open-store.ts";
import { show } from "../show.ts";
import { digestsOf } from "./digests.ts";
import type { Backup } from "./read-backup.ts";

const FOLDER_MODE = 0o777;
/** What a store has; db/ is made of it. */
const STORE_PATH =
  /^(?:format\.json|config\.json|remotes\.json|journal\/\d{6,9}\.log|packs\/([0-9a-f]{2})\/\1[0-9a-f]{62}\.pack)$/;

/**
 * False when the file was there already, byte for byte. Throws WOULD_OVERWRITE, OBJECT_CORRUPT: then the path is as it
 * was.
 */
export async function restoreFile(
  backup: Backup,
  { path, force }: { path: string; force: boolean },
  call: Call,
): Promise<boolean> {
  const [file] = backup.manifest.files;
  if (file === undefined) throw new SmcError("INTERNAL", "a backup of no file");
  if ((await digestOf(path, call)) === file.sha256) return false;
  await createFolder(dirname(path), { mode: FOLDER_MODE });
  const mode = file.executable ? 0o777 : 0o666;
  await writeNewFile(path, { force, mode }, (target) => backup.writeFile(0, target, call));
  return true;
}

/** SHA-256 of a file; undefined where no regular file is. */
export async function digestOf(path: string, call: Call): Promise<string | undefined> {
  return (await kindAt(path)) === "file" ? (await digestsOf(path, call)).sha256 : undefined;
}

/** All files of a version into a folder that is absent or empty. Throws WOULD_OVERWRITE, OBJECT_CORRUPT. */
export async function restoreFolder(backup: Backup, folder: string, call: Call): Promise<void> {
  await assertEmpty(folder);
  await inFolder(folder, (temporary) => backup.writeFiles(temporary, { isPrivate: false }, call));
}

/**
 * A store in a folder that is absent or empty. It is opened once, which builds its index, before it has its place.
 * Throws WOULD_OVERWRITE, OBJECT_CORRUPT, and what opening a damaged store throws.
 */
export async function restoreStore(backup: Backup, folder: string, call: Call): Promise<void> {
  await assertEmpty(folder);
  const foreign = backup.manifest.files.find(({ path }) => !STORE_PATH.test(path));
  if (foreign !== undefined)
    throw new SmcError(
      "OBJECT_CORRUPT",
      `the backup '${show(backup.path)}' holds '${show(foreign.path, 200)}', which no store has; nothing was restored`,
    );
  await inFolder(folder, async (temporary) => {
    await backup.writeFiles(temporary, { isPrivate: true }, call);
    await using store = await openStore(temporary, { rebuild: true });
    const { id, recovery } = store;
    if (recovery.damaged.length > 0 || id !== backup.manifest.source.storeId)
      throw new SmcError(
        "OBJECT_CORRUPT",
        `the backup '${show(backup.path)}' holds a damaged store; nothing was restored`,
        { details: { damaged: recovery.damaged } },
      );
  });
}

/** Absent, or a folder with nothing in it. */
async function assertEmpty(folder: string): Promise<void> {
  try {
    if ((await readdir(folder)).length === 0) return;
  } catch (error) {
    const known = fromErrno(error, `cannot list the folder '${show(folder)}'`);
    if (isSmcError(known) && known.details.errno === "ENOENT") return;
    if (!isSmcError(known) || known.details.errno !== "ENOTDIR") throw known;
  }
  throw isTaken(folder);
}

function isTaken(folder: string): SmcError {
  return new SmcError("WOULD_OVERWRITE", `'${show(folder)}' is there and not empty; nothing was restored`, {
    hint: "name a folder that is not there yet, or an empty one",
  });
}

async function inFolder(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  await createFolder(dirname(folder), { mode: FOLDER_MODE });
  const temporary = besidePath(folder);
  try {
    await fill(temporary);
    await renamePath(temporary, folder);
  } catch (error) {
    // What failed first is what is told.
    await removeTree(temporary).catch(() => undefined);
    const errno = isSmcError(error) ? error.details.errno : undefined;
    throw errno === "ENOTEMPTY" || errno === "EEXIST" || errno === "ENOTDIR" ? isTaken(folder) : error;
  }
  await syncFolder(dirname(folder));
}
