import { defineCommand } from "../command.ts";
import { printRole } from "../role-text.ts";

export const command = defineCommand({
  usage: ["challenger", "challenger [--reason TEXT] REV"],
  description: [
    "Without REV: shows the candidate that may follow the champion; exit 1 when there is none. With REV: makes that",
    "version the candidate, after a look whether it is whole.",
  ],
  positionals: [{ name: "REV", summary: "the new candidate", completes: "refs" }],
  options: { reason: { type: "string", value: "TEXT", summary: "why" } },
  examples: [
    ["smc challenger", "which version may follow the champion?"],
    ["smc challenger HEAD --reason 'trained on site 3'", "make the last commit the candidate"],
  ],
  run: (context, { words, options }) =>
    context.call("challenger", {
      ...(words[0] === undefined ? {} : { revision: words[0] }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    }),
  print: ({ challenger }, out) => {
    if (challenger === null) out.hint('there is no challenger: name one with "smc challenger REV"');
    else printRole(challenger, out);
  },
  quiet: ({ challenger }) => (challenger === null ? [] : [challenger.commit]),
  json: ({ challenger }) => challenger,
  exitCode: ({ challenger }) => (challenger === null ? 1 : 0),
});
