/**
 * Verbs that change neither the store nor a worktree: the client may send them twice when the daemon dies on them.
 * A list of its own because the client must not load the schemas of `api.ts`.
 */
import type { VerbName } from "./api.ts";

export const READING_VERBS: ReadonlySet<string> = new Set([
  "audit",
  "cat",
  "champion",
  "changelog",
  "cat-file",
  "compare",
  "diff",
  "doctor",
  "du",
  "env",
  "events",
  "hash-object",
  "inspect",
  "list",
  "log",
  "ls-files",
  "ls-remote",
  "ls-tree",
  "outdated",
  "rank",
  "reflog",
  "refs",
  "repos",
  "rev-parse",
  "show",
  "versions",
] satisfies VerbName[]);
