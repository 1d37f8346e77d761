import { SmcError } from "@smc/store/errors";
import { printCompare, printCompareCsv, printCompareMarkdown } from "../compare-text.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  usage: ["compare A B [C ...] [--only-changed | --all] [--md | --csv]"],
  description: [
    "Shows versions side by side: metrics with their change against the first, params and other metadata that",
    "differ, files that differ. ▲ is better and ▼ worse: losses, errors and times are better when lower, see the",
    "setting metrics.lower.",
  ],
  positionals: [
    { name: "A", summary: "two versions or more", required: true, completes: "refs", many: true },
  ],
  options: {
    "only-changed": { type: "boolean", summary: "only rows that differ, of metrics too" },
    all: { type: "boolean", summary: "equal params, metadata and files, too" },
    tensors: { type: "boolean", summary: "count the tensors that changed; reads what differs" },
    md: { type: "boolean", summary: "as Markdown tables" },
    csv: { type: "boolean", summary: "as CSV: kind, name, a column for each version" },
  },
  examples: [
    ["smc compare v1.0.0 v1.0.1", "two releases"],
    ["smc compare champion challenger --only-changed --md", "for a pull request"],
    ["smc compare v1.0.0 v1.0.1 v1.1.0 --csv", "for a spreadsheet"],
  ],
  run: (context, { words, options }) => {
    if (options.md && options.csv) throw new SmcError("USAGE", "--md or --csv, not both");
    if (options.all && options["only-changed"])
      throw new SmcError("USAGE", "--all or --only-changed, not both");
    return context.call("compare", { revisions: [...words], all: options.all, tensors: options.tensors });
  },
  print: (data, out, { options }) => {
    const style = { onlyChanged: options["only-changed"], all: options.all };
    if (options.csv) printCompareCsv(data, style, out);
    else if (options.md) printCompareMarkdown(data, style, out);
    else printCompare(data, style, out);
  },
  quiet: (data) => [
    ...data.metrics.filter(({ isSame }) => !isSame).map(({ name }) => name),
    ...data.params.filter(({ isSame }) => !isSame).map(({ name }) => name),
    ...data.files.rows.filter(({ isSame }) => !isSame).map(({ path }) => path),
  ],
});
