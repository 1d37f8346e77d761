/** Words in, words out: finds the verb, loads its command, runs it, reports. */
import { ERRORS, isSmcError, SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import type { Command } from "./command.ts";
import { COMMANDS, type CommandName, isCommandName, loadCommand } from "./commands/index.ts";
import { createContext } from "./context.ts";
import { GLOBAL_OPTIONS } from "./global-options.ts";
import { nearest } from "./nearest.ts";
import { BrokenPipe, Printer } from "./output.ts";
import { type OptionSpecs, type OptionValues, parseWords, splitAtVerb, type Words } from "./words.ts";

export { COMMANDS, type CommandName, loadCommand } from "./commands/index.ts";
export type { Command, Positional } from "./command.ts";
export { GLOBAL_OPTIONS } from "./global-options.ts";
export { ENVIRONMENT, TOPICS } from "./help-topics.ts";
export type { OptionSpec, OptionSpecs } from "./words.ts";

const EXIT_INTERRUPTED = 130;
const EXIT_BROKEN_PIPE = 141;
/** Hidden verb that the completion scripts call. */
const COMPLETE = "__complete";

type GlobalValues = OptionValues<typeof GLOBAL_OPTIONS>;

/** What to run, parsed and checked; nothing has run yet. */
interface Plan {
  readonly name: CommandName;
  readonly command: Command;
  readonly words: Words;
  readonly globals: GlobalValues;
}

function unknownVerb(verb: string): SmcError {
  const near = nearest(verb, Object.keys(COMMANDS));
  const hint =
    near.length === 0 ? 'see "smc help"' : `did you mean ${near.map((name) => `"smc ${name}"`).join(", ")}?`;
  return new SmcError("USAGE", `'${show(verb, 80)}' is not a verb of smc`, { hint });
}

/** `-3` → `--max-count=3` for the commands that take it so. */
function expandDigits(args: readonly string[], command: Command): string[] {
  const end = args.indexOf("--");
  return args.map((word, position) => {
    const counts = command.digits !== undefined && /^-\d+$/.test(word) && (end < 0 || position < end);
    return counts ? `--${command.digits}=${word.slice(1)}` : word;
  });
}

/** Throws USAGE when more positional words were given than the command takes, or fewer. */
function checkCount(name: string, command: Command, words: Words): void {
  const given = [...words.words, ...(words.rest ?? [])];
  const required = command.positionals.filter((positional) => positional.required === true);
  if (given.length < required.length) {
    const missing = required[given.length]?.name ?? "";
    throw new SmcError("USAGE", `'smc ${name}' needs ${missing}`, { hint: `see "smc help ${name}"` });
  }
  const many = command.positionals.some((positional) => positional.many === true);
  if (!many && given.length > command.positionals.length) {
    const extra = given[command.positionals.length] ?? "";
    throw new SmcError("USAGE", `'smc ${name}' does not take '${show(extra, 80)}'; nothing was run`, {
      hint: `see "smc help ${name}"`,
    });
  }
}

/** After the verb a command's own option hides the global one of that name: `smc --store PATH backup --store`. */
function joinGlobals(before: readonly string[], command: Command, words: Words): GlobalValues {
  const early: Readonly<Record<string, unknown>> = parseWords(before, GLOBAL_OPTIONS).options;
  const late: Readonly<Record<string, unknown>> = words.options;
  const isLate = (name: string): boolean =>
    !Object.hasOwn(command.options, name) && late[name] !== undefined && late[name] !== false;
  const names = Object.keys(GLOBAL_OPTIONS);
  return Object.fromEntries(names.map((name) => [name, (isLate(name) ? late : early)[name]])) as GlobalValues;
}

async function plan(args: readonly string[]): Promise<Plan> {
  const { before, verb, after } = splitAtVerb(args, GLOBAL_OPTIONS);
  if (verb === undefined) {
    const { options: globals, rest } = parseWords(before, GLOBAL_OPTIONS);
    if (rest !== undefined && rest.length > 0) throw unknownVerb(rest[0] ?? "");
    const name = globals.version ? "version" : "help";
    return {
      name,
      command: await loadCommand(name),
      // Whoever says nothing wants to begin; whoever asks for help wants all of it.
      words: { options: {}, words: globals.version || globals.help ? [] : ["start"], rest: undefined },
      globals,
    };
  }
  if (!isCommandName(verb)) throw unknownVerb(verb);
  const command = await loadCommand(verb);
  const specs: OptionSpecs = { ...GLOBAL_OPTIONS, ...command.options };
  const isHiding = Object.keys(GLOBAL_OPTIONS).some((name) => Object.hasOwn(command.options, name));
  const own = expandDigits(after, command);
  const words = parseWords(isHiding ? own : [...before, ...own], specs, `see "smc help ${verb}"`);
  const globals = isHiding ? joinGlobals(before, command, words) : (words.options as GlobalValues);
  if (globals.help) {
    const page: Words = { options: {}, words: [verb], rest: undefined };
    return { name: "help", command: await loadCommand("help"), words: page, globals };
  }
  checkCount(verb, command, words);
  return { name: verb, command, words, globals };
}

/** Good enough to report an error of parsing itself. */
function roughPrinter(args: readonly string[]): Printer {
  const end = args.indexOf("--");
  const words = end < 0 ? args : args.slice(0, end);
  const json = words.includes("--json");
  return new Printer({ json, quiet: false, color: !words.includes("--no-color"), progress: "none" });
}

function progressOption(globals: GlobalValues): "none" | "plain" | "fancy" | undefined {
  const wish = globals.progress ?? process.env["SMC_PROGRESS"];
  return wish === "none" || wish === "plain" || wish === "fancy" ? wish : undefined;
}

async function run(
  { name, command, words, globals }: Plan,
  printer: Printer,
  signal: AbortSignal,
): Promise<number> {
  const context = createContext({ globals, name, printer, signal });
  const mode = { out: printer, json: globals.json, quiet: globals.quiet };
  const running = command.execute(context, words, mode);
  const exit = await running.catch((error: unknown) => {
    throw ofCommand(error, name);
  });
  await printer.flush();
  return exit;
}

/** What a command says of its own words leads to its own page. */
function ofCommand(error: unknown, name: string): unknown {
  if (!isSmcError(error, "USAGE") || error.hint !== ERRORS.USAGE.hint) return error;
  const { message, details } = error;
  return new SmcError("USAGE", message, { hint: `see "smc help ${name}"`, details, cause: error });
}

/** Tells what went wrong and returns the exit status. */
async function report(error: unknown, printer: Printer, verbose: boolean): Promise<number> {
  if (error instanceof BrokenPipe) return EXIT_BROKEN_PIPE;
  const known = isSmcError(error)
    ? error
    : new SmcError("INTERNAL", `internal error: ${error instanceof Error ? error.message : String(error)}`, {
        details: verbose && error instanceof Error ? { stack: error.stack } : {},
      });
  printer.error(known, { verbose });
  await printer.flush();
  return known.exit;
}

/** Rejects when the signal fires, so that a command that waits for input ends as well. */
function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new SmcError("CANCELED", "interrupted")), { once: true });
  });
}

/** Runs one command line. Resolves with the exit status; never throws. */
export async function main(args: readonly string[]): Promise<number> {
  if (args[0] === COMPLETE) return (await import("./complete.ts")).complete(args.slice(1));
  const abort = new AbortController();
  process.once("SIGINT", () => {
    abort.abort();
    process.once("SIGINT", () => process.exit(EXIT_INTERRUPTED));
  });
  let printer = roughPrinter(args);
  let verbose = false;
  try {
    const planned = await plan(args);
    verbose = planned.globals.verbose;
    const { json, quiet } = planned.globals;
    printer = new Printer({
      json,
      quiet,
      color: !planned.globals["no-color"],
      progress: progressOption(planned.globals),
    });
    const interrupted = whenAborted(abort.signal);
    interrupted.catch(() => undefined);
    const running = run(planned, printer, abort.signal);
    return await (planned.command.foreground ? running : Promise.race([running, interrupted]));
  } catch (error) {
    const reason = abort.signal.aborted ? new SmcError("CANCELED", "interrupted") : error;
    return report(reason, printer, verbose).catch((failure: unknown) =>
      failure instanceof BrokenPipe ? EXIT_BROKEN_PIPE : isSmcError(failure) ? failure.exit : 70,
    );
  }
}
