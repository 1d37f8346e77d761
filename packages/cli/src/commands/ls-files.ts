import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatTable } from "../format.ts";
import { pathspecs } from "../input.ts";

export const command = defineCommand({
  usage: ["ls-files [options] [path ...]"],
  description: ["Lists the files that are staged: what the next commit will hold."],
  positionals: [{ name: "path", summary: "only these files and folders", many: true }],
  options: {
    stage: { type: "boolean", short: "s", summary: "mode and digest too" },
    others: { type: "boolean", short: "o", summary: "list untracked files instead" },
    modified: { type: "boolean", short: "m", summary: "only files that are changed in the folder" },
    deleted: { type: "boolean", short: "d", summary: "only files that are gone from the folder" },
  },
  examples: [
    ["smc ls-files", "what is tracked?"],
    ["smc ls-files -s weights/", "with digests"],
  ],
  run: async (context, words) => {
    const { others, modified, deleted } = words.options;
    return context.call("ls-files", { paths: await pathspecs(context, words), others, modified, deleted });
  },
  print: (data, out, { options }) => {
    const rows = data.map((row) =>
      options.stage ? [row.mode ?? "", row.digest ?? "", show(row.path)] : [show(row.path)],
    );
    for (const line of formatTable(rows)) out.line(line);
  },
  quiet: (data) => data.map(({ path }) => path),
});
