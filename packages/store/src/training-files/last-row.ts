/** The last row of a CSV file that a training script appends to, as Keras' CSVLogger and Ultralytics do. Pure. */
import { show } from "../show.ts";
import { type FileValues, parseCell, type Refuse } from "./cell.ts";

const COLUMNS_MAX = 10_000;

/** Values of the last row under the names of the first; names are trimmed, a column without a name is left out. */
export function readLastRow(text: string, refuse: Refuse): FileValues {
  const lines = text.trimEnd();
  const headEnd = lines.indexOf("\n");
  if (headEnd < 0) refuse("there is no row below the names");
  const head = lines.slice(0, headEnd);
  const lastStart = lines.lastIndexOf("\n") + 1;
  const separator = separatorOf(head);
  const names = splitRow(head, separator, (why) => refuse(why, 1));
  let line = 1;
  for (let at = headEnd; at >= 0; at = lines.indexOf("\n", at + 1)) line += 1;
  const cells = splitRow(lines.slice(lastStart), separator, (why) => refuse(why, line));
  if (cells.length !== names.length) refuse(`${cells.length} cells below ${names.length} names`, line);
  const values = new Map<string, ReturnType<typeof parseCell>>();
  for (const [column, name] of names.entries()) {
    if (name === "") continue;
    if (values.has(name)) refuse(`the name '${show(name, 80)}' is there twice`, 1);
    values.set(name, parseCell(cells[column] ?? ""));
  }
  return values;
}

function separatorOf(head: string): string {
  return [",", ";", "\t"].find((separator) => head.includes(separator)) ?? ",";
}

/** RFC 4180 without line feeds inside of quotes. */
function splitRow(row: string, separator: string, refuse: (why: string) => never): string[] {
  const cells: string[] = [];
  let rest = row.replace(/\r$/, "");
  for (;;) {
    if (cells.length >= COLUMNS_MAX) refuse(`more than ${COLUMNS_MAX} columns`);
    const quoted = /^\s*"((?:[^"]|"")*)"\s*/.exec(rest);
    const end = quoted === null ? rest.indexOf(separator) : quoted[0].length;
    const cell = quoted?.[1]?.replaceAll('""', '"') ?? (end < 0 ? rest : rest.slice(0, end));
    cells.push(cell.trim());
    if (end < 0 || end >= rest.length) return cells;
    if (!rest.startsWith(separator, end)) refuse("text behind a closing quote");
    rest = rest.slice(end + separator.length);
  }
}
