import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize } from "../format.ts";

export const command = defineCommand({
  usage: ["repack [--again]"],
  description: [
    "Stores what is there in less space: versions of a model as the difference to an older one, small packs",
    "together. No digest changes, and nothing is lost when it is stopped: the next one goes on. The daemon does it",
    "when it is idle.",
  ],
  options: {
    again: { type: "boolean", summary: "look again at files that an earlier repack has looked at" },
  },
  examples: [["smc repack", "use less space now, instead of when the daemon is idle"]],
  run: (context, { options }) => context.call("repack", { again: options.again }),
  print: (data, out) => {
    const { files, chunks, packs, bytes } = data;
    for (const problem of data.problems) out.line(`${out.paint("yellow", "left alone")} ${show(problem)}`);
    out.line(
      `looked at ${formatCount(files, "file")}: ${formatCount(chunks.shorter, "chunk")} stored shorter`,
    );
    out.line(`packs: ${packs.before} before, ${packs.after} now`);
    out.line(`on disk: ${formatSize(bytes.before)} before, ${formatSize(bytes.after)} now`);
  },
  quiet: (data) => [String(data.bytes.after)],
});
