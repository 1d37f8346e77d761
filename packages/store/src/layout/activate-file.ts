/** Puts a file into `active/`: the old one is backed up first, then one rename changes what is there. */
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DigestCounter } from "../backup/digests.ts";
import { freeName, splitName } from "../backup/names.ts";
import { contentsOfFile } from "../backup/parts.ts";
import { writeFileBackup } from "../backup/write-backup.ts";
import type { Call } from "../call.ts";
import { nowMs } from "../clock.ts";
import { fromErrno, SmcError } from "../errors.ts";
import { AppendFile, createFolder, removeFile, renamePath, syncFolder } from "../fs.ts";
import { besidePath } from "../new-file.ts";
import { show } from "../show.ts";
import { LEFTOVER } from "../worktree/ignore.ts";

const FOLDER_MODE = 0o777;

export interface Activation {
  /** Bytes of the new file. */
  readonly content: AsyncIterable<Uint8Array>;
  /** What they must give. */
  readonly sha256: string;
  readonly executable: boolean;
  /** Absolute path of the file in `active/`. */
  readonly path: string;
  /** The file there that goes; the path itself, or another one. */
  readonly old: string | undefined;
  /** Folder for its backup. */
  readonly backups: string;
  readonly actor: string;
}

/**
 * A kill at any moment leaves the old file or the new one, and the old one's backup before it is gone. Tells where that
 * is. Throws FILE_CHANGED when the bytes are not those that were planned: the old file is as it was then.
 */
export async function activateFile(
  { content, sha256, executable, path, old, backups, actor }: Activation,
  call: Call,
): Promise<string | null> {
  const folder = dirname(path);
  await createFolder(folder, { mode: FOLDER_MODE });
  await removeLeftovers(folder);
  const temporary = besidePath(path);
  let saved: string | null = null;
  try {
    const counter = new DigestCounter();
    {
      await using file = await AppendFile.create(temporary, { mode: executable ? 0o777 : 0o666 });
      let at = 0;
      for await (const piece of counter.count(content, call)) {
        await file.write(piece, at);
        at += piece.length;
      }
      await file.sync();
    }
    if (counter.end().sha256 !== sha256)
      throw new SmcError(
        "FILE_CHANGED",
        `the new '${show(basename(path))}' changed meanwhile; nothing was activated`,
      );
    if (old !== undefined) saved = await backUp(old, { folder: backups, actor }, call);
    await renamePath(temporary, path);
  } catch (error) {
    // What failed first is what is told.
    await removeFile(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(folder);
  if (old !== undefined && old !== path) {
    await removeFile(old);
    await syncFolder(folder);
  }
  return saved;
}

async function backUp(
  path: string,
  { folder, actor }: { folder: string; actor: string },
  call: Call,
): Promise<string> {
  const { parts, source, links } = await contentsOfFile(path);
  const name = await freeName([folder], splitName(basename(path)));
  const created = new Date(nowMs()).toISOString();
  const manifest = { kind: "file" as const, name, created, createdBy: actor, source, links };
  return (await writeFileBackup(folder, { manifest, parts }, call)).path;
}

/** What a killed activation left. */
async function removeLeftovers(folder: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    throw fromErrno(error, `cannot list the folder '${show(folder)}'`);
  }
  for (const name of names) if (LEFTOVER.test(name)) await removeFile(join(folder, name));
}
