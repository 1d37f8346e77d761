/** Notes about a commit or a file, for people. */
import { show } from "@smc/store/show";
import { valuesText } from "./commit-text.ts";
import { formatDate } from "./format.ts";
import type { Output } from "./output.ts";

interface NoteText {
  readonly author: string;
  readonly date: string;
  readonly text: string;
  readonly metrics?: Readonly<Record<string, unknown>>;
  readonly set?: Readonly<Record<string, unknown>>;
}

/** Author and date of each, then what it says. */
export function noteLines(notes: readonly NoteText[], out: Output): string[] {
  return notes.flatMap((note) => {
    const { metrics = {}, set = {} } = note;
    const head = out.paint("yellow", `note by ${show(note.author, 200)}`);
    const text = show(note.text.trimEnd(), Number.MAX_SAFE_INTEGER, true);
    const lines = [
      ...(text === "" ? [] : text.split("\n")),
      ...(Object.keys(metrics).length === 0 ? [] : [valuesText(metrics)]),
      ...(Object.keys(set).length === 0 ? [] : [`set ${valuesText(set)}`]),
    ];
    return [`${head}  ${formatDate(note.date)}`, ...lines.map((line) => `    ${line}`.trimEnd())];
  });
}
