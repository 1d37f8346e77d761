import { defineCommand } from "../command.ts";
import { shortDigest } from "../format.ts";
import { printFetched } from "../ref-moves.ts";

export const command = defineCommand({
  usage: ["pull [REMOTE] [REF]"],
  description: [
    "Fetches, and moves the current branch and the folder forward to what the remote has. It makes no merge commit: when",
    'both sides have commits of their own it refuses, and "smc merge origin/main" joins them.',
  ],
  positionals: [
    { name: "REMOTE", summary: "the remote (origin, or the only one)" },
    { name: "REF", summary: "branch or tag there (the current branch)" },
  ],
  options: {
    "ff-only": { type: "boolean", summary: "move forward or refuse (it never does anything else)" },
  },
  examples: [
    ["smc pull", "take what others pushed"],
    ["smc pull nas main", "from another remote"],
  ],
  run: (context, { words, rest }) => {
    const [remote, ref] = [...words, ...(rest ?? [])];
    return context.call("pull", {
      ...(remote === undefined ? {} : { remote }),
      ...(ref === undefined ? {} : { ref }),
    });
  },
  print: ({ fetched, merged }, out) => {
    printFetched(fetched, out);
    if (merged.outcome === "up-to-date") {
      out.line("Already up to date.");
      return;
    }
    out.line(`Fast-forward to ${shortDigest(merged.digest)}`);
    const { added, modified, deleted } = merged.files;
    out.line(`${added} added, ${modified} modified, ${deleted} deleted`);
  },
  quiet: ({ merged }) => [merged.digest],
});
