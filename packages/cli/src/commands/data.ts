import type { DataResult } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { parseAction } from "../action.ts";
import { defineCommand } from "../command.ts";
import { formatCount, formatTable } from "../format.ts";
import type { Output } from "../output.ts";
import { parseScalars } from "../pairs.ts";
import { sampleLines, sampleTitle } from "../sample-text.ts";
import { hintUnrecorded } from "../unrecorded.ts";

const ACTIONS = ["list", "add", "rm", "validate", "status", "preview"] as const;
const DIGEST_SHOWN = 12;
const CLASSES_SHOWN = 12;

type Row = DataResult["sets"][number];
type Action = (typeof ACTIONS)[number];

export const command = defineCommand({
  usage: [
    "data [list]",
    "data add NAME PATH [--set K=V ...] [--needed N] [--description TEXT] [--force]",
    "data validate [NAME ...]",
    "data status [NAME ...] [--ready]",
    "data preview NAME [--count N]",
    "data rm NAME",
  ],
  description: [
    "Data sets for smc train --engine tfjs: smc.data.json in the root of the worktree says where each is, how it is",
    "read and split, and what the last check found. Commit it and the files, and a version knows what it was",
    "trained on. PATH is a folder with a folder of PNG or JPEG images for each class, a .csv, .npz or .npy file,",
    "npm:PACKAGE/PATH of an installed package, which is copied to data/NAME, or digits. validate reads everything",
    "as a training would and tells all that is wrong; the status is then 1. status counts the samples that can be",
    "learned from, and those that the champion has not seen.",
  ],
  positionals: [
    { name: "action", summary: ACTIONS.join(", "), completes: ACTIONS },
    { name: "NAME", summary: "of the data set; add: then where it is", many: true },
  ],
  options: {
    set: {
      type: "string",
      value: "K=V",
      multiple: true,
      summary: "add: data.label, data.task, data.channels, backbone.inputSize, validation, splitSeed",
    },
    needed: { type: "string", value: "N", summary: "add: new samples that are worth a training (1)" },
    description: { type: "string", value: "TEXT", summary: "add: what it is" },
    force: { type: "boolean", summary: "add: replace the entry, and the copy of a package" },
    ready: { type: "boolean", summary: "status: end with 1 unless each has the new samples that it needs" },
    count: { type: "string", short: "n", value: "N", summary: "preview: so many samples, 64 at most (4)" },
  },
  digits: "count",
  examples: [
    ["smc data add cats data/cats --set backbone.inputSize=32", "say what it is; it is checked at once"],
    ["smc data validate", "all that is wrong with all of them"],
    ["smc data preview cats -n 8", "look at some of them"],
    ["smc train --engine tfjs --data cats --backbone tiny-cnn", "learn from it"],
    ["smc data status cats --ready", "is there enough for another training?"],
  ],
  run: (context, { words, rest, options }) => {
    const [word = "list", ...more] = [...words, ...(rest ?? [])];
    const action = parseAction("data", ACTIONS, word);
    const { set, needed, description, force, count } = options;
    const isAdding = set.length > 0 || needed !== undefined || description !== undefined || force;
    if (action !== "add" && isAdding) throw new SmcError("USAGE", "these options go with smc data add");
    if (options.ready && action !== "status")
      throw new SmcError("USAGE", "--ready goes with smc data status");
    if (action !== "preview" && count !== undefined)
      throw new SmcError("USAGE", "--count goes with smc data preview");
    if (action === "list" && more.length > 0)
      throw new SmcError("USAGE", 'it is "smc data list", without more');
    if (action === "add" && more.length !== 2) throw new SmcError("USAGE", 'it is "smc data add NAME PATH"');
    const [names, path] = action === "add" ? [more.slice(0, 1), more[1]] : [more, undefined];
    return context.call("data", {
      action,
      ...(names.length === 0 ? {} : { names }),
      ...(path === undefined ? {} : { path, settings: parseScalars("--set", set), force }),
      ...(needed === undefined ? {} : { needed: parseCount("--needed", needed) }),
      ...(description === undefined ? {} : { description }),
      ...(count === undefined ? {} : { count: parseCount("--count", count) }),
    });
  },
  print: (data, out) => {
    const { action, sets, file } = data;
    hintUnrecorded(action === "add" || action === "rm", data.recorded, out);
    if (sets.length === 0)
      out.hint(`${show(file, 1000)} has no data set; add one with "smc data add NAME PATH"`);
    else if (action === "list") for (const line of listLines(sets)) out.line(line);
    else if (action === "status") for (const line of statusLines(sets)) out.line(line);
    else for (const row of sets) printOne(action, row, { out, file });
    if (action === "status") for (const row of sets) printProblems(row, out, true);
  },
  quiet: ({ sets }) => sets.map(({ name }) => name),
  exitCode: ({ action, sets }, { options }) => {
    if (options.ready) return sets.length > 0 && sets.every(({ isReady }) => isReady === true) ? 0 : 1;
    const isCheck = action === "add" || action === "validate";
    return isCheck && sets.some((row) => (row.report?.problemCount ?? 0) > 0) ? 1 : 0;
  },
});

function parseCount(option: string, text: string): number {
  if (/^\d{1,8}$/.test(text)) return Number(text);
  throw new SmcError("ARGUMENT_INVALID", `${option}: '${show(text, 40)}' is not a whole number`);
}

function printOne(action: Action, row: Row, { out, file }: { out: Output; file: string }): void {
  const { name, report } = row;
  if (action === "rm") return out.line(`Removed ${name} from ${show(file, 1000)}`);
  if (action === "add") out.line(`Added ${name} to ${show(file, 1000)}`);
  if (action === "preview") {
    for (const sample of report?.shown ?? []) {
      out.line(sampleTitle(sample));
      for (const line of sampleLines(sample, out)) out.line(line);
    }
  } else out.line(`${name}: ${summary(row)}`);
  printProblems(row, out, action === "preview");
}

function printProblems({ name, report }: Row, out: Output, isBrief: boolean): void {
  if (report === null || report.problemCount === 0) return;
  if (isBrief) {
    out.hint(`${formatCount(report.problemCount, "problem")}; see "smc data validate ${name}"`);
    return;
  }
  for (const problem of report.problems) out.line(`  ${problem}`);
  const more = report.problemCount - report.problems.length;
  if (more > 0) out.line(`  and ${more} more`);
}

function summary({ report, isUnchanged }: Row): string {
  if (report === null) return "not read";
  const { samples, shape, classes, classCount, split, problemCount } = report;
  const shown = classes.slice(0, CLASSES_SHOWN).map((each) => `${show(each.name, 40)} ${each.samples}`);
  const more = classCount > shown.length ? ", …" : "";
  const parts = [`${formatCount(samples, "sample")} of ${shape.length === 0 ? "?" : shape.join(" x ")}`];
  if (classCount > 0)
    parts.push(`${formatCount(classCount, "class", "classes")} (${shown.join(", ")}${more})`);
  if (split !== null) parts.push(`${split.train} to train, ${split.validation} to validate`);
  if (problemCount > 0) parts.push(formatCount(problemCount, "problem"));
  else if (isUnchanged === false) parts.push("changed since the last check");
  return parts.join(", ");
}

function listLines(sets: readonly Row[]): string[] {
  const rows = sets.map(({ name, settings, checked, description }) => [
    name,
    checked === null ? "unchecked" : String(checked.samples),
    checked?.digest.slice(0, DIGEST_SHOWN) ?? "-",
    String(settings["data.kind"] ?? "?"),
    show(String(settings["data.path"] ?? "-"), 300),
    show(description ?? "", 300),
  ]);
  return formatTable([["NAME", "SAMPLES", "DIGEST", "KIND", "PATH", ""], ...rows], [1]);
}

function statusLines(sets: readonly Row[]): string[] {
  const rows = sets.map(({ name, report, newSamples, needed, isReady, isUnchanged }) => [
    name,
    String(report?.samples ?? 0),
    String(report?.problemCount ?? 0),
    `${newSamples ?? 0}/${needed}`,
    isReady === true ? "ready" : "not ready",
    isUnchanged === true ? "" : "changed since the last check",
  ]);
  return formatTable([["NAME", "SAMPLES", "PROBLEMS", "NEW/NEEDED", "STATE", ""], ...rows], [1, 2, 3]);
}
