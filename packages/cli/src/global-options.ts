/** Options that every verb takes, before or after the verb. */
import type { OptionSpecs } from "./words.ts";

export const GLOBAL_OPTIONS = {
  chdir: { type: "string", short: "C", value: "DIR", summary: "run as if started in DIR" },
  repo: { type: "string", value: "NAME", summary: "use this repository of the store" },
  store: { type: "string", value: "PATH", summary: "use this store (default: SMC_HOME, else ~/.smc)" },
  json: { type: "boolean", summary: "print one JSON document" },
  quiet: { type: "boolean", short: "q", summary: "print names and digests only" },
  verbose: { type: "boolean", short: "v", summary: "print details of errors" },
  progress: {
    type: "choice",
    choices: ["none", "plain", "fancy"],
    summary: "how progress is shown on stderr",
  },
  "no-color": { type: "boolean", summary: "print without colours (also: NO_COLOR=1)" },
  yes: { type: "boolean", short: "y", summary: "answer yes to every question" },
  version: { type: "boolean", summary: "print the version" },
  help: { type: "boolean", short: "h", summary: "explain the verb" },
} as const satisfies OptionSpecs;
