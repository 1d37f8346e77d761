/** Versions side by side, for people: sections of rows, as text, Markdown or CSV. */
import type { CompareResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatMarkdown, formatNumber, formatSize, formatTable, shortDigest } from "./format.ts";
import type { Output } from "./output.ts";

const ABSENT = "-";
/** No two trainings have these in common, so that they differ says nothing. */
const OF_EACH_TRAINING: ReadonlySet<string> = new Set([
  "lineage.job",
  "training.job",
  "training.startedMs",
  "training.endedMs",
  "training.history",
]);

export interface CompareStyle {
  /** Rows of metrics that are equal are left out, too. */
  readonly onlyChanged: boolean;
  /** Rows of params, metadata and files that are equal are shown, too, and those that always differ. */
  readonly all: boolean;
}

export interface Section {
  readonly rows: readonly (readonly string[])[];
  readonly right: readonly number[];
  /** Below it: how many rows are not shown. */
  readonly foot?: string;
}

function labels({ versions }: CompareResult): string[] {
  return versions.map(({ label }) => show(shortDigest(label), 60));
}

function deltaText(delta: number | null, lowerIsBetter: boolean): string {
  if (delta === null) return ABSENT;
  if (delta === 0) return "0";
  const isBetter = delta > 0 !== lowerIsBetter;
  return `${delta > 0 ? "+" : ""}${formatNumber(delta)} ${isBetter ? "▲" : "▼"}`;
}

function metricsSection(data: CompareResult, { onlyChanged }: CompareStyle): Section {
  const names = labels(data);
  const wanted = data.metrics.filter(({ isSame }) => !(onlyChanged && isSame));
  const others = names.slice(1);
  const changes = others.length === 1 ? ["Change"] : others.map((name) => `Δ ${name}`);
  const rows = wanted.map((row) => [
    show(row.name, 80),
    ...row.values.map((value) => (value === null ? ABSENT : formatNumber(value))),
    ...row.deltas.slice(1).map((delta) => deltaText(delta, row.lowerIsBetter)),
  ]);
  const head = ["Metric", ...names, ...changes];
  const right = head.map((_, at) => at).slice(1);
  return { rows: rows.length === 0 ? [] : [head, ...rows], right };
}

function valueText(value: unknown): string {
  if (typeof value === "number") return formatNumber(value);
  return show(typeof value === "string" ? value : JSON.stringify(value), 60);
}

function valuesSection(
  title: string,
  { data, rows, noun }: { data: CompareResult; rows: CompareResult["params"]; noun: string },
  { all }: CompareStyle,
): Section {
  const names = labels(data);
  const differing = rows.filter(({ isSame }) => !isSame);
  const wanted = all ? rows : differing.filter(({ name }) => !OF_EACH_TRAINING.has(name));
  const cells = wanted.map((row) => [
    show(row.name, 80),
    ...row.values.map((value, at) => (row.has[at] === true ? valueText(value) : ABSENT)),
  ]);
  const hidden = rows.length - wanted.length;
  const foot =
    hidden === 0
      ? {}
      : { foot: `${differing.length} of ${rows.length} ${noun} differ (--all shows all of them)` };
  return {
    rows: cells.length === 0 ? [] : [[title, ...names], ...cells],
    right: names.map((_, at) => at + 1),
    ...foot,
  };
}

function filesSection(data: CompareResult): Section {
  const names = labels(data);
  const rows = data.files.rows.map(({ path, values, isSame }) => [
    show(path),
    ...values.map((value) => (value === null ? ABSENT : formatSize(value.sizeBytes))),
    isSame ? "same" : "",
  ]);
  const foot = data.files.leftOut === 0 ? {} : { foot: `${data.files.leftOut} more files differ` };
  return {
    rows: rows.length === 0 ? [] : [["File", ...names, ""], ...rows],
    right: names.map((_, at) => at + 1),
    ...foot,
  };
}

function versionsSection(data: CompareResult): Section {
  const line = (title: string, cells: readonly string[]): string[] => [title, ...cells];
  const rows = [
    line("Version", labels(data)),
    line(
      "Commit",
      data.versions.map(({ commit }) => shortDigest(commit)),
    ),
    line(
      "Date",
      data.versions.map(({ date }) => show(date.slice(0, 10), 20)),
    ),
    line(
      "Size",
      data.versions.map(({ sizeBytes }) => formatSize(sizeBytes)),
    ),
    line(
      "Tags",
      data.versions.map(({ tags }) => (tags.length === 0 ? ABSENT : show(tags.join(", "), 80))),
    ),
  ];
  return { rows, right: labels(data).map((_, at) => at + 1) };
}

function tensorsSection(data: CompareResult): Section {
  const { tensors } = data;
  if (tensors === undefined) return { rows: [], right: [] };
  const names = labels(data);
  const count = (name: "changed" | "added" | "removed" | "equal" | "notCompared"): string[] =>
    tensors.map((total) => (total === null ? ABSENT : String(total[name])));
  const rows = [
    ["changed", ...count("changed")],
    ["added", ...count("added")],
    ["removed", ...count("removed")],
    ["equal", ...count("equal")],
    ["not compared", ...count("notCompared")],
  ];
  return { rows: [["Tensors", ...names], ...rows], right: names.map((_, at) => at + 1) };
}

/** Those that have rows. */
export function compareSections(data: CompareResult, style: CompareStyle): readonly Section[] {
  return [
    versionsSection(data),
    metricsSection(data, style),
    valuesSection("Param", { data, rows: data.params, noun: "params" }, style),
    valuesSection("Metadata", { data, rows: data.meta, noun: "other values" }, style),
    filesSection(data),
    tensorsSection(data),
  ].filter(({ rows, foot }) => rows.length > 0 || foot !== undefined);
}

export function printCompare(data: CompareResult, style: CompareStyle, out: Output): void {
  for (const [position, { rows, right, foot }] of compareSections(data, style).entries()) {
    if (position > 0) out.line();
    const [head, ...lines] = formatTable(rows, right);
    if (head !== undefined) out.line(out.paint("bold", head));
    for (const line of lines) out.line(line);
    if (foot !== undefined) out.line(out.paint("dim", foot));
  }
}

export function printCompareMarkdown(data: CompareResult, style: CompareStyle, out: Output): void {
  const sections = compareSections(data, style).filter(({ rows }) => rows.length > 0);
  for (const [position, { rows, right }] of sections.entries()) {
    if (position > 0) out.line();
    for (const line of formatMarkdown(rows, right)) out.line(line);
  }
}

/** RFC 4180 with numbers as they are: kind, name, and a column for each version. */
export function printCompareCsv(data: CompareResult, style: CompareStyle, out: Output): void {
  const keep = ({ isSame }: { readonly isSame: boolean }): boolean => style.all || !isSame;
  const line = (cells: readonly unknown[]): void => out.line(cells.map(csvCell).join(","));
  line(["kind", "name", ...data.versions.map(({ label }) => label)]);
  for (const { name, values, isSame } of data.metrics)
    if (!(style.onlyChanged && isSame)) line(["metric", name, ...values]);
  for (const row of data.params.filter(keep)) line(["param", row.name, ...row.values]);
  for (const row of data.meta.filter(keep)) line(["meta", row.name, ...row.values]);
  for (const { path, values } of data.files.rows)
    line(["file", path, ...values.map((value) => value?.digest ?? null)]);
}

/** A cell that a spreadsheet would take for a formula gets an apostrophe. */
function csvCell(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
