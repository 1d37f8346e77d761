import { SmcError } from "@smc/store/errors";
import { defineCommand } from "../command.ts";
import { formatCount } from "../format.ts";
import { pathspecs } from "../input.ts";
import { hintSkipped, SYMLINKS } from "../symlinks.ts";

export const command = defineCommand({
  usage: ["restore [options] path ..."],
  description: [
    "Brings files back as they are staged, or as a revision has them. Changes of these files in the folder are lost.",
    "With --staged the stage is reset instead, and the folder stays as it is.",
  ],
  positionals: [{ name: "path", summary: "files and folders", required: true, many: true }],
  options: {
    source: { type: "string", short: "s", value: "REV", summary: "take the files of this revision" },
    staged: { type: "boolean", short: "S", summary: "restore the stage (from HEAD, unless --source)" },
    worktree: { type: "boolean", short: "W", summary: "with --staged: restore the folder too" },
    symlinks: SYMLINKS,
  },
  examples: [
    ["smc restore weights/best.pt", "throw a change away"],
    ["smc restore --staged weights/best.pt", "take a file out of the next commit"],
    ["smc restore -s v1.0.0 weights/", "take a folder of an old version"],
  ],
  run: async (context, words) => {
    const { source, staged, worktree, symlinks } = words.options;
    const paths = await pathspecs(context, words);
    if (paths.length === 0) throw new SmcError("USAGE", "nothing was named to restore");
    return context.call("restore", {
      paths,
      staged,
      // Left out, the default of the verb holds: the folder, unless --staged.
      ...(worktree ? { worktree } : {}),
      ...(source === undefined ? {} : { source }),
      ...(symlinks === undefined ? {} : { symlinks }),
    });
  },
  print: (data, out) => {
    out.line(`${formatCount(data.restored.length, "file")} restored`);
    hintSkipped(data.skippedLinks, out);
  },
  quiet: (data) => data.restored,
});
