import { SmcError } from "@smc/store/errors";
import { defineCommand } from "../command.ts";
import { shortDigest } from "../format.ts";
import { noteLines } from "../note-text.ts";
import { parseMetrics } from "../pairs.ts";

export const command = defineCommand({
  usage: ["note [REV]", "note [REV] -m TEXT [--metric K=V ...]"],
  description: [
    "Writes down what is learned about a version after it was committed. Notes are added and never changed; without -m and --metric they are listed.",
    "Metrics of a note are those of an evaluation: from then on they are the version's, in log, versions, compare and filters.",
  ],
  positionals: [{ name: "REV", summary: "what it is about (HEAD)", completes: "refs" }],
  options: {
    message: {
      type: "string",
      short: "m",
      value: "TEXT",
      multiple: true,
      summary: "the note; each further -m is a paragraph",
    },
    metric: { type: "string", value: "K=V", multiple: true, summary: "a number that an evaluation gave" },
  },
  examples: [
    ['smc note v1.0.0 -m "drifts on site 3"', "write down"],
    ['smc note champion -m "test set of May" --metric azi=69.8', "an evaluation"],
    ["smc note v1.0.0", "read them"],
  ],
  run: (context, { words, options }) => {
    if (words.length > 1) throw new SmcError("USAGE", "one version at a time; the text goes behind -m");
    return context.call("note", {
      ...(words[0] === undefined ? {} : { revision: words[0] }),
      ...(options.message.length === 0 ? {} : { message: options.message.join("\n\n") }),
      ...(options.metric.length === 0 ? {} : { metrics: parseMetrics(options.metric) }),
    });
  },
  print: ({ action, commit, notes }, out) => {
    if (action === "add") out.line(`Noted about ${shortDigest(commit)}`);
    else for (const line of noteLines(notes, out)) out.line(line);
  },
  quiet: ({ notes }) => notes.map(({ digest }) => digest),
});
