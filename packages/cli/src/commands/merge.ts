import { printPaths } from "../changes.ts";
import { defineCommand } from "../command.ts";
import { shortDigest, shortRef } from "../format.ts";
import { parseMetrics, parseScalars } from "../pairs.ts";

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
    metric: {
      type: "string",
      value: "K=V",
      multiple: true,
      summary: "record a number with the merge commit",
    },
    param: { type: "string", value: "K=V", multiple: true, summary: "record a parameter" },
    meta: { type: "string", value: "K=V", multiple: true, summary: "record anything else" },
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
      metrics: parseMetrics(options.metric),
      params: parseScalars("--param", options.param),
      meta: parseScalars("--meta", options.meta),
    }),
  print: (data, out) => {
    if (data.outcome === "up-to-date") out.line("Already up to date.");
    else if (data.outcome === "fast-forward") out.line(`Fast-forward to ${shortDigest(data.digest)}`);
    else
      out.line(
        `Merged as ${shortDigest(data.digest)} into ${data.ref === "HEAD" ? "detached HEAD" : shortRef(data.ref)}`,
      );
    const { added, modified, deleted } = data.files;
    if (data.outcome !== "up-to-date") out.line(`${added} added, ${modified} modified, ${deleted} deleted`);
    printPaths(
      data.settled.map((path) => ["settled by the strategy:", path] as const),
      out,
    );
  },
  quiet: (data) => [data.digest],
});
