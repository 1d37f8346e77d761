/** What a person asks to be trained, checked before anything is made: all that is wrong is told at once. Pure. */
import { isSmcError, SmcError } from "../errors.ts";
import { parseSpan } from "../history/dates.ts";
import { assertPath } from "../objects/names.ts";
import { show } from "../show.ts";
import { branchOfJob, isSecretName } from "./commit-output.ts";
import type { JobSpec } from "./job-record.ts";

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

/** Variables that make a program run other code than it names, and our own. */
const FORBIDDEN =
  /^(?:LD_PRELOAD|LD_AUDIT|DYLD_.*|NODE_OPTIONS|PYTHONSTARTUP|BASH_ENV|ENV|PERL5OPT|RUBYOPT|JAVA_TOOL_OPTIONS|SMC_.*)$/i;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

export interface TrainOptions {
  /** What the job works on; HEAD when left out. */
  readonly revision?: string;
  /** "command" when left out. */
  readonly engine?: "command" | "tfjs";
  /** The program and its words: no shell reads them. For "tfjs" its spec as JSON. */
  readonly argv: readonly string[];
  /** Its branch is `jobs/<name>`; its id when left out. */
  readonly name?: string;
  readonly priority?: number;
  /** A span such as `2h`; none when left out. */
  readonly timeout?: string;
  /** From the request to end until it is killed; `30s` when left out. */
  readonly grace?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly metricsFile?: string;
  readonly checkpoints?: string;
  readonly output?: string;
  readonly params?: Readonly<Record<string, string | number | boolean | null>>;
  readonly message?: string;
}

/** Throws ARGUMENT_INVALID with every fault in `details.faults`. */
export function checkSpec(options: TrainOptions): JobSpec {
  const timeoutMs = spanOf("--timeout", options.timeout, TIMEOUT_MS_MAX);
  const graceMs = spanOf("--grace", options.grace, GRACE_MS_MAX);
  const faults = [
    ...[timeoutMs, graceMs].filter((value) => typeof value === "string"),
    ...argvFaults(options.argv),
    ...environmentFaults(options.environment ?? {}),
    ...numberFaults(options),
    ...pathFault("--output", options.output),
    ...pathFault("--metrics-file", options.metricsFile),
    ...thrown(() => options.name === undefined || branchOfJob(options.name)),
  ];
  if ((options.checkpoints?.length ?? 0) > PATTERN_LENGTH_MAX)
    faults.push(`--checkpoints is longer than ${PATTERN_LENGTH_MAX} characters`);
  if (faults.length > 0)
    throw new SmcError("ARGUMENT_INVALID", `${faults.join("; ")}; no job was made`, { details: { faults } });
  return {
    engine: options.engine ?? "command",
    argv: options.engine === "tfjs" ? ["tfjs", ...options.argv] : options.argv,
    environment: options.environment ?? {},
    output: options.output ?? null,
    checkpoints: options.checkpoints ?? null,
    metricsFile: options.metricsFile ?? null,
    params: { ...(options.engine === "tfjs" ? {} : paramsOf(options.argv)), ...options.params },
    message: options.message ?? null,
    timeoutMs: typeof timeoutMs === "number" ? timeoutMs : null,
    graceMs: typeof graceMs === "number" ? graceMs : GRACE_MS,
  };
}

function argvFaults(argv: readonly string[]): string[] {
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

function environmentFaults(environment: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(environment);
  if (entries.length > VARIABLES_MAX) return [`more than ${VARIABLES_MAX} variables`];
  return entries.flatMap(([name, value]) => {
    const shown = show(name, 80);
    if (!VARIABLE.test(name)) return [`'${shown}' is no name of a variable`];
    if (FORBIDDEN.test(name)) return [`the variable ${shown} is not passed on`];
    return value.includes("\0") ? [`the variable ${shown} has a NUL character`] : [];
  });
}

/** Milliseconds, or what is wrong with the text. */
function spanOf(option: string, text: string | undefined, msMax: number): number | string | undefined {
  if (text === undefined) return undefined;
  const ms = /^[0-9]/.test(text) ? thrownOr(() => parseSpan(text)) : undefined;
  if (typeof ms !== "number")
    return `${option}: '${show(text, 40)}' is not a time such as 90s, 30min, 2h or 1d`;
  return ms > msMax ? `${option}: '${show(text, 40)}' is too long` : ms;
}

function numberFaults({ priority, params }: TrainOptions): string[] {
  const faults: string[] = [];
  if (priority !== undefined && Math.abs(priority) > PRIORITY_MAX)
    faults.push(`--priority is not from -${PRIORITY_MAX} to ${PRIORITY_MAX}`);
  if (Object.keys(params ?? {}).length > PARAMS_MAX) faults.push(`more than ${PARAMS_MAX} params`);
  return faults;
}

function pathFault(option: string, path: string | undefined): string[] {
  if (path === undefined) return [];
  return thrown(() => assertPath(path, { allowNonportable: false })).map((fault) => `${option}: ${fault}`);
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
