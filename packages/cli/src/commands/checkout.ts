import { SmcError } from "@smc/store/errors";
import { defineCommand } from "../command.ts";
import { formatCount } from "../format.ts";
import { printSwitch } from "../switch-text.ts";
import { hintSkipped, SYMLINKS } from "../symlinks.ts";

export const command = defineCommand({
  usage: ["checkout [options] REV", "checkout -b BRANCH [REV]", "checkout [REV] -- path ..."],
  description: [
    "Puts a revision into the folder. Only files that differ are touched; local changes and untracked files are",
    "never overwritten without --force. A branch becomes the current one; anything else detaches HEAD.",
  ],
  positionals: [
    { name: "REV", summary: "branch, tag, digest, …", completes: "refs" },
    { name: "path", summary: "only these files and folders; HEAD stays", many: true },
  ],
  options: {
    branch: {
      type: "string",
      short: "b",
      value: "BRANCH",
      summary: "make this branch there and switch to it",
    },
    force: { type: "boolean", short: "f", summary: "overwrite local changes and untracked files" },
    detach: { type: "boolean", summary: "detach HEAD even when REV is a branch" },
    symlinks: SYMLINKS,
  },
  examples: [
    ["smc checkout v1.0.0", "the folder as it was in the release"],
    ["smc checkout main", "back to the branch"],
    ["smc checkout v1.0.0 -- weights/best.pt", "one file of the release"],
    ["smc checkout -b fix v1.0.0", "a branch that starts at the release"],
  ],
  run: async (context, { words, rest, options }) => {
    const [revision, ...more] = words;
    const paths = [...more, ...(rest ?? [])];
    if (revision === undefined && options.branch === undefined && paths.length === 0) {
      throw new SmcError("USAGE", "nothing was named to check out", {
        hint: "name a branch, a tag or a digest",
      });
    }
    return context.call("checkout", {
      ...(revision === undefined ? {} : { revision }),
      ...(paths.length === 0 ? {} : { paths }),
      ...(options.branch === undefined ? {} : { branch: options.branch }),
      ...(options.symlinks === undefined ? {} : { symlinks: options.symlinks }),
      force: options.force,
      detach: options.detach,
    });
  },
  print: (data, out, { words, rest }) => {
    if (words.length + (rest?.length ?? 0) > 1 || rest !== undefined) {
      out.line(`${formatCount(data.restored.length, "file")} restored`);
    } else printSwitch(data, out);
    hintSkipped(data.skippedLinks, out);
  },
  quiet: (data) => [data.digest ?? ""],
});
