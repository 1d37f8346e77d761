/** Verbs about settings and the machine. Part of the table in `api.ts`. */
import { choice, count, flag, optional, text, texts, variables, verb } from "./api-schema.ts";

export const machineApi = {
  config: verb("Reads and writes settings", "store", {
    action: choice("get", "set", "unset", "list"),
    key: optional(text),
    value: optional(text),
    layer: optional(choice("store", "worktree")),
    folder: optional(text),
    environment: optional(variables),
  }),
  env: verb("Tells versions, places, settings and variables", "store", {
    folder: optional(text),
    environment: optional(variables),
  }),
  events: verb("Tells what happened and, with follow, what happens from now on", "store", {
    event: optional(text),
    limit: optional(count),
    follow: optional(flag),
  }),
  hook: verb("Has a server or a program told of events", "store", {
    action: choice("add", "list", "rm", "test"),
    event: optional(text),
    url: optional(text),
    exec: optional(texts),
    id: optional(text),
  }),
  doctor: verb("Looks for what is wrong with store, files, remotes and machine", "store", {
    folder: optional(text),
    environment: optional(variables),
    files: optional(texts),
    urls: optional(texts),
    offline: optional(flag),
  }),
} as const;
