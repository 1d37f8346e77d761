import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { shortDigest } from "../format.ts";

export const command = defineCommand({
  usage: ["merge [options] REV"],
  description: [
    "Joins another branch into the current one. When the current branch has nothing of its own it moves forward;",
    "else a merge commit is made. Weights are not mixed: where both sides changed a file, --strategy says who wins.",
  ],
  positionals: [{ name: "REV", summary: "branch, tag or commit", required: true, completes: "refs" }],
  options: {
    message: { type: "string", short: "m", value: "TEXT", summary: "message of the merge commit" },
    strategy: { type: "choice", choices: ["ours", "theirs"], summary: "who wins where both changed a file" },
    "ff-only": { type: "boolean", summary: "move forward or refuse" },
    "no-ff": { type: "boolean", summary: "make a merge commit even when moving forward is possible" },
  },
  examples: [
    ["smc merge experiment", "take what the branch did"],
    ["smc merge --strategy theirs experiment", "where both changed a file, theirs wins"],
    ["smc merge --ff-only experiment", "no merge commit"],
  ],
  run: (context, { words, options }) =>
    context.call("merge", {
      revision: words[0] ?? "",
      ...(options.message === undefined ? {} : { message: options.message }),
      ...(options.strategy === undefined ? {} : { strategy: options.strategy }),
      ffOnly: options["ff-only"],
      noFf: options["no-ff"],
    }),
  print: (data, out) => {
    if (data.outcome === "up-to-date") out.line("Already up to date.");
    else if (data.outcome === "fast-forward") out.line(`Fast-forward to ${shortDigest(data.digest)}`);
    else out.line(`Merged as ${shortDigest(data.digest)} into ${show(data.ref, 200)}`);
  },
  quiet: (data) => [data.digest],
});
