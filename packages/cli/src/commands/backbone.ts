import type { VerbInput } from "@smc/daemon/client";
import type { BackboneResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { parseAction } from "../action.ts";
import { historyTable, kindTable, layerTable, settingsLine, sizeLine } from "../backbone-text.ts";
import { callOrAsk } from "../call-or-ask.ts";
import { changeLines } from "../change-text.ts";
import { type CommandContext, defineCommand, type ExecuteMode, Streamed } from "../command.ts";
import { followGroup } from "../follow-group.ts";
import { jobTable } from "../job-text.ts";
import type { Output } from "../output.ts";
import { parseScalars } from "../pairs.ts";
import { hintUnrecorded } from "../unrecorded.ts";

const ACTIONS = ["list", "show", "use", "set", "validate", "bench", "apply"] as const;
type Action = (typeof ACTIONS)[number];
const TEXT_SHOWN = 1000;

/** Which action takes an option; the others refuse it. */
const TAKEN: readonly (readonly [keyof BenchOptions | "task", readonly Action[]])[] = [
  ["task", ["list"]],
  ["data", ["show", "validate", "bench"]],
  ["epochs", ["bench"]],
  ["seed", ["bench"]],
  ["set", ["bench"]],
  ["name", ["bench"]],
  ["metric", ["bench", "apply"]],
  ["apply", ["bench"]],
  ["detach", ["bench"]],
];

interface BenchOptions {
  readonly data: string | undefined;
  readonly epochs: string | undefined;
  readonly seed: string | undefined;
  readonly set: readonly string[];
  readonly name: string | undefined;
  readonly metric: string | undefined;
  readonly apply: boolean;
  readonly detach: boolean;
}

export const command = defineCommand({
  usage: [
    "backbone [list] [--task TASK]",
    "backbone show [NAME] [--data D]",
    "backbone use NAME [K=V ...]",
    "backbone set K=V ...",
    "backbone validate [NAME] [K=V ...] [--data D]",
    "backbone bench A,B,... [--data D] [--epochs N] [--metric M] [--apply | --detach]",
    "backbone apply [GROUP] [--metric M]",
  ],
  description: [
    "The networks of smc train --engine tfjs. use and set write into smc.train.yaml in the root of the worktree,",
    "which smc train reads when no program is named: commit it, and a version knows its backbone. K is layers,",
    "width, dropout, inputSize, and for onnx:FILE output, pixels and layout; K=null takes the usual again. What was",
    "set and is replaced is shown and asked about. show lists the layers without training, and what was trained.",
    "bench trains each backbone with the rest of smc.train.yaml as it is, side by side as the queue has slots, and",
    "ranks them; --apply, or apply later, sets the best.",
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), completes: ACTIONS },
    { name: "NAME", summary: "a backbone, onnx:FILE for a model of the worktree; K=V", many: true },
  ],
  options: {
    task: {
      type: "choice",
      choices: ["classify", "regress", "detect"],
      summary: "list: those that can learn it",
    },
    data: { type: "string", value: "D", summary: "a data set of smc data, or a path, as of smc train" },
    epochs: { type: "string", value: "N", summary: "bench: how often all data are seen" },
    seed: { type: "string", value: "N", summary: "bench: the same for all" },
    set: { type: "string", value: "K=V", multiple: true, summary: "bench: any setting of smc train --set" },
    name: { type: "string", value: "NAME", summary: "bench: of the group of jobs (bench)" },
    metric: {
      type: "string",
      value: "M",
      summary: "by which they are ranked (the one people look at first)",
    },
    apply: { type: "boolean", summary: "bench: set the best one when all have ended" },
    detach: { type: "boolean", short: "d", summary: "bench: return as soon as there are jobs" },
  },
  examples: [
    ["smc backbone use tiny-cnn && smc train --data digits --epochs 3", "choose it, then train"],
    ["smc backbone set layers=3 dropout=0.2", "change it"],
    ["smc backbone show resnet-tiny", "its layers, before anything is trained"],
    ["smc backbone bench tiny-cnn,resnet-tiny --data digits --epochs 2 --apply", "take the better one"],
  ],
  run: async (context, { words, rest, options }, mode) => {
    const [word = "list", ...more] = [...words, ...(rest ?? [])];
    const action = parseAction("backbone", ACTIONS, word);
    for (const [name, of] of TAKEN) {
      const value = options[name];
      const isGiven = Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
      if (isGiven && !of.includes(action))
        throw new SmcError("USAGE", `--${name} goes with smc backbone ${of.join(", ")}`);
    }
    if (action === "bench") return bench(context, { words: more, options }, mode);
    const { task, data, metric } = options;
    const pairs = more.filter((each) => each.includes("="));
    const [name, second] = more.filter((each) => !each.includes("="));
    const isStray = (action === "list" && more.length > 0) || (action === "set" && name !== undefined);
    if (isStray || second !== undefined || (pairs.length > 0 && (action === "show" || action === "apply")))
      throw new SmcError("USAGE", `'${show(second ?? more[0] ?? "", 80)}' is one word too many`);
    const input = {
      action,
      ...(name === undefined ? {} : { name }),
      ...(pairs.length === 0 ? {} : { settings: parseScalars(action, pairs) }),
      ...(task === undefined ? {} : { task }),
      ...(data === undefined ? {} : { data }),
      ...(metric === undefined ? {} : { metric }),
    };
    return ask(context, input);
  },
  print: (data, out) => {
    const { action, kinds, described, history, training } = data;
    hintUnrecorded(data.changes.length > 0, data.recorded, out);
    if (training !== null) {
      for (const line of jobTable(training.jobs, out, Date.now())) out.line(line);
      out.hint(`rank them with "smc backbone apply ${show(training.jobs[0]?.group?.name ?? "")}"`);
      return;
    }
    if (action === "list") for (const line of kindTable(kinds)) out.line(line);
    if (described === null) return;
    if (action === "use" || action === "set" || action === "apply") printChanges(data, out);
    out.line(settingsLine(described));
    out.line(sizeLine(described));
    if (action !== "show") return;
    for (const line of layerTable(described)) out.line(line);
    for (const line of historyTable(history, Date.now())) out.line(line);
  },
  quiet: ({ kinds, described, training }) => {
    if (training !== null) return training.jobs.map(({ id }) => id);
    return described === null ? kinds.map(({ name }) => name) : [String(described.backbone["name"])];
  },
});

function printChanges({ changes, file }: BackboneResult, out: Output): void {
  if (changes.length === 0) out.hint(`${show(file, TEXT_SHOWN)} says so already`);
  else out.line(`Changed ${show(file, TEXT_SHOWN)}`);
  for (const line of changeLines(changes)) out.line(show(line, TEXT_SHOWN));
}

function ask(context: CommandContext, input: VerbInput<"backbone">): Promise<BackboneResult> {
  return callOrAsk(context, {
    call: (answer) => context.call("backbone", { ...input, ...answer }),
    tell: ({ changes, file }) =>
      changes.length === 0 ? [] : [`This changes ${show(file, TEXT_SHOWN)}:`, ...changeLines(changes)],
  });
}

async function bench(
  context: CommandContext,
  { words, options }: { words: readonly string[]; options: BenchOptions },
  mode: ExecuteMode,
): Promise<BackboneResult | Streamed> {
  const { data, epochs, seed, set, name, metric, apply, detach } = options;
  const [list, ...more] = words;
  if (list === undefined || more.length > 0)
    throw new SmcError("USAGE", 'it is "smc backbone bench A,B,..."; no job was made');
  if (apply && detach)
    throw new SmcError("USAGE", '--apply waits for the jobs; after --detach say "smc backbone apply"');
  const own = Object.entries({ data, epochs, seed }).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  const made = await context.call("backbone", {
    action: "bench",
    backbones: list.split(","),
    settings: parseScalars("--set", [...own, ...set]),
    ...(name === undefined ? {} : { name }),
  });
  const { training } = made;
  if (detach || training === null) return made;
  const by = metric === undefined ? {} : { metric };
  const exit = await followGroup(context, training, mode, by);
  if (!apply) return new Streamed(exit);
  const applied = await ask(context, { action: "apply", name: training.group ?? "", ...by });
  if (mode.json) mode.out.jsonLine(applied);
  else if (!mode.quiet) printChanges(applied, mode.out);
  return new Streamed(exit);
}
