/** Help pages of verbs as lines. Pure. */
import type { Command } from "./command.ts";
import { COMMANDS, type CommandName, GROUPS, type Group } from "./commands/index.ts";
import { formatTable } from "./format.ts";
import { GLOBAL_OPTIONS } from "./global-options.ts";
import type { OptionSpec, OptionSpecs } from "./words.ts";

const WIDTH = 80;

/** "-m, --message TEXT" */
export function optionSyntax(name: string, spec: OptionSpec): string {
  const short = spec.short === undefined ? "" : `-${spec.short}, `;
  if (spec.type === "boolean") return `${short}--${name}`;
  const value = spec.type === "choice" ? spec.choices.join("|") : spec.value;
  if (spec.type === "integer" && spec.bare !== undefined) return `${short}--${name}[=${value}]`;
  const more = spec.type === "string" && spec.multiple === true ? " ..." : "";
  return `${short}--${name} ${value}${more}`;
}

function optionLines(specs: OptionSpecs): string[] {
  const rows = Object.entries(specs).map(([name, spec]) => [`  ${optionSyntax(name, spec)}`, spec.summary]);
  return formatTable(rows);
}

/** In the order of their first options. */
function groupsOf(specs: OptionSpecs): Map<string, Record<string, OptionSpec>> {
  const groups = new Map<string, Record<string, OptionSpec>>();
  for (const [name, spec] of Object.entries(specs)) {
    const { group = "Options" } = spec;
    groups.set(group, { ...groups.get(group), [name]: spec });
  }
  return groups;
}

function exampleLines(examples: Command["examples"]): string[] {
  return formatTable(examples.map(([command, says]) => [`  ${command}`, `# ${says}`]));
}

/** Lines of at most 80 characters; a longer word stands alone. */
function flow(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= WIDTH)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** The page of one verb. */
export function commandHelp(name: CommandName, command: Command): string[] {
  const lines = [`smc ${name}: ${COMMANDS[name].summary}`, "", "Usage:"];
  lines.push(...command.usage.map((usage) => `  smc ${usage}`));
  if (command.description.length > 0) lines.push("", ...flow(command.description.join(" ")));
  if (command.positionals.length > 0) {
    const rows = command.positionals.map((positional) => [
      `  ${positional.name}${positional.many === true ? " ..." : ""}`,
      positional.summary,
    ]);
    lines.push("", "Arguments:", ...formatTable(rows));
  }
  for (const [head, specs] of groupsOf(command.options)) lines.push("", `${head}:`, ...optionLines(specs));
  lines.push("", "Examples:", ...exampleLines(command.examples));
  lines.push("", 'Global options: see "smc help". Exit status: see "smc help exit-codes".');
  return lines;
}

/** What most people need of each part of their work. */
const FIRST: readonly (readonly [string, readonly CommandName[]])[] = [
  ["Begin", ["init", "clone"]],
  ["Keep versions", ["add", "status", "commit", "tag", "log", "diff"]],
  ["Go back", ["checkout", "restore"]],
  ["Say what is live", ["versions", "compare", "promote", "champion", "rollback"]],
  ["Train", ["train", "jobs"]],
  ["Share", ["remote", "push", "pull"]],
  ["When something is wrong", ["doctor", "verify", "fsck"]],
];

/** The page of `smc` alone. */
export function startHelp(): string[] {
  const lines = ["smc: git for model weights", "", "Usage:", "  smc <verb> [options] [arguments]"];
  for (const [title, names] of FIRST) {
    const rows = names.map((name) => [`  ${name}`.padEnd(14), COMMANDS[name].summary]);
    lines.push("", `${title}:`, ...formatTable(rows));
  }
  lines.push("", `All ${Object.keys(COMMANDS).length} verbs: smc help. One of them: smc help commit.`);
  lines.push("The usual ways to work: smc help workflows.");
  return lines;
}

/** The page of `smc help`: verbs in groups, topics, global options. */
export function overviewHelp(topics: readonly (readonly [string, string])[]): string[] {
  const lines = [
    "smc: git for model weights",
    "",
    "Usage:",
    "  smc [global options] <verb> [options] [arguments]",
  ];
  for (const [group, title] of Object.entries(GROUPS) as [Group, string][]) {
    const rows = Object.entries(COMMANDS)
      .filter(([, row]) => row.group === group)
      .map(([name, row]) => [`  ${name}`.padEnd(14), row.summary]);
    lines.push("", `${title}:`, ...formatTable(rows));
  }
  lines.push("", "Topics:", ...formatTable(topics.map(([name, says]) => [`  ${name}`.padEnd(14), says])));
  lines.push("", "Global options:", ...optionLines(GLOBAL_OPTIONS));
  lines.push(
    "",
    "Examples:",
    ...exampleLines([
      ["smc init", "make this folder a worktree"],
      ['smc add . && smc commit -m "first"', "keep everything in it"],
      ["smc tag v1.0.0", "name the version"],
      ["smc checkout v1.0.0", "bring it back, exactly"],
      ["smc help commit", "explain a verb"],
    ]),
  );
  return lines;
}
