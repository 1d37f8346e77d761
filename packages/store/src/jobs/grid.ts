/**
 * A search by trying all combinations of some values: `lr=0.1,0.01` and `batch=8,16` are four jobs of one group. Pure.
 */
import { show } from "../show.ts";
import { parseCell } from "../training-files/cell.ts";
import type { ConfigFault } from "./config-file.ts";
import type { Settings } from "./job-queue.ts";

/** Jobs of one search. */
export const GRID_JOBS_MAX = 64;
/** Of one name. */
const VALUES_MAX = 64;
const WORD_SHOWN = 80;
/** `{lr}` in a word of a program; JSON and other braces are no names. */
const PLACEHOLDER = /\{([A-Za-z_][A-Za-z0-9_.-]*)\}/g;

/** Name → the values that are tried, as they were typed. */
export type Grid = Readonly<Record<string, readonly string[]>>;
/** One combination. */
export type Cell = Readonly<Record<string, string>>;

/** All combinations, the last name changing fastest; with faults they are of no use. */
export function cellsOf(grid: Grid): {
  readonly cells: readonly Cell[];
  readonly faults: readonly ConfigFault[];
} {
  const faults: ConfigFault[] = [];
  for (const [name, values] of Object.entries(grid)) {
    const key = `grid.${name}`;
    if (values.length === 0 || values.some((value) => value === ""))
      faults.push({ key, message: "a value is empty" });
    if (values.length > VALUES_MAX) faults.push({ key, message: `more than ${VALUES_MAX} values` });
    if (new Set(values).size < values.length) faults.push({ key, message: "a value is there twice" });
  }
  const count = Object.values(grid).reduce((product, { length }) => product * length, 1);
  if (count > GRID_JOBS_MAX)
    faults.push({ key: "grid", message: `${count} jobs; a search has at most ${GRID_JOBS_MAX}` });
  if (faults.length > 0) return { cells: [], faults };
  let cells: Cell[] = [{}];
  for (const [name, values] of Object.entries(grid))
    cells = cells.flatMap((cell) => values.map((value) => ({ ...cell, [name]: value })));
  return { cells, faults };
}

/** Every `{name}` of the words must be a name of the grid, and every name of it be in a word. */
export function wordFaults(argv: readonly string[], grid: Grid): ConfigFault[] {
  const used = new Set(argv.flatMap((word) => [...word.matchAll(PLACEHOLDER)].map(([, name]) => name ?? "")));
  const unknown = [...used].filter((name) => !Object.hasOwn(grid, name));
  const unused = Object.keys(grid).filter((name) => !used.has(name));
  return [
    ...unknown.map((name) => ({
      key: "argv",
      message: `'{${show(name, WORD_SHOWN)}}' in the program is no name of the grid`,
    })),
    ...unused.map((name) => ({
      key: `grid.${name}`,
      message: `no word of the program has '{${show(name, WORD_SHOWN)}}'`,
    })),
  ];
}

/** Values are put in as they are; no shell reads them. */
export function fillWords(argv: readonly string[], cell: Cell): string[] {
  return argv.map((word) =>
    word.replace(PLACEHOLDER, (whole, name: string) =>
      Object.hasOwn(cell, name) ? (cell[name] ?? "") : whole,
    ),
  );
}

/** The values as numbers, true and false where they are such. */
export function cellScalars(cell: Cell): Settings {
  return Object.fromEntries(Object.entries(cell).map(([name, value]) => [name, parseCell(value)]));
}
