import type { GcResult } from "@smc/store";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize } from "../format.ts";
import type { Output } from "../output.ts";

export const command = defineCommand({
  usage: ["gc [-n] [--keep-last COUNT [--keep-tags]] [--older-than SPAN] [--grace SPAN]"],
  description: [
    "Takes away what no ref, no reflog of the last 30 days, no stage and no running command needs. Other commands go on",
    'meanwhile. For 24 hours "smc undelete" brings it all back; the first gc after that frees the disk for good.',
    "With --keep-last the files of older versions go as well; their commits, trees and metrics stay, and archived versions,",
    "those in the registry and those that a ref named within 30 days are left whole.",
    "When anything that is needed is missing or damaged, nothing is taken away.",
  ],
  options: {
    "dry-run": { type: "boolean", short: "n", summary: "tell what would be done, and do nothing" },
    "keep-last": {
      type: "integer",
      value: "COUNT",
      min: 1,
      max: 1_000_000,
      summary: "give up the files of versions that are not among the last COUNT of a branch",
    },
    "keep-tags": { type: "boolean", summary: "with --keep-last: not those of tagged versions" },
    "older-than": { type: "string", value: "SPAN", summary: "keep what refs named within SPAN (30 days)" },
    grace: {
      type: "string",
      value: "SPAN",
      summary: "free what was taken away before SPAN (24 hours); 0: all, now",
    },
  },
  examples: [
    [
      "smc gc --keep-last 5 --keep-tags -n",
      "what if only the last five versions and the releases kept their weights?",
    ],
    ["smc gc -n", "what would it free?"],
    ["smc gc", "clean up; it can be undone for a day"],
    ["smc gc --older-than 0 --grace 0", "keep only what refs name now, and free the disk at once"],
  ],
  run: (context, { options }) =>
    context.call("gc", {
      dryRun: options["dry-run"],
      keepTags: options["keep-tags"],
      ...(options["keep-last"] === undefined ? {} : { keepLast: options["keep-last"] }),
      ...(options["older-than"] === undefined ? {} : { olderThan: options["older-than"] }),
      ...(options.grace === undefined ? {} : { grace: options.grace }),
    }),
  print: printGc,
  quiet: (data) => [String(data.freedBytes)],
});

function printGc(data: GcResult, out: Output): void {
  const { dead, packs, trash, emptied } = data;
  for (const note of data.notes) out.line(`${out.paint("yellow", "note")} ${show(note)}`);
  const would = data.dryRun ? "would be " : "";
  const parts = [
    formatCount(dead.commits, "commit"),
    formatCount(dead.trees, "tree"),
    formatCount(dead.tags, "tag"),
    formatCount(dead.chunks, "chunk"),
  ];
  out.line(`needed by nothing: ${parts.join(", ")}`);
  if (data.pruned.count > 0)
    out.line(
      `${formatCount(data.pruned.count, "version")} ${data.dryRun ? "would give" : "gave"} up their files`,
    );
  out.line(`kept: ${formatCount(data.live.count, "object")}, ${formatSize(data.live.bytes)}`);
  const taken = packs.dropped + packs.rewritten - packs.postponed;
  if (taken > 0 && trash === null)
    out.line(`${would}freed: ${formatSize(data.freedBytes)} (${formatCount(taken, "pack")})`);
  if (trash !== null) {
    const until = new Date(trash.untilMs).toISOString().slice(0, 16).replace("T", " ");
    out.line(`taken away: ${formatSize(data.freedBytes)}; "smc undelete" brings it back until ${until} UTC`);
  }
  if (packs.postponed > 0)
    out.line(`${formatCount(packs.postponed, "pack")} in use; the next gc looks again`);
  if (emptied.epochs.length > 0)
    out.line(`${would}freed for good: ${formatSize(emptied.bytes)} that an earlier gc took away`);
}
