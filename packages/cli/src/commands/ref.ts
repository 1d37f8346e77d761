import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatTable } from "../format.ts";

const ACTIONS = ["protect", "unprotect", "list"] as const;

export const command = defineCommand({
  usage: ["ref list", "ref protect PATTERN", "ref unprotect PATTERN"],
  description: [
    "A protected branch is neither deleted nor moved other than forward, a protected tag neither deleted nor moved:",
    "not with --force, and not by a push. The registry and archived versions are always protected. PATTERN is the",
    "name of a ref, short or in full; * stands for any text, ? for one character.",
  ],
  positionals: [
    { name: "ACTION", summary: "list, protect or unprotect", required: true, completes: ACTIONS },
    { name: "PATTERN", summary: "main, 'release/*', 'refs/tags/v*'", completes: "refs" },
  ],
  options: {},
  examples: [
    ["smc ref protect main", "nobody rewrites it"],
    ["smc ref protect 'refs/tags/*'", "tags stay what they are"],
    ["smc ref list", "what is protected?"],
  ],
  run: (context, { words }) => {
    const action = ACTIONS.find((each) => each === words[0]);
    if (action === undefined)
      throw new SmcError("USAGE", `'${show(words[0] ?? "", 80)}' is no action of ref`);
    return context.call("ref", { action, ...(words[1] === undefined ? {} : { pattern: words[1] }) });
  },
  print: (data, out) => {
    const rows = data.patterns.map(({ pattern, isOwn, refs }) => [
      ...(data.action === "list" ? [] : [data.action === "protect" ? "Protected" : "Unprotected"]),
      show(pattern, 200),
      formatCount(refs.length, "ref"),
      isOwn ? "" : "always",
    ]);
    for (const line of formatTable(rows)) out.line(line);
  },
  quiet: (data) => data.patterns.map(({ pattern }) => pattern),
});
