/** Draws the graph of commits beside a log, one column a branch. Pure. */

export interface GraphCommit {
  readonly digest: string;
  /** Parents that are drawn. */
  readonly parents: readonly string[];
}

type Canvas = Map<number, string>;

function print(canvas: Canvas, width: number): string {
  let line = "";
  for (let at = 0; at < width; at += 1) line += canvas.get(at) ?? " ";
  return line.trimEnd();
}

/** A line with `|` in every column, and room to draw over it. */
function columnLine(count: number): Canvas {
  const canvas: Canvas = new Map();
  for (let column = 0; column < count; column += 1) canvas.set(2 * column, "|");
  return canvas;
}

/** Joins column `from` to column `to` and closes `from`; the columns right of it move one to the left. */
function closeColumn(count: number, from: number, to: number | undefined): string {
  const canvas = columnLine(from);
  if (to !== undefined) {
    for (let column = to + 1; column < from; column += 1) canvas.set(2 * column - 1, "_");
    canvas.set(2 * from - 1, "/");
  }
  for (let column = from + 1; column < count; column += 1) canvas.set(2 * column - 1, "/");
  return print(canvas, 2 * count);
}

/** Opens a column right of `from`; the columns right of it move one to the right. */
function openColumn(count: number, from: number): string {
  const canvas = columnLine(from + 1);
  for (let column = from; column < count; column += 1) canvas.set(2 * column + 1, "\\");
  return print(canvas, 2 * count + 2);
}

/** Joins column `from` to `to` without closing either. */
function crossColumns(count: number, from: number, to: number): string {
  const canvas = columnLine(count);
  if (to > from) {
    canvas.set(2 * from + 1, "\\");
    for (let column = from + 1; column < to; column += 1) canvas.set(2 * column + 1, "_");
  } else {
    canvas.set(2 * from - 1, "/");
    for (let column = to; column < from - 1; column += 1) canvas.set(2 * column + 1, "_");
  }
  return print(canvas, 2 * count);
}

/** The columns open after a commit: each names the commit that it leads to. */
class Columns {
  readonly #open: string[] = [];

  /** The line of the commit first, then the lines that lead on to its parents. */
  place(commit: GraphCommit): string[] {
    let column = this.#open.indexOf(commit.digest);
    if (column < 0) column = this.#open.push(commit.digest) - 1;
    const canvas = columnLine(this.#open.length);
    canvas.set(2 * column, "*");
    const lines = [print(canvas, 2 * this.#open.length)];
    const [first, ...others] = [...new Set(commit.parents)];
    for (const parent of [...others].reverse()) lines.push(this.#lead(column, parent));
    lines.push(...this.#follow(column, first));
    return lines;
  }

  #lead(column: number, parent: string): string {
    const there = this.#open.indexOf(parent);
    if (there >= 0) return crossColumns(this.#open.length, column, there);
    const line = openColumn(this.#open.length, column);
    this.#open.splice(column + 1, 0, parent);
    return line;
  }

  /** The commit's own column goes on to its first parent, joins the column that leads there, or ends. */
  #follow(column: number, parent: string | undefined): string[] {
    const count = this.#open.length;
    if (parent === undefined) {
      this.#open.splice(column, 1);
      return column === count - 1 ? [] : [closeColumn(count, column, undefined)];
    }
    const there = this.#open.indexOf(parent);
    if (there < 0) {
      this.#open[column] = parent;
      return [];
    }
    const [left, right] = [Math.min(there, column), Math.max(there, column)];
    this.#open[left] = parent;
    this.#open.splice(right, 1);
    return [closeColumn(count, right, left)];
  }
}

/**
 * For each commit, in an order with no parent before its children, the lines to print:
 * the first stands beside the commit, the others below it.
 */
export function graphLines(commits: Iterable<GraphCommit>): string[][] {
  const columns = new Columns();
  return Array.from(commits, (commit) => columns.place(commit));
}
