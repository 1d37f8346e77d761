/** What the completion scripts ask for: candidates for the last word, one a line. Never prints an error. */
import type { Command } from "./command.ts";
import { COMMANDS, type CommandName, isCommandName, loadCommand } from "./commands/index.ts";
import { createContext } from "./context.ts";
import { shortRef } from "./format.ts";
import { GLOBAL_OPTIONS } from "./global-options.ts";
import { TOPICS } from "./help-topics.ts";
import { Printer } from "./output.ts";
import { type OptionSpecs, parseWords, splitAtVerb } from "./words.ts";

const REFS_WAIT_MS = 2000;
const CANDIDATES_MAX = 1000;
// What a shell would take apart or run is not offered: a ref may be named `$(reboot)`.
const HARMLESS = /^[\p{L}\p{N}_./@+=,%^~-][\p{L}\p{N}_./@+=,:%^~-]*$/u;

async function refNames(globalWords: readonly string[]): Promise<string[]> {
  const signal = AbortSignal.timeout(REFS_WAIT_MS);
  const { options: globals } = parseWords(globalWords, GLOBAL_OPTIONS);
  const printer = new Printer({ json: false, quiet: true, color: false, progress: "none" });
  const context = createContext({ globals, name: "refs", printer, signal });
  const refs = await context.call("refs", {});
  return ["HEAD", ...refs.map((ref) => shortRef(ref.name))];
}

function optionNames(specs: OptionSpecs): string[] {
  return Object.keys(specs).map((name) => `--${name}`);
}

/** Words that the option before the cursor takes, or undefined when it takes none of ours. */
function choicesOf(previous: string | undefined, specs: OptionSpecs): readonly string[] | undefined {
  const spec = previous?.startsWith("--") === true ? specs[previous.slice(2)] : undefined;
  return spec?.type === "choice" ? spec.choices : undefined;
}

async function positionalWords(
  name: CommandName,
  command: Command,
  before: readonly string[],
): Promise<readonly string[]> {
  if (name === "help") return [...Object.keys(COMMANDS), ...Object.keys(TOPICS)];
  const completes = command.positionals.map((positional) => positional.completes);
  const words = completes.find((known) => Array.isArray(known));
  if (words !== undefined) return words;
  return completes.includes("refs") ? refNames(before) : [];
}

async function candidates(typed: readonly string[]): Promise<readonly string[]> {
  const current = typed.at(-1) ?? "";
  const { before, verb, after } = splitAtVerb(typed.slice(0, -1), GLOBAL_OPTIONS);
  if (verb === undefined)
    return current.startsWith("-") ? optionNames(GLOBAL_OPTIONS) : Object.keys(COMMANDS);
  if (!isCommandName(verb)) return [];
  const command = await loadCommand(verb);
  const specs = { ...command.options, ...GLOBAL_OPTIONS };
  if (after.includes("--")) return [];
  if (current.startsWith("-")) return optionNames(specs);
  return choicesOf(after.at(-1), specs) ?? (await positionalWords(verb, command, before));
}

/** Prints the candidates that start with the last word. Resolves with 0, whatever went wrong. */
export async function complete(args: readonly string[]): Promise<number> {
  const typed = args[0] === "--" ? args.slice(1) : args;
  const current = typed.at(-1) ?? "";
  const printer = new Printer({ json: false, quiet: true, color: false, progress: "none" });
  try {
    const found = await candidates(typed.length === 0 ? [""] : typed);
    const fitting = found.filter((word) => word.startsWith(current) && HARMLESS.test(word));
    for (const word of fitting.slice(0, CANDIDATES_MAX)) printer.line(word);
    await printer.flush();
  } catch {
    // A shell that completes has no place for messages.
    return 0;
  }
  return 0;
}
