import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { commandHelp, overviewHelp } from "../help-text.ts";
import { isTopic, TOPICS, topicHelp } from "../help-topics.ts";
import { nearest } from "../nearest.ts";
import { COMMANDS, isCommandName, loadCommand } from "./index.ts";

async function page(word: string | undefined): Promise<readonly string[]> {
  if (word === undefined) return overviewHelp(Object.entries(TOPICS));
  const topic = isTopic(word) ? topicHelp(word, process.env) : [];
  if (isCommandName(word))
    return [...commandHelp(word, await loadCommand(word)), ...(topic.length > 0 ? ["", ...topic] : [])];
  if (topic.length > 0) return topic;
  const near = nearest(word, [...Object.keys(COMMANDS), ...Object.keys(TOPICS)]);
  const hint = near.length === 0 ? 'see "smc help"' : `did you mean ${near.join(", ")}?`;
  throw new SmcError("USAGE", `there is no help on '${show(word, 80)}'`, { hint });
}

export const command = defineCommand({
  usage: ["help [verb]", `help ${Object.keys(TOPICS).join("|")}`],
  positionals: [{ name: "verb", summary: "verb or topic; without it, the list of all" }],
  options: {},
  examples: [
    ["smc", "the verbs to begin with"],
    ["smc help", "all verbs"],
    ["smc help commit", "one verb"],
    ["smc help revisions", "how to name commits"],
  ],
  run: async (_context, { words }) => ({ topic: words[0] ?? null, lines: await page(words[0]) }),
  print: (data, out) => {
    for (const line of data.lines) out.line(line);
  },
  quiet: (data) => data.lines,
});
