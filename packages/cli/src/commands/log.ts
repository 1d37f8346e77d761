import type { LogRow } from "@smc/store";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { commitLines, decorationText, valuesText } from "../commit-text.ts";
import { defineCommand } from "../command.ts";
import { formatAgo, formatNumber, formatSize, pad, shortDigest, textWidth } from "../format.ts";
import type { Output } from "../output.ts";

const COUNT_MAX = 1_000_000_000;
const HEAD_WIDTH_MAX = 72;
const BARS = "▁▂▃▄▅▆▇█";

/** The columns that go on below a line of the drawing. */
function columnsBelow(last: string, isRoot: boolean): string {
  const below: string[] = [];
  for (const [position, character] of [...last].entries()) {
    const column = character === "/" ? position - 1 : character === "\\" ? position + 1 : position;
    if ("|/\\".includes(character) || (character === "*" && !isRoot)) below[column] = "|";
  }
  return Array.from(below, (character) => character ?? " ").join("");
}

/** The lines of a commit beside the lines of the drawing. */
function beside(row: LogRow, lines: readonly string[]): string[] {
  const { graph } = row;
  if (graph === undefined) return [...lines];
  const width = Math.max(0, ...graph.map(textWidth));
  const below = columnsBelow(graph.at(-1) ?? "", row.parents.length === 0);
  return Array.from({ length: Math.max(graph.length, lines.length) }, (_, position) => {
    return `${pad(graph[position] ?? below, width)} ${lines[position] ?? ""}`.trimEnd();
  });
}

function onelineParts(row: LogRow, out: Output, nowMs: number): { head: string; tail: string } {
  const metrics = valuesText(row.metrics);
  const head = `${out.paint("yellow", shortDigest(row.digest))}${decorationText(row, out)} ${show(row.subject, 200)}`;
  const size = row.sizeBytes === undefined ? "" : `  ${formatSize(row.sizeBytes)}`;
  const ago = out.paint("dim", formatAgo(Date.parse(row.date), nowMs));
  return { head: metrics === "" ? head : `${head}: ${metrics}`, tail: `${ago}${size}` };
}

// oxlint-disable-next-line no-control-regex
const PAINT = /\u001b\[[0-9;]*m/g;

function printOneline(rows: readonly LogRow[], out: Output): void {
  const now = Date.now();
  const parts = rows.map((row) => onelineParts(row, out, now));
  const widths = parts.map(({ head }) => textWidth(head.replace(PAINT, "")));
  const width = Math.min(HEAD_WIDTH_MAX, Math.max(0, ...widths));
  for (const [position, row] of rows.entries()) {
    const { head = "", tail = "" } = parts[position] ?? {};
    const fill = " ".repeat(Math.max(0, width - (widths[position] ?? 0)));
    for (const text of beside(row, [`${head}${fill}  ${tail}`])) out.line(text);
  }
}

/** "azi  50.66 ▁▃█ 71.28", oldest first. */
function printSpark(rows: readonly LogRow[], metric: string, out: Output): void {
  const points = rows.flatMap((row) => (row.metric === undefined ? [] : [row.metric])).reverse();
  const values = points.map(({ value }) => value);
  const low = Math.min(...values);
  const span = Math.max(...values) - low;
  const bars = values.map(
    (value) => BARS[span === 0 ? 0 : Math.round(((value - low) / span) * (BARS.length - 1))],
  );
  const [first, last] = [values[0], values.at(-1)];
  if (first === undefined || last === undefined) out.line(`no commit has the metric '${show(metric, 80)}'`);
  else out.line(`${show(metric, 80)}  ${formatNumber(first)} ${bars.join("")} ${formatNumber(last)}`);
}

function printMetric(rows: readonly LogRow[], metric: string, out: Output): void {
  for (const row of rows) {
    if (row.metric === undefined) continue;
    const { value, change, best } = row.metric;
    const delta = change === null ? "" : `${change > 0 ? "+" : ""}${formatNumber(change)}`;
    const cells = [
      formatNumber(value).padStart(10),
      delta.padStart(10),
      best ? out.paint("green", "best") : "    ",
    ];
    const head = `${out.paint("yellow", shortDigest(row.digest))}${decorationText(row, out)} ${show(row.subject, 200)}`;
    out.line(`${cells.join("  ")}  ${head}`);
  }
  printSpark(rows, metric, out);
}

export const command = defineCommand({
  usage: ["log [options] [REV ...] [-- path ...]", "log A..B"],
  description: ["Lists commits, newest first, with their metrics. -3 is short for -n 3."],
  positionals: [
    { name: "REV", summary: "start here; A..B for a range", completes: "refs", many: true },
    { name: "path", summary: "after --: only commits that changed these", many: true },
  ],
  digits: "max-count",
  options: {
    oneline: { type: "boolean", summary: "one line for each commit" },
    graph: { type: "boolean", summary: "draw branches and merges" },
    "max-count": {
      type: "integer",
      short: "n",
      value: "COUNT",
      min: 0,
      max: COUNT_MAX,
      summary: "at most so many",
    },
    skip: { type: "integer", value: "COUNT", min: 0, max: COUNT_MAX, summary: "leave out the first so many" },
    since: { type: "string", value: "DATE", summary: "only commits after this moment" },
    until: { type: "string", value: "DATE", summary: "only commits before this moment" },
    author: { type: "string", value: "TEXT", summary: "only commits whose author contains TEXT" },
    metric: {
      type: "string",
      value: "NAME",
      summary: "only commits with this metric, with changes and the best",
    },
    type: {
      type: "choice",
      choices: ["commit", "train", "import", "merge"],
      summary: "only commits that came to be so: train, the output of jobs",
    },
    spark: { type: "boolean", summary: "with --metric: only a line of bars" },
    all: { type: "boolean", summary: "start from every branch and tag" },
    "first-parent": { type: "boolean", summary: "follow only the first parent of merges" },
  },
  examples: [
    ["smc log --oneline -5", "the last five commits"],
    ["smc log --graph --all --oneline", "how branches came together"],
    ["smc log --metric acc", "how a metric developed"],
    ["smc log --all --type train", "what jobs made"],
    ["smc log v1.0.0..main -- weights/", "what changed weights since the release"],
  ],
  run: (context, { words, rest, options }) => {
    if (options.spark && options.metric === undefined)
      throw new SmcError("USAGE", "--spark goes with --metric NAME");
    return context.call("log", {
      ...(words.length === 0 ? {} : { revisions: [...words] }),
      ...(rest === undefined ? {} : { paths: [...rest] }),
      ...(options["max-count"] === undefined ? {} : { limit: options["max-count"] }),
      ...(options.skip === undefined ? {} : { skip: options.skip }),
      ...(options.since === undefined ? {} : { since: options.since }),
      ...(options.until === undefined ? {} : { until: options.until }),
      ...(options.author === undefined ? {} : { author: options.author }),
      ...(options.metric === undefined ? {} : { metric: options.metric }),
      ...(options.type === undefined ? {} : { type: options.type }),
      all: options.all,
      firstParent: options["first-parent"],
      graph: options.graph,
      sizes: options.oneline,
    });
  },
  print: (data, out, { options }) => {
    if (options.metric !== undefined) {
      if (options.spark) printSpark(data, options.metric, out);
      else printMetric(data, options.metric, out);
    } else if (options.oneline) printOneline(data, out);
    else {
      for (const row of data) for (const line of beside(row, commitLines(row, out))) out.line(line);
    }
  },
  quiet: (data) => data.map(({ digest }) => digest),
});
