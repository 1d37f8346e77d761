/** What differs between two versions, for people. */
import type { DiffResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatMarkdown, formatNumber, formatSize, formatTable, shortDigest } from "./format.ts";
import type { Output } from "./output.ts";

type FileChange = DiffResult["files"]["added"][number];
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

function param(value: DiffResult["params"][number]["from"]): string {
  if (value === null) return ABSENT;
  return show(typeof value === "number" ? formatNumber(value) : String(value), 60);
}

function metricRows(data: DiffResult): Rows {
  const rows = data.metrics.map((row) => [
    show(row.name, 80),
    number(row.from),
    number(row.to),
    change(row.delta),
  ]);
  return [["Metric", shortDigest(data.from), shortDigest(data.to), "Change"], ...rows];
}

function paramRows(data: DiffResult): Rows {
  const rows = data.params.map((row) => [show(row.name, 80), param(row.from), param(row.to)]);
  return [["Param", shortDigest(data.from), shortDigest(data.to)], ...rows];
}

function sizes(row: FileChange): string {
  const sides = [row.from, row.to].filter((side) => side !== undefined);
  return sides.map((side) => formatSize(side.sizeBytes)).join(" -> ");
}

function fileRows({ files }: DiffResult): Rows {
  const rows = (label: string, list: readonly FileChange[]): Rows =>
    list.map((row) => [label, show(row.path), sizes(row)]);
  return [
    ...rows("Added", files.added),
    ...rows("Modified", files.modified),
    ...rows("Deleted", files.deleted),
  ];
}

function summary({ files }: DiffResult): string {
  return `${files.added.length} added, ${files.modified.length} modified, ${files.deleted.length} deleted`;
}

function sizeDelta({ files }: DiffResult): string {
  const sum = (rows: readonly FileChange[], side: "from" | "to"): number =>
    rows.reduce((total, row) => total + (row[side]?.sizeBytes ?? 0), 0);
  const all = [...files.added, ...files.modified, ...files.deleted];
  const delta = sum(all, "to") - sum(all, "from");
  return `${delta < 0 ? "-" : "+"}${formatSize(Math.abs(delta))}`;
}

/** Tables of metrics and params with a change column, then files with sizes. */
export function printDiff(data: DiffResult, out: Output): void {
  const tables = [
    data.metrics.length > 0 ? formatTable(metricRows(data), [1, 2, 3]) : [],
    data.params.length > 0 ? formatTable(paramRows(data), [1, 2]) : [],
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
    out.line(
      word === "Added" || word === "Modified" || word === "Deleted" ? out.paint(colours[word], line) : line,
    );
  }
  if (fileRows(data).length > 0) out.line(`${summary(data)} (${sizeDelta(data)})`);
}

/** The same as Markdown tables. */
export function printDiffMarkdown(data: DiffResult, out: Output): void {
  const tables = [
    { rows: metricRows(data), right: [1, 2, 3] },
    { rows: paramRows(data), right: [1, 2] },
    { rows: [["Change", "File", "Size"], ...fileRows(data)], right: [2] },
  ].filter(({ rows }) => rows.length > 1);
  for (const [position, { rows, right }] of tables.entries()) {
    if (position > 0) out.line();
    for (const line of formatMarkdown(rows, right)) out.line(line);
  }
}

/** Files and sizes only. */
export function printDiffStat(data: DiffResult, out: Output): void {
  for (const line of formatTable(
    fileRows(data).map(([label = "", path = "", size = ""]) => [` ${path}`, label.toLowerCase(), size]),
  )) {
    out.line(line);
  }
  out.line(`${summary(data)} (${sizeDelta(data)})`);
}

/** Paths of all files that differ, sorted. */
export function allPaths({ files }: DiffResult): string[] {
  return [...files.added, ...files.modified, ...files.deleted].map((row) => row.path).sort();
}

export function differs(data: DiffResult): boolean {
  return allPaths(data).length + data.metrics.length + data.params.length > 0;
}
