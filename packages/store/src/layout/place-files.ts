/** Files that another process wrote aside, into a folder of people. */
import { dirname, join } from "node:path";
import { DigestCounter, readSteady } from "../backup/digests.ts";
import type { Call } from "../call.ts";
import { SmcError } from "../errors.ts";
import { createFolder, removeFile } from "../fs.ts";
import { writeNewFile } from "../new-file.ts";
import { show } from "../show.ts";
import { kindAt } from "./folders.ts";

const FOLDER_MODE = 0o777;

export interface AsideFile {
  /** Below both folders. */
  readonly path: string;
  readonly sha256: string;
}

/**
 * Copies them; each appears whole. Takes away again what was new when one of them cannot be written, or was not read
 * as it was written (IO_FAILED). Throws WOULD_OVERWRITE without `force`, DISK_FULL.
 */
export async function placeFiles(
  files: readonly AsideFile[],
  { aside, output, force }: { aside: string; output: string; force: boolean },
  call: Call,
): Promise<void> {
  const made: string[] = [];
  try {
    for (const { path, sha256 } of files) {
      const target = join(output, path);
      const isNew = (await kindAt(target)) === undefined;
      await createFolder(dirname(target), { mode: FOLDER_MODE });
      await writeNewFile(target, { force }, async (file) => {
        const counter = new DigestCounter();
        let at = 0;
        for await (const piece of counter.count(readSteady(join(aside, path), call), call)) {
          await file.write(piece, at);
          at += piece.length;
        }
        if (counter.end().sha256 === sha256) return;
        throw new SmcError(
          "IO_FAILED",
          `'${show(path)}' was not read as it was written; no new file was left`,
        );
      });
      if (isNew) made.push(target);
    }
  } catch (error) {
    // What failed first is what is told.
    for (const path of made) await removeFile(path).catch(() => undefined);
    throw error;
  }
}
