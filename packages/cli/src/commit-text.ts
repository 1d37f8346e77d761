/** A commit for people, as `log` and `show` print it. */
import { show } from "@smc/store/show";
import type { ShowResult } from "@smc/store";
import { formatDate, formatNumber, shortDigest } from "./format.ts";
import type { Output } from "./output.ts";

type LogEntry = NonNullable<ShowResult["commit"]>;

/** " (HEAD -> main, tag: v1.0.0)", or nothing. */
export function decorationText({ decorations }: Pick<LogEntry, "decorations">, out: Output): string {
  if (decorations.length === 0) return "";
  const names = decorations.map((name) => {
    const colour = name.startsWith("HEAD") ? "cyan" : name.startsWith("tag: ") ? "yellow" : "green";
    return out.paint(colour, show(name, 300));
  });
  return ` (${names.join(", ")})`;
}

/** "acc 0.91, loss 0.2" */
export function valuesText(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => {
      const text =
        typeof value === "number"
          ? formatNumber(value)
          : typeof value === "string"
            ? value
            : JSON.stringify(value);
      return `${show(name, 80)}=${show(text ?? "", 120)}`;
    })
    .join(", ");
}

/** The long form, one line at a time, without the graph. */
export function commitLines(commit: LogEntry, out: Output): string[] {
  const lines = [`${out.paint("yellow", `commit ${commit.digest}`)}${decorationText(commit, out)}`];
  if (commit.parents.length > 1) lines.push(`Merge:   ${commit.parents.map(shortDigest).join(" ")}`);
  lines.push(`Author:  ${show(commit.author, 400)}`, `Date:    ${formatDate(commit.date)}`);
  const metrics = valuesText(commit.metrics);
  const params = valuesText(commit.params);
  const meta = valuesText(commit.meta);
  if (metrics !== "") lines.push(`Metrics: ${metrics}`);
  if (params !== "") lines.push(`Params:  ${params}`);
  if (meta !== "") lines.push(`Meta:    ${meta}`);
  const message = show(commit.message.trimEnd(), Number.MAX_SAFE_INTEGER, true).split("\n");
  return [...lines, "", ...message.map((line) => `    ${line}`.trimEnd()), ""];
}
