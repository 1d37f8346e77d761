/** Curves of a job as characters. Pure. */
import type { JobsResult } from "@smc/store";
import { show } from "@smc/store/show";
import { formatNumber } from "./format.ts";

type Panel = NonNullable<JobsResult["panels"]>[number];

const ROWS = 12;
const COLUMNS_MAX = 100;
const LABEL_WIDTH = 10;
/** The first line, the second, and where both are. */
const MARKS = ["*", "o"];
const BOTH = "@";

/** A panel: its lines, the highest and the lowest value, the first and the last epoch. */
export function plotText(panel: Panel, columns: number): string[] {
  const width = Math.max(20, Math.min(columns, COLUMNS_MAX) - LABEL_WIDTH - 2);
  const { low, high, firstEpoch, lastEpoch, lines } = panel;
  const grid = Array.from({ length: ROWS }, () => Array.from({ length: width }, () => " "));
  for (const [at, { points }] of lines.entries()) {
    const mark = MARKS[at % MARKS.length] ?? "*";
    for (const [epoch, value] of points) {
      const column = Math.round(((epoch - firstEpoch) / (lastEpoch - firstEpoch || 1)) * (width - 1));
      const row = Math.round(((high - value) / (high - low || 1)) * (ROWS - 1));
      const cells = grid[row];
      if (cells === undefined) continue;
      const there = cells[column] ?? " ";
      cells[column] = there === " " || there === mark ? mark : BOTH;
    }
  }
  const label = (row: number): string => {
    const text = row === 0 ? formatNumber(high) : row === ROWS - 1 ? formatNumber(low) : "";
    return text.padStart(LABEL_WIDTH);
  };
  const names = lines.map(({ name }, at) => `${MARKS[at % MARKS.length] ?? ""} ${show(name, 60)}`);
  const [from, to] = [String(firstEpoch), String(lastEpoch)];
  return [
    `${" ".repeat(LABEL_WIDTH + 2)}${names.join("   ")}`,
    ...grid.map((cells, row) => `${label(row)} |${cells.join("").trimEnd()}`),
    `${" ".repeat(LABEL_WIDTH)} +${"-".repeat(width)}`,
    `${" ".repeat(LABEL_WIDTH + 2)}${from}${to.padStart(Math.max(1, width - from.length))}`,
  ];
}
