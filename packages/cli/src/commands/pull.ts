import { defineCommand } from "../command.ts";
import { shortDigest } from "../format.ts";
import { printFetched } from "../ref-moves.ts";

export const command = defineCommand({
  usage: ["pull [options] [REMOTE] [REF]"],
  description: [
    "Fetches, and moves the current branch and the folder forward to what the remote has. It makes no merge commit:",
    'when both sides have commits of their own it refuses, and "smc merge origin/main" joins them. With --rebase',
    "the commits that the remote does not have are made anew behind those that it has, one by one, with their",
    "authors, messages and metrics; a commit whose changes are there already is left out, and one that changes a",
    "file that the remote changed too ends it with status 5: nothing is changed then.",
  ],
  positionals: [
    { name: "REMOTE", summary: "the remote (origin, or the only one)" },
    { name: "REF", summary: "branch or tag there (the current branch)" },
  ],
  options: {
    rebase: { type: "boolean", summary: "put the commits of this branch behind those of the remote" },
    "ff-only": { type: "boolean", summary: "move forward or refuse, which is what it does without --rebase" },
  },
  examples: [
    ["smc pull", "take what others pushed"],
    ["smc pull --rebase", "take it, and put mine behind it"],
    ["smc pull nas main", "from another remote"],
  ],
  run: (context, { words, rest, options }) => {
    const [remote, ref] = [...words, ...(rest ?? [])];
    return context.call("pull", {
      ...(remote === undefined ? {} : { remote }),
      ...(ref === undefined ? {} : { ref }),
      ...(options.rebase === undefined ? {} : { rebase: options.rebase }),
      ...(options["ff-only"] === undefined ? {} : { ffOnly: options["ff-only"] }),
    });
  },
  print: ({ fetched, merged, rebased }, out) => {
    printFetched(fetched, out);
    if (merged.outcome === "up-to-date") {
      out.line("Already up to date.");
      return;
    }
    for (const { from, to } of rebased)
      out.line(`${shortDigest(from)} -> ${to === null ? "(is there already)" : shortDigest(to)}`);
    const how = merged.outcome === "rebase" ? "Rebased, now at" : "Fast-forward to";
    out.line(`${how} ${shortDigest(merged.digest)}`);
    const { added, modified, deleted } = merged.files;
    out.line(`${added} added, ${modified} modified, ${deleted} deleted`);
  },
  quiet: ({ merged }) => [merged.digest],
});
