/** Notes about a commit, for people. */
import type { NoteResult } from "@smc/store";
import { show } from "@smc/store/show";
import { valuesText } from "./commit-text.ts";
import { formatDate } from "./format.ts";
import type { Output } from "./output.ts";

/** Author and date of each, then what it says. */
export function noteLines(notes: NoteResult["notes"], out: Output): string[] {
  return notes.flatMap((note) => {
    const head = out.paint("yellow", `note by ${show(note.author, 200)}`);
    const text = show(note.text.trimEnd(), Number.MAX_SAFE_INTEGER, true);
    const lines = [
      ...(text === "" ? [] : text.split("\n")),
      ...(Object.keys(note.metrics).length === 0 ? [] : [valuesText(note.metrics)]),
      ...(Object.keys(note.set).length === 0 ? [] : [`set ${valuesText(note.set)}`]),
    ];
    return [`${head}  ${formatDate(note.date)}`, ...lines.map((line) => `    ${line}`.trimEnd())];
  });
}
