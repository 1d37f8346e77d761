import type { GcResult, RemoteGcResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatCount, formatSize } from "../format.ts";
import type { Output } from "../output.ts";

export const command = defineCommand({
  usage: [
    "gc [-n] [--keep-last COUNT [--keep-tags] | --prune-all] [--older-than SPAN] [--grace SPAN]",
    "gc --remote [NAME] [-n] [--older-than SPAN] [--grace SPAN]",
  ],
  description: [
    "Takes away what no ref, no reflog of the last 30 days, no stage and no running command needs. Other commands",
    'go on meanwhile. For 24 hours "smc undelete" brings it all back; the first gc after that frees the disk for',
    "good. With --keep-last the files of older versions go as well; their commits, trees and metrics stay, and",
    "archived versions, those in the registry and those that a ref named within 30 days are left whole. --prune-all",
    "is --keep-last 1, refused with 5 where a version is archived: such versions are kept for ever. When anything",
    "that is needed is missing or damaged, nothing is taken away. With --remote the same on a folder or bucket:",
    "packs of which no ref there needs anything go, at once and for good, but none that is younger than 24 hours.",
    "Others may push meanwhile.",
  ],
  positionals: [{ name: "NAME", summary: "with --remote: which one (origin, or the only one)" }],
  options: {
    remote: { type: "boolean", summary: "clean up what a remote holds instead of the store" },
    "dry-run": { type: "boolean", short: "n", summary: "tell what would be done, and do nothing" },
    "keep-last": {
      type: "integer",
      value: "COUNT",
      min: 1,
      max: 1_000_000,
      summary: "give up the files of versions that are not among the last COUNT of a branch",
    },
    "keep-tags": { type: "boolean", summary: "with --keep-last: not those of tagged versions" },
    "prune-all": {
      type: "boolean",
      summary:
        "give up the files of all versions but the last of a branch; refused where versions are archived",
    },
    "older-than": { type: "string", value: "SPAN", summary: "keep what refs named within SPAN (30 days)" },
    grace: {
      type: "string",
      value: "SPAN",
      summary: "free what was taken away, or with --remote put there, before SPAN (24 hours); 0: all, now",
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
    ["smc gc --remote origin -n", "what would it free there?"],
  ],
  run: (context, { words, options }) => {
    if (words.length > 0 && !options.remote) throw new SmcError("USAGE", "a name goes with --remote");
    return context.call("gc", {
      ...(options.remote ? { remote: words[0] ?? "" } : {}),
      dryRun: options["dry-run"],
      keepTags: options["keep-tags"],
      pruneAll: options["prune-all"],
      ...(options["keep-last"] === undefined ? {} : { keepLast: options["keep-last"] }),
      ...(options["older-than"] === undefined ? {} : { olderThan: options["older-than"] }),
      ...(options.grace === undefined ? {} : { grace: options.grace }),
    });
  },
  print: (data, out) => (data.remote === null ? printGc(data, out) : printRemoteGc(data, out)),
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

function printRemoteGc({ remote, packs, freedBytes, uploads, dryRun }: RemoteGcResult, out: Output): void {
  out.line(`${show(remote.name)} (${show(remote.url, 300)})`);
  const would = dryRun ? "would be " : "";
  out.line(`  kept: ${formatCount(packs.kept, "pack")}`);
  out.line(`  ${would}freed: ${formatSize(freedBytes)} (${formatCount(packs.dropped, "pack")})`);
  if (packs.postponed > 0)
    out.line(`  not needed, and too young: ${formatCount(packs.postponed, "pack")}; a later gc looks again`);
  if (uploads > 0)
    out.line(`  ${would}taken back: ${formatCount(uploads, "upload")} in parts that nobody finished`);
}
