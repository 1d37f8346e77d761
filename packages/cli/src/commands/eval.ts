import type { EvalResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { valuesText } from "../commit-text.ts";
import { defineCommand } from "../command.ts";
import { parseScalars } from "../pairs.ts";
import { formatCount, formatNumber, formatTable, shortDigest } from "../format.ts";

/** Further classes are only in --json. */
const CLASSES_SHOWN = 50;

export const command = defineCommand({
  usage: [
    "eval [REV[:FOLDER]] --data D [--split all|validation] [--metric [NAME=]METRIC ...] [-n]",
    "eval [REV[:FILE.onnx]] --data D [--classes A,B,...] [--set K=V ...] [...]",
  ],
  description: [
    "Runs the model that the trainer of smc wrote into a version over data, and notes the numbers about that version:",
    "from then on they are its metrics, as those of smc note --metric, with the digest of the data beside them. D is a",
    "data set of smc data, a path in the worktree, or digits: the files are those of the worktree, so that all",
    "versions, archived ones too, are measured on the same. validation takes the samples that a training on these data",
    "keeps aside. The metrics are loss, acc and balanced_acc (the mean over the classes), or loss, mae and rmse; they",
    "are noted as D_acc, D_val_acc and so on, with --metric azi=acc as azi. --json also tells which class was taken for",
    "which. Of other programs ONNX models can be run: inputs and outputs are found in the file, --classes names what",
    "its outputs mean, and --set backbone.pixels=imagenet and so on what it wants to see. Other versions: measure them",
    "with their program, and write it down with smc note --metric.",
  ],
  positionals: [{ name: "REV", summary: "the version (HEAD)", completes: "refs" }],
  options: {
    data: { type: "string", value: "D", summary: "a data set, a path in the worktree, or digits" },
    split: { type: "choice", choices: ["all", "validation"], summary: "which samples (all)" },
    metric: { type: "string", value: "[NAME=]METRIC", multiple: true, summary: "note only these" },
    classes: { type: "string", value: "A,B,...", summary: "ONNX: its classes in the order of its outputs" },
    set: {
      type: "string",
      value: "K=V",
      multiple: true,
      summary:
        "how data are read: data.label, validation; ONNX: backbone.pixels, .layout, .output, .inputSize",
    },
    "dry-run": { type: "boolean", short: "n", summary: "note nothing" },
  },
  examples: [
    ["smc eval champion --data cats", "measure it, and note it"],
    ["smc eval v1.0.0 --data cats --split validation --metric azi=acc", "under a name of its own"],
    ["smc eval v2:net.onnx --data cats --set backbone.pixels=imagenet", "a model of another program"],
    ["for v in $(smc versions -q); do smc eval $v --data cats; done", "all versions on the same data"],
  ],
  run: (context, { words, rest, options }) => {
    const [revision, ...more] = [...words, ...(rest ?? [])];
    if (more.length > 0) throw new SmcError("USAGE", "one version at a time");
    const { data, split, metric, classes, set } = options;
    if (data === undefined) throw new SmcError("USAGE", "say with --data what it is measured on");
    return context.call("eval", {
      data,
      ...(revision === undefined ? {} : { revision }),
      ...(split === undefined ? {} : { split }),
      ...(metric.length === 0 ? {} : { metrics: [...metric] }),
      ...(classes === undefined ? {} : { classes: classes.split(",") }),
      ...(set.length === 0 ? {} : { settings: parseScalars("--set", set) }),
      ...(options["dry-run"] ? { dryRun: true } : {}),
    });
  },
  print: (data, out) => {
    const about = `${shortDigest(data.commit)}${data.folder === "" ? "" : `:${show(data.folder, 200)}`}`;
    const split = data.split === "all" ? "" : ` (${data.split})`;
    out.line(`${about} on ${show(data.data.name, 200)}${split}: ${formatCount(data.samples, "sample")}`);
    for (const line of metricLines(data)) out.line(line);
    for (const line of classLines(data)) out.line(line);
    const more = data.classes.length - CLASSES_SHOWN;
    if (more > 0) out.hint(`${more} more classes; see them with --json`);
    const words = valuesText(data.noted);
    out.line(data.note === null ? `Would note ${words}` : `Noted ${words}`);
    if (data.classesFrom === "data")
      out.hint("its classes are taken to be in the order of the data; --classes names them in another");
    const hint = learnedHint(data);
    if (hint !== undefined) out.hint(hint);
  },
  quiet: ({ note }) => (note === null ? [] : [note.digest]),
});

function metricLines({ metrics }: EvalResult): string[] {
  return formatTable(
    Object.entries(metrics).map(([name, value]) => [name, formatNumber(value)]),
    [1],
  );
}

function classLines({ classes }: EvalResult): string[] {
  if (classes.length === 0) return [];
  const rows = classes
    .slice(0, CLASSES_SHOWN)
    .map(({ name, samples, right }) => [
      show(name, 60),
      String(samples),
      String(right),
      samples === 0 ? "-" : formatNumber(right / samples),
    ]);
  return formatTable([["CLASS", "SAMPLES", "RIGHT", "ACC"], ...rows], [1, 2, 3]);
}

/** A number on what was learned says little. */
function learnedHint({ isTrainingData, split }: EvalResult): string | undefined {
  if (split === "all" && isTrainingData === true)
    return "it was trained on these data: --split validation takes the samples that were kept aside";
  if (split === "validation" && isTrainingData !== true)
    return "it was not trained on just these data: it may have learned some of the samples";
  return undefined;
}
