import { defineCommand } from "../command.ts";
import { shortDigest } from "../format.ts";
import { movedDigests, printFetched, printPushed } from "../ref-moves.ts";

export const command = defineCommand({
  usage: ["sync [REMOTE]", "sync --mirror [REMOTE]"],
  description: [
    "Fetches, moves the current branch forward to what the remote has, and pushes the branch and all tags. When",
    "both sides have commits of their own it refuses, and nothing is pushed. --mirror takes nothing: it makes the",
    "branches and tags there what they are here, and deletes all others there.",
  ],
  positionals: [{ name: "REMOTE", summary: "the remote (origin, or the only one)" }],
  options: {
    mirror: { type: "boolean", summary: "make branches and tags there what they are here; deletes others" },
  },
  examples: [
    ["smc sync", "take what is new, and give what is new"],
    ["smc sync --mirror backup", "an exact copy of this repository"],
  ],
  run: (context, { words, options }) => {
    const [remote] = words;
    return context.call("sync", {
      ...(remote === undefined ? {} : { remote }),
      mirror: options.mirror,
    });
  },
  print: ({ fetched, merged, pushed }, out) => {
    if (fetched !== null) printFetched(fetched, out);
    if (merged !== null && merged.outcome !== "up-to-date")
      out.line(`Fast-forward to ${shortDigest(merged.digest)}`);
    printPushed(pushed, out);
  },
  quiet: ({ fetched, pushed }) => [...movedDigests(fetched?.refs ?? []), ...movedDigests(pushed.refs)],
});
