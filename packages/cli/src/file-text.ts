/** What is known of a file of people, for people. */
import type { FileCard } from "@smc/store";
import { show } from "@smc/store/show";
import { formatDate, formatSize } from "./format.ts";
import { noteLines } from "./note-text.ts";
import type { Output } from "./output.ts";

const TEXT_LENGTH_SHOWN = 4000;

/** One fact a line, then the notes. */
export function fileLines(card: FileCard, out: Output): string[] {
  const remote = card.remote === null ? null : `remote ${card.remote}`;
  const facts: [string, string | null][] = [
    ["Size", `${formatSize(card.sizeBytes)} (${card.sizeBytes} bytes)`],
    ["SHA-256", card.sha256],
    ["MD5", card.md5],
    ["Modified", formatDate(card.modified)],
    ["From", card.url ?? remote],
    ["Original", card.originalPath],
    ["Uploaded", card.uploaded === null ? null : formatDate(card.uploaded)],
    ["Downloaded", card.downloaded === null ? null : formatDate(card.downloaded)],
    ["Description", card.description],
  ];
  const lines = facts.flatMap(([name, value]) =>
    value === null ? [] : [`${`${name}:`.padEnd(13)}${show(value, TEXT_LENGTH_SHOWN)}`],
  );
  return [out.paint("yellow", show(card.path, 1000)), ...lines, ...noteLines(card.notes, out)];
}
