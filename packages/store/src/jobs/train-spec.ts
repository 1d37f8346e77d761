/** What a person asks to be trained, checked before anything is made: all that is wrong is told at once. Pure. */
import { isSmcError } from "../errors.ts";
import { parseSpan } from "../history/dates.ts";
import { assertPath } from "../objects/names.ts";
import { show } from "../show.ts";
import { branchOfJob } from "./commit-output.ts";
import type { ConfigFault } from "./config-file.ts";
import type { JobSpec } from "./job-record.ts";
import { isSecretName } from "./secret-words.ts";
import { flattenSettings } from "./train-config.ts";
import type { TrainOptions } from "./train-options.ts";

const ENGINES: readonly string[] = ["command", "tfjs"];
/** Of the engine "tfjs", in its output. */
const CHECKPOINTS = "checkpoints/*";
const ARGS_MAX = 4096;
/** Less than what a Linux kernel takes for one word, and for all. */
const ARG_BYTES_MAX = 128 * 1024 - 1;
const ARGV_BYTES_MAX = 1024 * 1024;
const VARIABLES_MAX = 256;
const PARAMS_MAX = 1000;
/** What a timer of Node takes. */
const TIMEOUT_MS_MAX = 24 * 24 * 60 * 60 * 1000;
const GRACE_MS_MAX = 60 * 60 * 1000;
const GRACE_MS = 30_000;
const PRIORITY_MAX = 1000;
const PATTERN_LENGTH_MAX = 1000;
const KEPT_MAX = 1000;

/** Variables that make a program run other code than it names, and our own. */
const FORBIDDEN =
  /^(?:LD_PRELOAD|LD_AUDIT|DYLD_.*|NODE_OPTIONS|PYTHONSTARTUP|BASH_ENV|ENV|PERL5OPT|RUBYOPT|JAVA_TOOL_OPTIONS|SMC_.*)$/i;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** All faults at once; with one of them the spec is of no use. `settings` is the spec of the engine "tfjs" as JSON. */
export function checkSpec(
  options: TrainOptions,
  settings?: string,
): { readonly spec: JobSpec; readonly faults: readonly ConfigFault[] } {
  const engine = options.engine ?? "command";
  const timeoutMs = spanOf(options.timeout, TIMEOUT_MS_MAX);
  const graceMs = spanOf(options.grace, GRACE_MS_MAX);
  const faults = [
    ...faultsOf("engine", ENGINES.includes(engine) ? [] : [`must be one of ${ENGINES.join(", ")}`]),
    ...faultsOf("timeout", typeof timeoutMs === "string" ? [timeoutMs] : []),
    ...faultsOf("timeout", timeoutMs === 0 ? ["leaves it no time"] : []),
    ...faultsOf("grace", typeof graceMs === "string" ? [graceMs] : []),
    ...faultsOf("argv", argvFaults(options)),
    ...environmentFaults(options.environment ?? {}),
    ...numberFaults(options),
    ...keptFaults(options, settings !== undefined),
    ...faultsOf("output", pathFault(options.output)),
    ...faultsOf("metricsFile", pathFault(options.metricsFile)),
    ...faultsOf(
      "name",
      thrown(() => options.name === undefined || branchOfJob(options.name)),
    ),
    ...faultsOf(
      "checkpoints",
      (options.checkpoints?.length ?? 0) > PATTERN_LENGTH_MAX
        ? [`is longer than ${PATTERN_LENGTH_MAX} characters`]
        : [],
    ),
  ];
  const isOwn = settings !== undefined;
  const spec: JobSpec = {
    engine,
    argv: isOwn ? ["tfjs", settings] : options.argv,
    environment: options.environment ?? {},
    output: options.output ?? null,
    checkpoints: isOwn ? CHECKPOINTS : (options.checkpoints ?? null),
    kept: isOwn ? null : keptOf(options),
    metricsFile: options.metricsFile ?? null,
    params: {
      ...(isOwn ? flattenSettings(JSON.parse(settings) as object) : paramsOf(options.argv)),
      ...options.params,
    },
    message: options.message ?? null,
    timeoutMs: typeof timeoutMs === "number" ? timeoutMs : null,
    graceMs: typeof graceMs === "number" ? graceMs : GRACE_MS,
  };
  return { spec, faults };
}

function faultsOf(key: string, messages: readonly string[]): ConfigFault[] {
  return messages.map((message) => ({ key, message }));
}

function argvFaults({ engine, argv }: TrainOptions): string[] {
  if (engine === "tfjs") return argv.length === 0 ? [] : ["the engine tfjs takes no program"];
  if ((argv[0] ?? "") === "") return ['no program is named: "smc train -- python train.py"'];
  if (argv.length > ARGS_MAX) return [`the program has more than ${ARGS_MAX} words`];
  const faults: string[] = [];
  if (argv.some((word) => word.includes("\0"))) faults.push("a word of the program has a NUL character");
  if (argv.some((word) => Buffer.byteLength(word) > ARG_BYTES_MAX))
    faults.push(`a word of the program is longer than ${ARG_BYTES_MAX} bytes`);
  if (argv.reduce((sum, word) => sum + Buffer.byteLength(word), 0) > ARGV_BYTES_MAX)
    faults.push(`the words of the program are longer than ${ARGV_BYTES_MAX} bytes`);
  return faults;
}

function environmentFaults(environment: Readonly<Record<string, string>>): ConfigFault[] {
  const entries = Object.entries(environment);
  if (entries.length > VARIABLES_MAX)
    return faultsOf("environment", [`more than ${VARIABLES_MAX} variables`]);
  return entries.flatMap(([name, value]) => {
    const shown = show(name, 80);
    const key = `environment.${name}`;
    if (!VARIABLE.test(name)) return faultsOf(key, [`'${shown}' is no name of a variable`]);
    if (FORBIDDEN.test(name)) return faultsOf(key, [`the variable ${shown} is not passed on`]);
    return value.includes("\0") ? faultsOf(key, [`the variable ${shown} has a NUL character`]) : [];
  });
}

function keptOf({ keepBest, keepLast }: TrainOptions): { best: number; last: number } | null {
  if (keepBest === undefined && keepLast === undefined) return null;
  return { best: keepBest ?? 1, last: keepLast ?? 1 };
}

/** Of a program; the engine tfjs checks its own. */
function keptFaults(options: TrainOptions, isOwn: boolean): ConfigFault[] {
  if (isOwn) return [];
  const { checkpoints, keepBest, keepLast } = options;
  const isFrom = (value: number | undefined, min: number): boolean =>
    value === undefined || (Number.isSafeInteger(value) && value >= min && value <= KEPT_MAX);
  const nothing = checkpoints === undefined && keptOf(options) !== null;
  return [
    ...faultsOf("keepBest", isFrom(keepBest, 0) ? [] : [`is not from 0 to ${KEPT_MAX}`]),
    ...faultsOf("keepLast", isFrom(keepLast, 1) ? [] : [`is not from 1 to ${KEPT_MAX}`]),
    ...faultsOf("checkpoints", nothing ? ["says which files they are, of which some shall stay"] : []),
  ];
}

/** Milliseconds, or what is wrong with the text. */
function spanOf(text: string | undefined, msMax: number): number | string | undefined {
  if (text === undefined) return undefined;
  const ms = /^[0-9]/.test(text) ? thrownOr(() => parseSpan(text)) : undefined;
  if (typeof ms !== "number") return `'${show(text, 40)}' is not a time such as 90s, 30min, 2h or 1d`;
  return ms > msMax ? `'${show(text, 40)}' is too long` : ms;
}

function numberFaults({ priority = 0, params = {} }: TrainOptions): ConfigFault[] {
  const isTooMuch = Math.abs(priority) > PRIORITY_MAX;
  const isTooMany = Object.keys(params).length > PARAMS_MAX;
  return [
    ...faultsOf("priority", isTooMuch ? [`is not from -${PRIORITY_MAX} to ${PRIORITY_MAX}`] : []),
    ...faultsOf("params", isTooMany ? [`more than ${PARAMS_MAX} of them`] : []),
  ];
}

function pathFault(path: string | undefined): string[] {
  return path === undefined ? [] : thrown(() => assertPath(path, { allowNonportable: false }));
}

function thrownOr<T>(read: () => T): T | undefined {
  let value: T | undefined;
  const faults = thrown(() => {
    value = read();
  });
  return faults.length === 0 ? value : undefined;
}

function thrown(check: () => unknown): string[] {
  try {
    check();
    return [];
  } catch (error) {
    if (!isSmcError(error)) throw error;
    return [error.message];
  }
}

/** `--lr 0.01 --epochs=3 --amp` → params; what looks like a secret is left out. */
export function paramsOf(argv: readonly string[]): Record<string, string | number | boolean> {
  const params = new Map<string, string | number | boolean>();
  for (const [at, word] of argv.entries()) {
    const match = /^--([A-Za-z][A-Za-z0-9_.-]{0,99})(?:=([\s\S]*))?$/.exec(word);
    if (match === null || at === 0) continue;
    const name = match[1] ?? "";
    const next = argv[at + 1];
    const value = match[2] ?? (next === undefined || /^--?[A-Za-z]/.test(next) ? undefined : next);
    if (!isSecretName(name) && params.size < PARAMS_MAX) params.set(name, scalarOf(value));
  }
  return Object.fromEntries(params);
}

function scalarOf(text: string | undefined): string | number | boolean {
  if (text === undefined) return true;
  const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(number) ? number : text;
}
