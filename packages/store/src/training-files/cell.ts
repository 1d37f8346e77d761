/** What the readers of values share: cells as values, and how a file is refused. Pure. */
import type { ParamValue } from "../history/meta-diff.ts";

/** The values of one file, in its order. Names of nested ones are joined with dots. */
export type FileValues = ReadonlyMap<string, ParamValue>;

/** Throws FILE_MALFORMED that names the file. */
export type Refuse = (why: string, line?: number) => never;

/** Text in which a number is written that JSON does not have. */
const NO_NUMBER = /^([+-]?(nan|inf|infinity)|na|null|none|)$/i;

/** A cell or plain word as a value: a number where it is one; NaN, NA and nothing stay what they are not. */
export function parseCell(cell: string): ParamValue {
  if (NO_NUMBER.test(cell)) return null;
  if (/^(true|false)$/i.test(cell)) return cell.toLowerCase() === "true";
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell) ? Number(cell) : Number.NaN;
  return Number.isFinite(value) ? value : cell;
}
