import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, shortDigest } from "../format.ts";

export const command = defineCommand({
  usage: ["fsck [--quick | --full] [--rebuild]"],
  description: [
    "Checks that every object that a ref or a stage needs is there; with --full, that every byte of packs, journal, index",
    "and format.json is as it was written. Ends with 4 when something is damaged or missing.",
    "A damaged index is made anew at once, from packs and journal; nothing else is changed.",
  ],
  options: {
    quick: { type: "boolean", summary: "only whether everything is there (the default)" },
    full: { type: "boolean", summary: "read and check every byte" },
    rebuild: { type: "boolean", summary: "first make index and refs anew from packs and journal" },
  },
  examples: [
    ["smc fsck", "is everything there?"],
    ["smc fsck --full", "and is every byte right?"],
    ["smc fsck --rebuild", "after the folder db/ was lost"],
  ],
  run: (context, { options }) =>
    context.call("fsck", { quick: options.quick, full: options.full, rebuild: options.rebuild }),
  print: (data, out) => {
    if (data.rebuilt) out.line("index and refs were made anew from packs and journal");
    for (const fault of data.healed) out.line(`${out.paint("yellow", "healed")} index: ${show(fault)}`);
    for (const problem of data.problems) {
      const which = problem.digest ?? problem.pack;
      out.line(
        `${out.paint("red", "damaged")} ${which === null ? "" : `${shortDigest(which)}  `}${show(problem.message, 1000)}`,
      );
      for (const affected of problem.affects) out.line(`  needed by ${show(affected)}`);
    }
    for (const note of data.notes) out.line(`note: ${show(note)}`);
    const { checked } = data;
    const records = formatCount(checked.journalRecords, "record");
    const bytes = data.full
      ? `, ${records} of the journal, ${formatSize(checked.bytes)} read and hashed`
      : "";
    out.line(
      `checked ${formatCount(checked.commits, "commit")}, ${formatCount(checked.trees, "tree")}, ` +
        `${formatCount(checked.blobs, "blob")}, ${formatCount(checked.packs, "pack")}${bytes}`,
    );
    if (data.ok) out.line(out.paint("green", "ok"));
    else out.line(`${formatCount(data.problems.length, "problem")} found`);
  },
  quiet: (data) => data.problems.map((problem) => problem.digest ?? problem.pack ?? ""),
  exitCode: (data) => (data.ok ? 0 : 4),
});
