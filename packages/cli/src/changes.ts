/** Lists of changed files and fitting summaries for people. */
import { show } from "@smc/store/show";
import { formatCount } from "./format.ts";
import type { Output } from "./output.ts";

export interface PathChanges {
  readonly added: readonly string[];
  readonly modified: readonly string[];
  readonly deleted: readonly string[];
}

const LINES_MAX = 50;

/** One line for each path, at most fifty, then how many more there are. */
export function printPaths(rows: readonly (readonly [label: string, path: string])[], out: Output): void {
  for (const [label, path] of rows.slice(0, LINES_MAX)) out.line(`${label} ${show(path)}`);
  if (rows.length > LINES_MAX)
    out.line(`… and ${formatCount(rows.length - LINES_MAX, "more file", "more files")}`);
}

export function printChanges({ added, modified, deleted }: PathChanges, out: Output): void {
  const rows = [
    ...added.map((path) => ["add", path] as const),
    ...modified.map((path) => ["modify", path] as const),
    ...deleted.map((path) => ["delete", path] as const),
  ];
  printPaths(rows, out);
}
