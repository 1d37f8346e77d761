import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { shortDigest } from "../format.ts";
import { noteLines } from "../note-text.ts";
import { parseMetrics } from "../pairs.ts";

export const command = defineCommand({
  usage: ["note [REV]", "note [REV] -m TEXT [--metric K=V ...]", "note FILE [-m TEXT]"],
  description: [
    "Writes down what is learned about a version after it was committed. Notes are added and never changed; without",
    "-m and --metric they are listed. A word that is no revision may be a FILE, or its name in the folders of model",
    "files: notes about it are kept in FILE.json beside it. Metrics of a note are those of an evaluation: from then",
    "on they are the version's, in log, versions, compare and filters.",
  ],
  positionals: [{ name: "REV or FILE", summary: "what it is about (HEAD)", completes: "refs" }],
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
    ['smc note data/models/downloads/best.pt -m "for site 3"', "about a file"],
  ],
  run: (context, { words, options }) => {
    if (words.length > 1) throw new SmcError("USAGE", "one version at a time; the text goes behind -m");
    return context.call("note", {
      ...(words[0] === undefined ? {} : { revision: words[0] }),
      ...(options.message.length === 0 ? {} : { message: options.message.join("\n\n") }),
      ...(options.metric.length === 0 ? {} : { metrics: parseMetrics(options.metric) }),
    });
  },
  print: (data, out) => {
    const about = "path" in data ? show(data.path, 1000) : shortDigest(data.commit);
    if (data.action === "add") out.line(`Noted about ${about}`);
    else for (const line of noteLines(data.notes, out)) out.line(line);
  },
  quiet: (data) =>
    "path" in data ? data.notes.map(({ text }) => text) : data.notes.map(({ digest }) => digest),
});
