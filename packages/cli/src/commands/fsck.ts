import { ERRORS, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize, shortDigest } from "../format.ts";

export const command = defineCommand({
  usage: [
    "fsck [--quick | --full | --repair] [--rebuild]",
    "fsck --remote [NAME] [--quick | --full | --repair]",
  ],
  description: [
    "Checks that every object that a ref or a stage needs is there; with --full, that every byte of packs, journal,",
    "index and format.json is as it was written. Ends with 4 when something is damaged or missing. A damaged index",
    "is made anew at once, from packs and journal; nothing else is changed without --repair, which stores again",
    "what is damaged or missing, from other packs, the trash and the files of worktrees. With --remote the same for",
    "what all refs of a remote need; nothing is changed there or here. With --repair --remote the store is mended",
    "with what the remote has, where no copy is left here.",
  ],
  positionals: [{ name: "NAME", summary: "with --remote: which one (origin, or the only one)" }],
  options: {
    quick: { type: "boolean", summary: "only whether everything is there (the default)" },
    full: { type: "boolean", summary: "read and check every byte" },
    repair: { type: "boolean", summary: "as --full, and mend what can be mended from other copies" },
    remote: { type: "boolean", summary: "check what a remote holds instead of the store" },
    rebuild: { type: "boolean", summary: "first make index and refs anew from packs and journal" },
  },
  examples: [
    ["smc fsck", "is everything there?"],
    ["smc fsck --full", "and is every byte right?"],
    ["smc fsck --repair", "something is damaged: mend it"],
    ["smc fsck --remote origin --full", "would a clone of origin be whole? Downloads all of it"],
    ["smc fsck --repair --remote origin", "mend it with what origin has"],
    ["smc fsck --rebuild", "after the folder db/ was lost"],
  ],
  run: (context, { words, options }) => {
    const { quick, full, repair, rebuild, remote } = options;
    if (words.length > 0 && !remote) throw new SmcError("USAGE", "a name goes with --remote");
    const from = remote ? { remote: words[0] ?? "" } : {};
    return context.call("fsck", { quick, full, repair, rebuild, ...from });
  },
  print: (data, out) => {
    if (data.rebuilt) out.line("index and refs were made anew from packs and journal");
    for (const fault of data.healed) out.line(`${out.paint("yellow", "healed")} index: ${show(fault)}`);
    for (const { digest, from } of data.repair?.repaired ?? []) {
      const which = digest === null ? "" : `${shortDigest(digest)}  from `;
      out.line(`${out.paint("green", "repaired")} ${which}${show(from)}`);
    }
    for (const pack of data.repair?.setAside ?? [])
      out.line(`set aside: damaged/${pack}.pack, which nothing is read from any more`);
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
    const journal = data.remote === null ? `${records} of the journal, ` : "";
    const bytes = data.full ? `, ${journal}${formatSize(checked.bytes)} read and hashed` : "";
    const where = data.remote === null ? "" : `${show(data.remote.name)}: `;
    out.line(
      `${where}checked ${formatCount(checked.commits, "commit")}, ${formatCount(checked.trees, "tree")}, ` +
        `${formatCount(checked.blobs, "blob")}, ${formatCount(checked.packs, "pack")}${bytes}`,
    );
    if (data.ok) out.line(out.paint("green", "ok"));
    else out.line(`${formatCount(data.problems.length, "problem")} found`);
    if (!data.ok && data.remote !== null) out.hint(ERRORS.REMOTE_INCOMPLETE.hint);
  },
  quiet: (data) => data.problems.map((problem) => problem.digest ?? problem.pack ?? ""),
  exitCode: (data) => (data.ok ? 0 : 4),
});
