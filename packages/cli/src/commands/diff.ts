import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { allPaths, differs, printDiff, printDiffMarkdown, printDiffStat } from "../diff-text.ts";
import { printTensorDiff, printTensorDiffMarkdown } from "../tensor-diff-text.ts";

export const command = defineCommand({
  usage: ["diff [options] [A [B]] [-- path ...]", "diff [options] A..B"],
  description: [
    "Without a revision: the folder against the stage (with --staged: the stage against HEAD).",
    "With one: the folder against it. With two: the second against the first, with metrics and params.",
    "With --tensors, of files that differ: which tensors are new, gone, changed (and how far) or equal.",
  ],
  positionals: [
    { name: "A", summary: "from this revision", completes: "refs" },
    { name: "B", summary: "to this revision", completes: "refs" },
    { name: "path", summary: "after --: only these files and folders", many: true },
  ],
  options: {
    staged: { type: "boolean", summary: "compare the stage with HEAD or A" },
    cached: { type: "boolean", summary: "the same as --staged" },
    all: { type: "boolean", summary: "metrics and params that are equal, too" },
    tensors: { type: "boolean", summary: "compare the tensors of files of weights" },
    stat: { type: "boolean", summary: "files and sizes only" },
    "name-only": { type: "boolean", summary: "paths only" },
    md: { type: "boolean", summary: "print Markdown tables" },
    "exit-code": { type: "boolean", summary: "end with 1 when something differs" },
  },
  examples: [
    ["smc diff", "what is changed and not staged?"],
    ["smc diff v1.0.0 v1.1.0", "what did the release change?"],
    ["smc diff --tensors v1.0.0 v1.1.0", "how far did the weights move?"],
    ["smc diff --md v1.0.0..v1.1.0", "for a pull request"],
    ["smc diff --exit-code v1.0.0 -- weights/", "do these files still equal the release?"],
  ],
  run: (context, { words, rest, options }) =>
    context.call("diff", {
      revisions: [...words],
      paths: [...(rest ?? [])],
      staged: options.staged || options.cached,
      all: options.all,
      tensors: options.tensors,
    }),
  print: (data, out, { options }) => {
    if (options["name-only"]) for (const path of allPaths(data)) out.line(show(path));
    else if (data.tensors !== undefined && options.md) printTensorDiffMarkdown(data.tensors, out);
    else if (data.tensors !== undefined) printTensorDiff(data.tensors, out);
    else if (options.md) printDiffMarkdown(data, out);
    else if (options.stat) printDiffStat(data, out);
    else printDiff(data, out);
  },
  quiet: allPaths,
  exitCode: (data, { options }) => (options["exit-code"] && differs(data) ? 1 : 0),
});
