import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { printRole } from "../role-text.ts";

export const command = defineCommand({
  usage: ["champion [--at DATE]"],
  description: [
    "Shows the version that is live: since when, who put it there, why, its metrics and its size. Exit 1 when there",
    "is none.",
  ],
  options: { at: { type: "string", value: "DATE", summary: "what was live at this moment" } },
  examples: [
    ["smc champion", "what is in production?"],
    ["smc champion -q", "its digest only"],
    ["smc champion --at 2026-01-15", "what was live then"],
  ],
  run: (context, { options }) => context.call("champion", options.at === undefined ? {} : { at: options.at }),
  print: ({ champion }, out, { options }) => {
    if (champion !== null) printRole(champion, out);
    else if (options.at !== undefined)
      out.hint(`nothing was champion at ${show(options.at, 80)}: see "smc reflog champion"`);
    else out.hint('there is no champion yet: make one with "smc promote VERSION --reason …"');
  },
  quiet: ({ champion }) => (champion === null ? [] : [champion.commit]),
  json: ({ champion }) => champion,
  exitCode: ({ champion }) => (champion === null ? 1 : 0),
});
