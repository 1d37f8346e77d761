/** What is wrong with an expression, shown with a caret below the place. Pure. */
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";

/** So much of a long expression is shown on each side of the fault. */
const AROUND = 60;

/** EXPRESSION_INVALID with the column, counted from 1, and the line with a caret below it. */
export function expressionFault(source: string, at: number, why: string, hint?: string): SmcError {
  const start = Math.max(0, at - AROUND);
  const end = Math.min(source.length, at + AROUND);
  const before = (start > 0 ? "…" : "") + show(source.slice(start, at));
  const after = show(source.slice(at, end)) + (end < source.length ? "…" : "");
  const caret = " ".repeat([...before].length);
  return new SmcError("EXPRESSION_INVALID", `column ${at + 1}: ${why}\n  ${before}${after}\n  ${caret}^`, {
    ...(hint === undefined ? {} : { hint }),
    details: { expression: source, column: at + 1 },
  });
}
