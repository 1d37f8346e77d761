import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["rev-parse [options] REV ...", "rev-parse --show-toplevel"],
  description: [
    "Prints the digest that each revision names. What a range leaves out is printed with ^ in front.",
  ],
  positionals: [{ name: "REV", summary: "any revision", many: true, completes: "refs" }],
  options: {
    short: {
      type: "integer",
      value: "DIGITS",
      bare: 7,
      min: 4,
      max: 64,
      summary: "print at least so many digits (7), more when needed",
    },
    "abbrev-ref": { type: "boolean", summary: "print the short name of the ref" },
    cid: { type: "boolean", summary: "print CIDv1" },
    "show-toplevel": { type: "boolean", summary: "print the root of the worktree" },
  },
  examples: [
    ["smc rev-parse HEAD", "the digest of the last commit"],
    ["smc rev-parse --abbrev-ref HEAD", "the current branch"],
    ["smc rev-parse v1.0.0:best.pt", "the SHA-256 of a file of a release"],
  ],
  run: (context, { words, rest, options }) => {
    const revisions = [...words, ...(rest ?? [])];
    if (revisions.length === 0 && !options["show-toplevel"])
      throw new SmcError("USAGE", "'smc rev-parse' needs REV");
    return context.call("rev-parse", {
      revisions,
      ...(options.short === undefined ? {} : { short: options.short }),
      cid: options.cid,
      abbrevRef: options["abbrev-ref"],
      showToplevel: options["show-toplevel"],
    });
  },
  print: (data, out) => {
    if (data.toplevel !== null) out.line(show(data.toplevel));
    for (const { text } of data.rows) out.line(show(text, 300));
  },
  quiet: (data) => [...(data.toplevel === null ? [] : [data.toplevel]), ...data.rows.map(({ text }) => text)],
});
