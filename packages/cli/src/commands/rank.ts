import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatNumber, formatTable } from "../format.ts";
import { parseMetrics } from "../pairs.ts";

export const command = defineCommand({
  usage: ["rank --metric NAME [REV ...]", "rank --weights NAME=WEIGHT,... [REV ...]"],
  description: [
    "Orders versions from the best. The score is the weighted mean of the metrics; one that is better when lower",
    "counts negative.",
  ],
  positionals: [{ name: "REV", summary: "only these (all versions)", completes: "refs", many: true }],
  options: {
    metric: { type: "string", value: "NAME", summary: "order by this metric" },
    weights: { type: "string", value: "NAMES", summary: "metrics with weights: mag=1,azi=2" },
  },
  examples: [
    ["smc rank --metric azi", "by one metric"],
    ["smc rank --weights mag=1,azi=1", "by two that count the same"],
    ["smc rank --metric val_loss champion challenger", "which of the two is better"],
  ],
  run: (context, { words, options }) => {
    const { metric, weights } = options;
    if ((metric === undefined) === (weights === undefined))
      throw new SmcError("USAGE", "name a metric with --metric, or several with --weights");
    return context.call("rank", {
      weights: metric === undefined ? parseMetrics((weights ?? "").split(","), "--weights") : { [metric]: 1 },
      ...(words.length === 0 ? {} : { revisions: [...words] }),
    });
  },
  print: ({ metrics, ranked, unranked }, out) => {
    const head = ["RANK", "VERSION", "SCORE", ...metrics.map(({ name }) => show(name, 40)), "STATUS"];
    const rows = ranked.map((row) => [
      String(row.rank),
      show(row.version, 80),
      formatNumber(row.score),
      ...metrics.map(({ name }) => formatNumber(row.metrics[name] ?? Number.NaN)),
      row.status,
    ]);
    const [first = "", ...lines] = formatTable([head, ...rows], [0, 2, ...metrics.map((_, at) => at + 3)]);
    out.line(out.paint("bold", first));
    for (const line of lines) out.line(line);
    if (unranked.length > 0)
      out.hint(
        `without all of these metrics: ${show(unranked.slice(0, 10).join(", "), 400)}${unranked.length > 10 ? ", …" : ""}`,
      );
  },
  quiet: ({ ranked }) => ranked.map(({ version, tags, commit }) => (tags.length > 0 ? version : commit)),
});
