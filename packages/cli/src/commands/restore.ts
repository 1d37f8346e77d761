import type { RestoreResult } from "@smc/store";
import { isSmcError, SmcError } from "@smc/store/errors";
import { printRestoredBackup, restoreBackup, type RestoredBackup } from "../activation.ts";
import { defineCommand } from "../command.ts";
import { formatCount } from "../format.ts";
import { pathspecs } from "../input.ts";
import { hintSkipped, SYMLINKS } from "../symlinks.ts";

export const command = defineCommand({
  usage: ["restore [options] path ...", "restore BACKUP [DEST] [--activate]"],
  description: [
    "Brings files back as they are staged, or as a revision has them. Changes of these files in the folder are lost.",
    "With --staged the stage is reset instead, and the folder stays as it is.",
    'A word that is no path in the worktree or the stage but a backup is restored as "smc restore-backup" does.',
  ],
  positionals: [{ name: "path", summary: "files and folders", required: true, many: true }],
  options: {
    source: { type: "string", short: "s", value: "REV", summary: "take the files of this revision" },
    staged: { type: "boolean", short: "S", summary: "restore the stage (from HEAD, unless --source)" },
    worktree: { type: "boolean", short: "W", summary: "with --staged: restore the folder too" },
    symlinks: SYMLINKS,
    activate: { type: "boolean", summary: "of a backup: make the file active too" },
  },
  examples: [
    ["smc restore weights/best.pt", "throw a change away"],
    ["smc restore --staged weights/best.pt", "take a file out of the next commit"],
    ["smc restore -s v1.0.0 weights/", "take a folder of an old version"],
  ],
  run: async (context, words) => {
    const { source, staged, worktree, symlinks, activate } = words.options;
    const [backup = "", destination, ...more] = [...words.words, ...(words.rest ?? [])];
    const isPlain =
      source === undefined && symlinks === undefined && !staged && !worktree && more.length === 0;
    const asBackup = (): Promise<RestoredBackup> =>
      restoreBackup(context, { backup, ...(destination === undefined ? {} : { destination }) }, activate);
    if (activate) {
      if (isPlain) return asBackup();
      throw new SmcError("USAGE", '--activate goes with "smc restore BACKUP [DEST]"; nothing was restored');
    }
    const paths = await pathspecs(context, words);
    if (paths.length === 0) throw new SmcError("USAGE", "nothing was named to restore");
    const asPaths = (): Promise<RestoreResult> =>
      context.call("restore", {
        paths,
        staged,
        // Left out, the default of the verb holds: the folder, unless --staged.
        ...(worktree ? { worktree } : {}),
        ...(source === undefined ? {} : { source }),
        ...(symlinks === undefined ? {} : { symlinks }),
      });
    return isPlain ? firstOf(asPaths, asBackup) : asPaths();
  },
  print: (data, out) => {
    if ("backup" in data) {
      printRestoredBackup(data, out);
      return;
    }
    out.line(`${formatCount(data.restored.length, "file")} restored`);
    hintSkipped(data.skippedLinks, out);
  },
  quiet: (data) => ("backup" in data ? [data.path] : data.restored),
});

/** What is no path here may be a backup; when it is none either, that it is no path is what is told. */
async function firstOf(
  asPaths: () => Promise<RestoreResult>,
  asBackup: () => Promise<RestoredBackup>,
): Promise<RestoreResult | RestoredBackup> {
  try {
    return await asPaths();
  } catch (error) {
    if (!isSmcError(error, "PATH_NOT_FOUND") && !isSmcError(error, "WORKTREE_NOT_FOUND")) throw error;
    try {
      return await asBackup();
    } catch (second) {
      const isNone = isSmcError(second, "PATH_NOT_FOUND") || isSmcError(second, "FILE_MALFORMED");
      // Outside of a worktree only a backup can be meant.
      throw isNone && isSmcError(error, "PATH_NOT_FOUND") ? error : second;
    }
  }
}
