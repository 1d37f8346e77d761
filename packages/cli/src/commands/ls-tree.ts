import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatSize, formatTable } from "../format.ts";
import { printTensors } from "../tensor-text.ts";

export const command = defineCommand({
  usage: ["ls-tree [options] REV [path ...]"],
  description: ["Lists a folder of a revision: mode, kind, digest, path."],
  positionals: [
    { name: "REV", summary: "revision, or REV:folder (HEAD)", completes: "refs" },
    { name: "path", summary: "only these files and folders", many: true },
  ],
  options: {
    recursive: { type: "boolean", short: "r", summary: "go into folders" },
    long: { type: "boolean", short: "l", summary: "sizes too" },
    directories: { type: "boolean", short: "d", summary: "folders only" },
    tensors: { type: "boolean", summary: "the tensors of every file too: name, type, shape, size, offset" },
    "name-only": { type: "boolean", summary: "paths only" },
  },
  examples: [
    ["smc ls-tree -r HEAD", "every file of the last commit"],
    ["smc ls-tree -l v1.0.0:weights", "a folder of a release, with sizes"],
    ["smc ls-tree -l --tensors v1.0.0 weights/best.safetensors", "what is in a file of weights"],
  ],
  run: (context, { words, rest, options }) => {
    const [revision, ...paths] = words;
    return context.call("ls-tree", {
      ...(revision === undefined ? {} : { revision }),
      paths: [...paths, ...(rest ?? [])],
      recursive: options.recursive,
      directories: options.directories,
      tensors: options.tensors,
    });
  },
  print: (data, out, { options }) => {
    if (options["name-only"]) {
      for (const row of data) out.line(show(row.path));
      return;
    }
    const rows = data.map((row) => {
      const size = options.long ? [formatSize(row.sizeBytes)] : [];
      return [row.mode, row.kind, row.digest, ...size, show(row.path)];
    });
    for (const [index, line] of formatTable(rows, options.long ? [3] : []).entries()) {
      out.line(line);
      const listing = data[index]?.tensors;
      if (listing !== undefined) printTensors(listing, { indent: "    " }, out);
    }
  },
  quiet: (data) => data.map(({ digest }) => digest),
});
