import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["unarchive [--reason TEXT] REV"],
  description: [
    "Makes an archived version a candidate again. The reason it was archived for stays in the audit log.",
  ],
  positionals: [{ name: "REV", summary: "the version", required: true, completes: "refs" }],
  options: { reason: { type: "string", value: "TEXT", summary: "why" } },
  examples: [["smc unarchive v1.0.0", "it is a candidate again"]],
  run: (context, { words, options }) =>
    context.call("unarchive", {
      revision: words[0] ?? "",
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    }),
  print: (data, out) => {
    for (const { version } of data.unarchived) out.line(`Unarchived ${show(version, 200)}`);
  },
  quiet: (data) => data.unarchived.map(({ version }) => version),
});
