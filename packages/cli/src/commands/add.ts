import { SmcError } from "@smc/store/errors";
import { warnOfNames } from "../bad-names.ts";
import { defineCommand } from "../command.ts";
import { formatCount } from "../format.ts";
import { printChanges } from "../changes.ts";
import { pathspecs } from "../input.ts";

export const command = defineCommand({
  usage: ["add [options] path ...", "add -A", "add --pathspec-from-file=-"],
  description: [
    "Stages files as they are now. A folder stands for everything below it; .smcignore is honoured.",
  ],
  positionals: [{ name: "path", summary: "files and folders", many: true }],
  options: {
    all: { type: "boolean", short: "A", summary: "stage everything in the worktree, deletions too" },
    update: { type: "boolean", short: "u", summary: "stage only files that are tracked already" },
    force: { type: "boolean", short: "f", summary: "stage ignored files too" },
    "dry-run": { type: "boolean", short: "n", summary: "print what would be staged, stage nothing" },
    "allow-nonportable": { type: "boolean", summary: "take names that other systems cannot hold" },
    "strict-names": { type: "boolean", summary: "refuse model files that name.pattern does not fit" },
    base: { type: "string", value: "REV", summary: "the commit that the files were made from" },
    "pathspec-from-file": {
      type: "string",
      value: "FILE",
      summary: "read paths from FILE or - (NUL or line separated)",
    },
  },
  examples: [
    ["smc add weights/ config.json", "stage a folder and a file"],
    ["smc add -A", "stage all changes, deletions too"],
    ["smc add --base v1.0.0 tuned.safetensors", "store it as the difference to the model it was made from"],
    ["find . -name '*.pt' -print0 | smc add --pathspec-from-file=-", "stage any number of files"],
  ],
  run: async (context, typed) => {
    const { options } = typed;
    const paths = await pathspecs(context, typed, options["pathspec-from-file"]);
    if (paths.length === 0 && !options.all && !options.update) {
      throw new SmcError("USAGE", "nothing was named to add", {
        hint: 'name files, or use "smc add -A" for everything',
      });
    }
    return context.call("add", {
      paths,
      all: options.all,
      update: options.update,
      force: options.force,
      dryRun: options["dry-run"],
      allowNonportable: options["allow-nonportable"],
      strictNames: options["strict-names"],
      ...(options.base === undefined ? {} : { base: options.base }),
    });
  },
  print: (data, out) => {
    if (data.dryRun) printChanges(data, out);
    const count = data.added.length + data.modified.length + data.deleted.length;
    if (count === 0) out.line("nothing to add: everything named is staged as it is");
    else out.line(`${formatCount(count, "file")} ${data.dryRun ? "would be staged" : "staged"}`);
    warnOfNames(data.badNames, out);
  },
  quiet: (data) => [...data.added, ...data.modified, ...data.deleted],
});
