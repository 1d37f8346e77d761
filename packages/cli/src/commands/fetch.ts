import { defineCommand } from "../command.ts";
import { movedDigests, printFetched } from "../ref-moves.ts";

export const command = defineCommand({
  usage: ["fetch [REMOTE] [REF ...] [--prune]"],
  description: [
    "Brings what a remote has into the store: its branches as REMOTE/BRANCH, its tags as they are. No branch of yours",
    "moves and no file changes. Every byte is compared with its digest before a ref names it.",
  ],
  positionals: [
    { name: "REMOTE", summary: "the remote (origin, or the only one)" },
    { name: "REF", summary: "only these branches and tags, by their names there", many: true },
  ],
  options: {
    prune: { type: "boolean", short: "p", summary: "forget branches that are gone there" },
  },
  examples: [
    ["smc fetch", "what is new on origin?"],
    ["smc fetch nas main v1.0.0", "one branch and one tag"],
    ["smc log main..origin/main", "what would a pull bring?"],
  ],
  run: (context, { words, rest, options }) => {
    const [remote, ...refs] = [...words, ...(rest ?? [])];
    return context.call("fetch", {
      ...(remote === undefined ? {} : { remote }),
      ...(refs.length === 0 ? {} : { refs }),
      prune: options.prune,
    });
  },
  print: (data, out) => {
    printFetched(data, out);
    if (data.refs.length === 0) out.line("Already up to date.");
  },
  quiet: (data) => movedDigests(data.refs),
});
