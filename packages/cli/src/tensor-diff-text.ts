/** What changed in the tensors of two versions, for people. */
import type { DiffResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatCount, formatMarkdown, formatSize, formatTable } from "./format.ts";
import type { Output } from "./output.ts";
import { formatShape, formatTensorName } from "./tensor-text.ts";

type TensorDiff = NonNullable<DiffResult["tensors"]>;
type FileDiff = TensorDiff["files"][number];
type Changed = FileDiff["changed"][number];
type Version = FileDiff["added"][number];

const COLOURS = { Added: "green", Modified: "yellow", Removed: "red" } as const;
const UNKNOWN = "-";

/** "3.1e-1"; 0 is "0". */
function small(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  return value === 0 ? "0" : value.toExponential(1);
}

/** "0.982"; more digits where it is close to 1, so that it never rounds to it. */
function cosine(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  const rounded = value.toFixed(3);
  return value < 1 && Number(rounded) === 1 ? `1 - ${small(1 - value)}` : rounded;
}

function typeOf({ dtype, shape }: Pick<Version, "dtype" | "shape">): string {
  return `${dtype} ${formatShape(shape)}`;
}

function changeOf({ from, to }: Changed): string {
  if (from.dtype === to.dtype && formatShape(from.shape) === formatShape(to.shape)) return typeOf(to);
  return `${typeOf(from)} -> ${typeOf(to)}`;
}

function nonFinite({ distance }: Changed): string {
  if (distance === null) return "";
  const { from, to } = distance.nonFinite;
  return from + to === 0 ? "" : `NaN or infinite ${from} -> ${to}`;
}

function figures(row: Changed): string[] {
  if (row.distance === null) return ["bytes differ"];
  const { l2, relativeL2, cosine: angle, maxAbs } = row.distance;
  const values = [
    `L2 ${small(l2)}`,
    `rel ${small(relativeL2)}`,
    `cos ${cosine(angle)}`,
    `max ${small(maxAbs)}`,
  ];
  return [...values, nonFinite(row)];
}

function rowsOf(file: FileDiff): string[][] {
  const plain = (label: string, rows: readonly Version[]): string[][] =>
    rows.map((row) => [label, formatTensorName(row.name), typeOf(row)]);
  return [
    ...plain("Added:", file.added),
    ...file.changed.map((row) => ["Modified:", formatTensorName(row.name), changeOf(row), ...figures(row)]),
    ...plain("Removed:", file.removed),
  ];
}

function titleOf(file: FileDiff): string {
  const path = show(file.path);
  const name = file.change === "renamed" ? `${show(file.fromPath ?? "")} -> ${path}` : path;
  if (file.problem !== null) return `${name}: no tensors: ${show(file.problem, 500)}`;
  if (file.format === null) return `${name}: no tensors`;
  const word = file.change === "added" || file.change === "deleted" ? `${file.change}, ` : "";
  return `${name} (${word}${file.format})`;
}

/** Share in whole percent that is 100 only for all of it. */
function percent(part: number, whole: number): string {
  if (whole === 0) return "0 %";
  return `${part === whole ? 100 : Math.min(99, Math.round((part / whole) * 100))} %`;
}

function summary({ total, files }: TensorDiff): string[] {
  const { added, removed, changed, equal, notCompared, equalBytes, tensorBytes } = total;
  const skipped = notCompared === 0 ? "" : `, ${notCompared} not compared (compressed or not there)`;
  const share = equal === 0 ? "" : ` (${percent(equalBytes, tensorBytes)} of their bytes)`;
  const lines = [
    `summary: ${added} added, ${removed} removed, ${changed} modified, ${equal} equal${share}${skipped}`,
  ];
  if (total.sizeBytes > 0) {
    const shared = `${formatSize(total.sharedBytes)} of ${formatSize(total.sizeBytes)}`;
    lines.push(
      `${formatCount(files.length, "file")}, ${shared} (${percent(total.sharedBytes, total.sizeBytes)}) shared`,
    );
  }
  return lines;
}

/** A line for every tensor that is new, gone or changed, file by file, and sums. */
export function printTensorDiff(data: TensorDiff, out: Output): void {
  for (const file of data.files) {
    out.line(out.paint("bold", titleOf(file)));
    for (const line of formatTable(rowsOf(file))) {
      const word = /^\w+/.exec(line)?.[0];
      const colour =
        word === "Added" || word === "Modified" || word === "Removed" ? COLOURS[word] : undefined;
      out.line(colour === undefined ? line : out.paint(colour, line));
    }
  }
  if (data.files.length > 0) for (const line of summary(data)) out.line(line);
}

/** The same as Markdown tables. */
export function printTensorDiffMarkdown(data: TensorDiff, out: Output): void {
  const head = ["Change", "Tensor", "Type and shape", "L2", "relative L2", "cosine", "max abs"];
  for (const file of data.files) {
    out.line(`**${titleOf(file)}**`);
    out.line();
    const plain = (label: string, rows: readonly Version[]): string[][] =>
      rows.map((row) => [label, formatTensorName(row.name), typeOf(row), "", "", "", ""]);
    const rows = [
      ...plain("Added", file.added),
      ...file.changed.map((row) => {
        const { l2, relativeL2, cosine: angle, maxAbs } = row.distance ?? {};
        const values = [small(l2), small(relativeL2), cosine(angle), small(maxAbs)];
        return ["Modified", formatTensorName(row.name), changeOf(row), ...values];
      }),
      ...plain("Removed", file.removed),
    ];
    if (rows.length === 0) continue;
    for (const line of formatMarkdown([head, ...rows], [3, 4, 5, 6])) out.line(line);
    out.line();
  }
  if (data.files.length > 0) for (const line of summary(data)) out.line(line);
}
