import type { MergeResult } from "@smc/store";
import { show } from "@smc/store/show";
import { printPaths } from "../changes.ts";
import { defineCommand } from "../command.ts";
import { formatCount, shortDigest, shortRef } from "../format.ts";
import type { Output } from "../output.ts";
import { parseMetrics, parseScalars } from "../pairs.ts";
import { formatTensorName } from "../tensor-text.ts";

export const command = defineCommand({
  usage: ["merge [options] REV"],
  description: [
    "Joins another branch into the current one: moves it forward where it has nothing of its own, else makes a",
    "merge commit. Where both sides changed a file, --strategy says who wins. Weights are mixed, tensor by tensor,",
    "only when it says how.",
  ],
  positionals: [{ name: "REV", summary: "branch, tag or commit", required: true, completes: "refs" }],
  options: {
    message: { type: "string", short: "m", value: "TEXT", summary: "message of the merge commit" },
    strategy: {
      type: "string",
      value: "HOW",
      multiple: true,
      summary: "ours, theirs, average, weighted:SHARE (of theirs), take=GLOB:ours, take=GLOB:theirs",
    },
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
    ["smc merge --strategy average experiment", "the mean of both models"],
    [
      "smc merge --strategy 'take=head.*:theirs' --strategy weighted:0.3 experiment",
      "their head, the rest mixed",
    ],
    ["smc merge --ff-only experiment", "no merge commit"],
  ],
  run: (context, { words, options }) =>
    context.call("merge", {
      revision: words[0] ?? "",
      ...(options.message === undefined ? {} : { message: options.message }),
      ...(options.strategy.length === 0 ? {} : { strategies: [...options.strategy] }),
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
    for (const file of data.joined) printJoined(file, out);
    printPaths(
      data.settled.map((path) => ["settled by the strategy:", path] as const),
      out,
    );
  },
  quiet: (data) => [data.digest],
});

function printJoined(file: MergeResult["joined"][number], out: Output): void {
  const { mixedCount, oursCount, theirsCount, equalCount, kept, nonFiniteCount } = file;
  const parts = [
    `${mixedCount} mixed`,
    ...(oursCount === 0 ? [] : [`${oursCount} from ours`]),
    ...(theirsCount === 0 ? [] : [`${theirsCount} from theirs`]),
    `${equalCount} equal`,
  ];
  out.line(`joined: ${show(file.path)}: ${parts.join(", ")}`);
  if (kept.length > 0) {
    const names = kept.slice(0, 3).map((name) => formatTensorName(name));
    const more = kept.length > names.length ? ", …" : "";
    out.hint(
      `no floats, taken from ours: ${names.join(", ")}${more} (${formatCount(kept.length, "tensor")})`,
    );
  }
  if (nonFiniteCount > 0)
    out.hint(`${formatCount(nonFiniteCount, "mixed element")} of ${show(file.path)} NaN or infinite`);
}
