import { defineCommand } from "../command.ts";
import { printPaths } from "../changes.ts";
import { pathspecs } from "../input.ts";

export const command = defineCommand({
  usage: ["rm [options] path ..."],
  description: [
    "Removes tracked files from the folder and stages that. Refuses files with changes that no commit has.",
  ],
  positionals: [{ name: "path", summary: "files, and folders with -r", required: true, many: true }],
  options: {
    cached: { type: "boolean", summary: "only stop tracking; keep the files" },
    recursive: { type: "boolean", short: "r", summary: "remove what is below a folder" },
    force: { type: "boolean", short: "f", summary: "remove files with local changes too" },
    "dry-run": { type: "boolean", short: "n", summary: "print what would be removed, remove nothing" },
  },
  examples: [
    ["smc rm old.onnx", "remove a file"],
    ["smc rm --cached -r logs", "keep a folder, but not in the next commit"],
  ],
  run: async (context, words) => {
    const { cached, recursive, force, "dry-run": dryRun } = words.options;
    return context.call("rm", { paths: await pathspecs(context, words), cached, recursive, force, dryRun });
  },
  print: (data, out) =>
    printPaths(
      data.removed.map((path) => ["remove", path] as const),
      out,
    ),
  quiet: (data) => data.removed,
});
