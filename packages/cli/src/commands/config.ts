import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { sharedEnvironment } from "../environment.ts";
import { formatTable } from "../format.ts";

const WORD_COUNTS = { list: 0, get: 1, set: 2, unset: 1 };
type Action = keyof typeof WORD_COUNTS;

function isAction(word: string): word is Action {
  return Object.hasOwn(WORD_COUNTS, word);
}

export const command = defineCommand({
  usage: [
    "config list [--show-origin]",
    "config get KEY",
    "config set [--worktree] KEY VALUE",
    "config unset [--worktree] KEY",
  ],
  description: [
    "Settings are kept with the store; --worktree writes .smc/config.json instead. The keys are listed below.",
  ],
  positionals: [
    {
      name: "action",
      summary: "list, get, set or unset",
      required: true,
      completes: Object.keys(WORD_COUNTS),
    },
    { name: "KEY", summary: "the setting: user.name" },
    { name: "VALUE", summary: "its new value" },
  ],
  options: {
    worktree: { type: "boolean", summary: "set, unset: in this worktree only" },
    "show-origin": { type: "boolean", summary: "where each value comes from" },
  },
  examples: [
    ['smc config set user.name "Ada Lovelace"', "who commits"],
    ["smc config set user.email ada@example.org", "and the address"],
    ["smc config list --show-origin", "all settings"],
  ],
  run: (context, { words, rest, options }) => {
    const [action = "", key, value] = [...words, ...(rest ?? [])];
    if (!isAction(action)) {
      throw new SmcError("USAGE", `'smc config' does not know '${show(action, 40)}'`, {
        hint: "it knows list, get, set and unset",
      });
    }
    const given = words.length + (rest?.length ?? 0) - 1;
    if (given !== WORD_COUNTS[action]) {
      const needs = ["no more words", "KEY", "KEY and VALUE"][WORD_COUNTS[action]] ?? "";
      throw new SmcError("USAGE", `'smc config ${action}' takes ${needs}`, {
        hint: 'see "smc help config"',
      });
    }
    return context.call("config", {
      action,
      ...(key === undefined ? {} : { key }),
      ...(value === undefined ? {} : { value }),
      layer: options.worktree ? "worktree" : "store",
      folder: context.folder,
      environment: sharedEnvironment(process.env),
    });
  },
  print: (data, out, { words, options }) => {
    if (words[0] === "get") for (const { value } of data.entries) out.line(show(String(value)));
    if (words[0] === "list") {
      const rows = data.entries.map(({ key, value, origin }) => {
        const setting = `${key} = ${value === null ? "(not set)" : show(String(value))}`;
        return options["show-origin"] ? [show(origin), setting] : [setting];
      });
      for (const line of formatTable(rows)) out.line(line);
    }
    if (data.file !== null) out.line(`written to ${show(data.file)}`);
    for (const problem of data.problems) out.hint(show(problem.message));
  },
  quiet: (data) => data.entries.map(({ value }) => (value === null ? "" : String(value))),
});
