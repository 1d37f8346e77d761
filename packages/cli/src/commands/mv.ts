import { defineCommand } from "../command.ts";
import { printPaths } from "../changes.ts";
import { pathspecs } from "../input.ts";

export const command = defineCommand({
  usage: ["mv [options] source destination", "mv [options] source ... folder"],
  positionals: [
    { name: "source", summary: "tracked files or folders", required: true, many: true },
    { name: "destination", summary: "the new name, or a folder that exists", required: true },
  ],
  options: {
    force: { type: "boolean", short: "f", summary: "replace a file that is there" },
    "dry-run": { type: "boolean", short: "n", summary: "print what would be moved, move nothing" },
    "allow-nonportable": { type: "boolean", summary: "take names that other systems cannot hold" },
  },
  examples: [
    ["smc mv best.pt weights/best.pt", "rename a file"],
    ["smc mv a.onnx b.onnx weights", "move files into a folder"],
  ],
  run: async (context, words) => {
    const paths = await pathspecs(context, words);
    const { force, "dry-run": dryRun, "allow-nonportable": allowNonportable } = words.options;
    const [sources, destination] = [paths.slice(0, -1), paths.at(-1) ?? ""];
    return context.call("mv", { sources, destination, force, dryRun, allowNonportable });
  },
  print: (data, out) =>
    printPaths(
      data.moved.map(({ from, to }) => ["move", `${from} -> ${to}`] as const),
      out,
    ),
  quiet: (data) => data.moved.map(({ to }) => to),
});
