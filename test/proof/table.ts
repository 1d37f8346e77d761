/** What the tests need of operations.mjs: the names. */
import { readFileSync } from "node:fs";

const text = readFileSync(new URL("operations.mjs", import.meta.url), "utf8");

/** Names of all operations, in the order of the table. */
export const OPERATIONS: readonly string[] = [...text.matchAll(/^ {4}name: "([^"]+)",$/gm)].map(
  ([, name]) => name ?? "",
);
