import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["archive --reason TEXT REV", "archive --unused SPAN --reason TEXT [--dry-run]"],
  description: [
    "Keeps a version that is not in use any more, with the reason. Archived versions are never lost: gc leaves",
    "them, and their tags are neither deleted nor moved. --unused takes every tagged version that was made longer",
    "ago, is in no role and at no tip of a branch.",
  ],
  positionals: [{ name: "REV", summary: "the version", completes: "refs" }],
  options: {
    reason: { type: "string", value: "TEXT", summary: "why; kept with the version" },
    unused: { type: "string", value: "SPAN", summary: "all that were not used for so long: 90d" },
    "dry-run": { type: "boolean", short: "n", summary: "only tell which" },
  },
  examples: [
    ["smc archive v1.0.0 --reason 'azi is low'", "keep it, and say why"],
    ["smc archive --unused 90d -n", "what could be archived?"],
  ],
  run: (context, { words, options }) =>
    context.call("archive", {
      dryRun: options["dry-run"],
      ...(words[0] === undefined ? {} : { revision: words[0] }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
      ...(options.unused === undefined ? {} : { unused: options.unused }),
    }),
  print: (data, out) => {
    const word = data.dryRun ? "Would archive" : "Archived";
    for (const { version } of data.archived) out.line(`${word} ${show(version, 200)}`);
    if (data.archived.length === 0) out.hint("no version is unused for so long");
  },
  quiet: (data) => data.archived.map(({ version }) => version),
});
