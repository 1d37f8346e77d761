/**
 * Which requests change neither the store nor a worktree: the client may send them twice when the daemon dies on them.
 * A list of its own because the client must not load the schemas of `api.ts`.
 */
import type { Input, VerbName } from "./api.ts";

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

type ActionOf<V extends VerbName> = Input<V> extends { readonly action: infer A extends string } ? A : never;

/** Of verbs that also change something, the actions that do not. */
export const READING_ACTIONS: { readonly [V in VerbName]?: readonly ActionOf<V>[] } = {
  backbone: ["list", "show", "validate"],
  backups: ["list", "verify"],
  catalog: ["list"],
  config: ["get", "list"],
  data: ["list", "preview", "status"],
  hook: ["list"],
  jobs: ["list", "show", "follow", "epochs", "checkpoints"],
  meta: ["get"],
  queue: ["status"],
  ref: ["list"],
  registry: ["summary", "export"],
};

/** `input` may be anything; what is no input of the verb is no reading. */
export function isReading(verb: VerbName, input: unknown): boolean {
  if (READING_VERBS.has(verb)) return true;
  const action = (input as { readonly action?: unknown } | null | undefined)?.action;
  return ((READING_ACTIONS[verb] ?? []) as readonly unknown[]).includes(action);
}
