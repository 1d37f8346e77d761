import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatAgo, formatTable, shortDigest } from "../format.ts";

export const command = defineCommand({
  usage: ["reflog [options] [REF]"],
  description: [
    "Lists where a ref has been, newest first: also a ref that was deleted. Without REF: HEAD of this worktree.",
  ],
  positionals: [{ name: "REF", summary: "branch, tag or full ref name (HEAD)", completes: "refs" }],
  digits: "max-count",
  options: {
    "max-count": {
      type: "integer",
      short: "n",
      value: "COUNT",
      min: 0,
      max: 1_000_000_000,
      summary: "at most so many",
    },
    at: { type: "string", value: "DATE", summary: "only what was in force at this moment" },
  },
  examples: [
    ["smc reflog", "what did I do here?"],
    ["smc reflog main -5", "the last five changes of a branch"],
    ["smc reflog main --at 2026-01-15", "what was live then"],
  ],
  run: (context, { words, options }) =>
    context.call("reflog", {
      ...(words[0] === undefined ? {} : { ref: words[0] }),
      ...(options.at === undefined ? {} : { at: options.at }),
      ...(options["max-count"] === undefined ? {} : { limit: options["max-count"] }),
    }),
  print: (data, out) => {
    const now = Date.now();
    const rows = data.entries.map((entry) => [
      entry.to === null ? "deleted" : shortDigest(entry.to),
      show(entry.selector, 300),
      formatAgo(Date.parse(entry.date), now),
      show(entry.reason, 200),
    ]);
    for (const line of formatTable(rows)) out.line(line);
  },
  quiet: (data) => data.entries.map(({ to }) => to ?? ""),
});
