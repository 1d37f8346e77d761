/** Folders of copies that smc makes in a worktree, and that are not for committing. */
import { join } from "node:path";
import { isSmcError } from "../errors.ts";
import { writeNewFile } from "../new-file.ts";
import { IGNORE_FILE } from "./ignore.ts";
import { lstatOne } from "./stat.ts";

/**
 * Writes a `.smcignore` into `folder` that names these folders in it, and answers with its path; undefined where it
 * has such a file already, which stays as it is.
 */
export async function ignoreIn(
  folder: string,
  { names, why }: { readonly names: readonly string[]; readonly why: string },
): Promise<string | undefined> {
  const path = join(folder, IGNORE_FILE);
  if ((await lstatOne(path)) !== undefined) return undefined;
  const text = `# Written by smc: ${why}.\n${names.map((name) => `/${name}/\n`).join("")}`;
  try {
    await writeNewFile(path, { force: false }, (file) => file.write(Buffer.from(text), 0));
  } catch (error) {
    if (isSmcError(error, "WOULD_OVERWRITE")) return undefined;
    throw error;
  }
  return path;
}
