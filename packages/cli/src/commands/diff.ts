import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatMarkdown, formatNumber, formatSize, formatTable, shortDigest, shortRef } from "../format.ts";
import type { Output } from "../output.ts";

interface FileSide {
  readonly digest: string;
  readonly sizeBytes: number;
}
interface FileRow {
  readonly path: string;
  readonly from?: FileSide | null;
  readonly to?: FileSide | null;
}
interface DiffData {
  readonly files: {
    readonly added: readonly FileRow[];
    readonly modified: readonly FileRow[];
    readonly deleted: readonly FileRow[];
  };
  readonly metrics: readonly { name: string; from: number | null; to: number | null; delta: number | null }[];
  readonly params: readonly { name: string; from: unknown; to: unknown }[];
}
type Rows = string[][];

const ABSENT = "-";

function change(delta: number | null): string {
  if (delta === null) return ABSENT;
  if (delta === 0) return "0";
  return `${delta > 0 ? "+" : ""}${formatNumber(delta)} ${delta > 0 ? "▲" : "▼"}`;
}

function number(value: number | null): string {
  return value === null ? ABSENT : formatNumber(value);
}

function param(value: unknown): string {
  if (value === null || value === undefined) return ABSENT;
  return show(typeof value === "string" ? value : (JSON.stringify(value) ?? ABSENT), 60);
}

function metricRows(data: DiffData, [from, to]: readonly [string, string]): Rows {
  const rows = data.metrics.map((row) => [show(row.name, 80), number(row.from), number(row.to), change(row.delta)]);
  return [["Metric", from, to, "Change"], ...rows];
}

function paramRows(data: DiffData, [from, to]: readonly [string, string]): Rows {
  return [["Param", from, to], ...data.params.map((row) => [show(row.name, 80), param(row.from), param(row.to)])];
}

function sizes(row: FileRow): string {
  const sides = [row.from, row.to].filter((side) => side !== undefined && side !== null);
  return sides.map((side) => formatSize(side.sizeBytes)).join(" -> ");
}

function fileRows({ files }: DiffData): Rows {
  const rows = (label: string, list: readonly FileRow[]): Rows => list.map((row) => [label, show(row.path), sizes(row)]);
  return [...rows("Added", files.added), ...rows("Modified", files.modified), ...rows("Deleted", files.deleted)];
}

function summary({ files }: DiffData): string {
  return `${files.added.length} added, ${files.modified.length} modified, ${files.deleted.length} deleted`;
}

function sizeDelta({ files }: DiffData): string {
  const sum = (rows: readonly FileRow[], side: "from" | "to"): number =>
    rows.reduce((total, row) => total + (row[side]?.sizeBytes ?? 0), 0);
  const all = [...files.added, ...files.modified, ...files.deleted];
  const delta = sum(all, "to") - sum(all, "from");
  return `${delta < 0 ? "-" : "+"}${formatSize(Math.abs(delta))}`;
}

function printText(data: DiffData, out: Output, names: readonly [string, string]): void {
  const tables = [
    data.metrics.length > 0 ? formatTable(metricRows(data, names), [1, 2, 3]) : [],
    data.params.length > 0 ? formatTable(paramRows(data, names), [1, 2]) : [],
  ];
  for (const lines of tables.filter((table) => table.length > 0)) {
    const [head = "", ...body] = lines;
    out.line(out.paint("bold", head));
    for (const line of body) out.line(line);
    out.line();
  }
  const colours = { Added: "green", Modified: "yellow", Deleted: "red" } as const;
  for (const line of formatTable(fileRows(data), [2])) {
    const word = /^\w+/.exec(line)?.[0];
    out.line(word === "Added" || word === "Modified" || word === "Deleted" ? out.paint(colours[word], line) : line);
  }
  if (fileRows(data).length > 0) out.line(`${summary(data)} (${sizeDelta(data)})`);
}

function printMarkdown(data: DiffData, out: Output, names: readonly [string, string]): void {
  const tables = [
    { rows: metricRows(data, names), right: [1, 2, 3] },
    { rows: paramRows(data, names), right: [1, 2] },
    { rows: [["Change", "File", "Size"], ...fileRows(data)], right: [2] },
  ].filter(({ rows }) => rows.length > 1);
  for (const [position, { rows, right }] of tables.entries()) {
    if (position > 0) out.line();
    for (const line of formatMarkdown(rows, right)) out.line(line);
  }
}

function printStat(data: DiffData, out: Output): void {
  for (const line of formatTable(fileRows(data).map(([label = "", path = "", size = ""]) => [` ${path}`, label.toLowerCase(), size]))) {
    out.line(line);
  }
  out.line(`${summary(data)} (${sizeDelta(data)})`);
}

function allPaths({ files }: DiffData): string[] {
  return [...files.added, ...files.modified, ...files.deleted].map((row) => row.path).sort();
}

function differs(data: DiffData): boolean {
  return allPaths(data).length + data.metrics.length + data.params.length > 0;
}

/** Heads of the two value columns. */
function columnNames(words: readonly string[], staged: boolean): [string, string] {
  const range = words.length === 1 ? /^(.*?)\.{2,3}(.*)$/.exec(words[0] ?? "") : null;
  if (range !== null) return [shortName(range[1] ?? ""), shortName(range[2] ?? "")];
  const [from, to] = words;
  return [shortName(from ?? (staged ? "HEAD" : "stage")), to === undefined ? (staged ? "stage" : "folder") : shortName(to)];
}

function shortName(revision: string): string {
  return revision === "" ? "HEAD" : shortRef(shortDigest(revision));
}

export const command = defineCommand({
  usage: ["diff [options] [A [B]] [-- path ...]", "diff [options] A..B"],
  description: [
    "Without a revision: the folder against the stage (with --staged: the stage against HEAD).",
    "With one: the folder against it. With two: the second against the first, with metrics and params.",
  ],
  positionals: [
    { name: "A", summary: "from this revision", completes: "refs" },
    { name: "B", summary: "to this revision", completes: "refs" },
    { name: "path", summary: "after --: only these files and folders", many: true },
  ],
  options: {
    staged: { type: "boolean", summary: "compare the stage with HEAD or A" },
    stat: { type: "boolean", summary: "files and sizes only" },
    "name-only": { type: "boolean", summary: "paths only" },
    md: { type: "boolean", summary: "print Markdown tables" },
    "exit-code": { type: "boolean", summary: "end with 1 when something differs" },
  },
  examples: [
    ["smc diff", "what is changed and not staged?"],
    ["smc diff v1.0.0 v1.1.0", "what did the release change?"],
    ["smc diff --md v1.0.0..v1.1.0", "for a pull request"],
    ["smc diff --exit-code v1.0.0 -- weights/", "do these files still equal the release?"],
  ],
  run: (context, { words, rest, options }) =>
    context.call("diff", { revisions: [...words], paths: [...(rest ?? [])], staged: options.staged }),
  print: (data, out, { words, options }) => {
    const names = columnNames(words, options.staged);
    if (options["name-only"]) for (const path of allPaths(data)) out.line(show(path));
    else if (options.md) printMarkdown(data, out, names);
    else if (options.stat) printStat(data, out);
    else printText(data, out, names);
  },
  quiet: allPaths,
  exitCode: (data, { options }) => (options["exit-code"] && differs(data) ? 1 : 0),
});
