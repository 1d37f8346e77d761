/** What the tests need of operations.mjs: the names. */
import { readFileSync } from "node:fs";

/** In the order of the table. */
function namesIn(table: string): readonly string[] {
  const text = readFileSync(new URL(table, import.meta.url), "utf8");
  return [...text.matchAll(/^ {4}name: "([^"]+)",$/gm)].map(([, name]) => name ?? "");
}

/** What changes the store. */
export const OPERATIONS: readonly string[] = namesIn("operations.mjs");
/** What changes files of people: after a power cut these are as the file system has them. */
export const FILE_OPERATIONS: readonly string[] = namesIn("file-operations.mjs");
