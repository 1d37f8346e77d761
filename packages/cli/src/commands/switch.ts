import { SmcError } from "@smc/store/errors";
import { defineCommand } from "../command.ts";
import { printSwitch } from "../switch-text.ts";
import { hintSkipped, SYMLINKS } from "../symlinks.ts";

export const command = defineCommand({
  usage: ["switch BRANCH", "switch -c BRANCH [REV]", "switch --detach REV"],
  description: [
    "Makes a branch the current one and the folder equal to it. Local changes are never overwritten.",
  ],
  positionals: [{ name: "BRANCH", summary: "the branch; with --detach any revision", completes: "refs" }],
  options: {
    create: {
      type: "string",
      short: "c",
      value: "BRANCH",
      summary: "make this branch (at REV, or HEAD) and go to it",
    },
    detach: { type: "boolean", short: "d", summary: "go to a revision without a branch" },
    force: { type: "boolean", short: "f", summary: "overwrite local changes and untracked files" },
    symlinks: SYMLINKS,
  },
  examples: [
    ["smc switch main", "go to a branch"],
    ["smc switch -", "back to the branch before"],
    ["smc switch -c experiment", "make a branch and go to it"],
    ["smc switch --detach v1.0.0", "look at a release"],
  ],
  run: async (context, { words, options }) => {
    const [target] = words;
    if (target === undefined && options.create === undefined)
      throw new SmcError("USAGE", "'smc switch' needs BRANCH");
    if (options.create !== undefined && options.detach)
      throw new SmcError("USAGE", "-c and --detach do not go together");
    return context.call("switch", {
      ...(target === undefined ? {} : { target }),
      ...(options.create === undefined ? {} : { create: options.create }),
      detach: options.detach,
      force: options.force,
      ...(options.symlinks === undefined ? {} : { symlinks: options.symlinks }),
    });
  },
  print: (data, out) => {
    printSwitch(data, out);
    hintSkipped(data.skippedLinks, out);
  },
  quiet: (data) => [data.branch ?? data.digest ?? ""],
});
