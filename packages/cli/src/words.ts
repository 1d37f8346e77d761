/**
 * Words of the command line → values of declared options. Strict: what is not declared, given twice or
 * out of range is refused before anything runs.
 */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { nearest } from "./nearest.ts";

interface OptionBase {
  /** One letter, without the dash. */
  readonly short?: string;
  readonly summary: string;
  /** Head below which help pages list it; "Options" when left out. */
  readonly group?: string;
}

/** An option as data: help pages, completion and the docs test read it. */
export type OptionSpec =
  | (OptionBase & { readonly type: "boolean" })
  | (OptionBase & { readonly type: "string"; readonly value: string; readonly multiple?: boolean })
  | (OptionBase & { readonly type: "choice"; readonly choices: readonly string[] })
  | (OptionBase & {
      readonly type: "integer";
      readonly value: string;
      readonly min: number;
      readonly max: number;
      /** What the option means without a value; with one it is written `--name=value`. */
      readonly bare?: number;
    });

/** Long name, without dashes → option. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

type OptionValue<S extends OptionSpec> = S extends { type: "boolean" }
  ? boolean
  : S extends { type: "integer" }
    ? number | undefined
    : S extends { type: "choice"; choices: readonly (infer Choice)[] }
      ? Choice | undefined
      : S extends { multiple: true }
        ? readonly string[]
        : string | undefined;

export type OptionValues<S extends OptionSpecs> = { readonly [Name in keyof S]: OptionValue<S[Name]> };

/** What was typed after the verb. */
export interface Words<S extends OptionSpecs = OptionSpecs> {
  readonly options: OptionValues<S>;
  /** Positional words before `--`. */
  readonly words: readonly string[];
  /** Positional words after `--`; undefined when there was no `--`. */
  readonly rest: readonly string[] | undefined;
}

type Token = NonNullable<ReturnType<typeof parseArgs<ParseArgsConfig & { tokens: true }>>["tokens"]>[number];
type OptionToken = Extract<Token, { kind: "option" }>;

function isBare(spec: OptionSpec): spec is OptionSpec & { readonly type: "integer"; readonly bare: number } {
  return spec.type === "integer" && spec.bare !== undefined;
}

function tokenize(args: readonly string[], specs: OptionSpecs): readonly Token[] {
  const options: NonNullable<ParseArgsConfig["options"]> = {};
  for (const [name, spec] of Object.entries(specs)) {
    options[name] = {
      type: spec.type === "boolean" || isBare(spec) ? "boolean" : "string",
      multiple: true,
      ...(spec.short === undefined ? {} : { short: spec.short }),
    };
  }
  return parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

/** Splits at the verb: the words before it are global. The verb is undefined when there is none. */
export function splitAtVerb(
  args: readonly string[],
  specs: OptionSpecs,
): { before: readonly string[]; verb: string | undefined; after: readonly string[] } {
  for (const token of tokenize(args, specs)) {
    if (token.kind === "option-terminator") break;
    if (token.kind === "option" && !Object.hasOwn(specs, token.name)) break;
    if (token.kind === "positional") {
      return { before: args.slice(0, token.index), verb: token.value, after: args.slice(token.index + 1) };
    }
  }
  return { before: args, verb: undefined, after: [] };
}

function unknownOption(token: OptionToken, specs: OptionSpecs, seeHelp: string): SmcError {
  const typed = token.rawName.startsWith("--") ? token.rawName : `-${token.name}`;
  const negated = token.name.startsWith("no-") ? token.name.slice(3) : undefined;
  if (negated !== undefined && Object.hasOwn(specs, negated)) {
    const why = `'--${negated}' cannot be negated: there is no option '${show(typed, 80)}'`;
    return new SmcError("USAGE", why, { hint: seeHelp });
  }
  const near = nearest(token.name, Object.keys(specs)).map((name) => `--${name}`);
  const hint = near.length === 0 ? seeHelp : `did you mean ${near.join(", ")}?`;
  return new SmcError("USAGE", `unknown option '${show(typed, 80)}'; nothing was run`, { hint });
}

/** Reads a whole number in plain ASCII digits. Throws ARGUMENT_INVALID. */
export function parseInteger(text: string, range: { what: string; min: number; max: number }): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  const fault = `'${show(text, 40)}' is not a number from ${range.min} to ${range.max}`;
  throw new SmcError("ARGUMENT_INVALID", `${range.what}: ${fault}`);
}

function parseValue(
  { name, spec, seeHelp }: { name: string; spec: OptionSpec; seeHelp: string },
  token: OptionToken,
): string | number | boolean {
  if (spec.type === "boolean") {
    if (token.value === undefined) return true;
    throw new SmcError("USAGE", `option '--${name}' takes no value`, { hint: seeHelp });
  }
  if (token.value === undefined && isBare(spec)) return spec.bare;
  if (token.value === undefined)
    throw new SmcError("USAGE", `option '${token.rawName}' needs a value`, { hint: seeHelp });
  if (spec.type === "integer")
    return parseInteger(token.value, { what: `--${name}`, min: spec.min, max: spec.max });
  if (spec.type === "choice" && !spec.choices.includes(token.value)) {
    const fault = `'${show(token.value, 40)}' is not one of ${spec.choices.join(", ")}`;
    throw new SmcError("ARGUMENT_INVALID", `--${name}: ${fault}`);
  }
  return token.value;
}

/** Throws USAGE, which says where the options are told, or ARGUMENT_INVALID for anything the specs do not allow. */
export function parseWords<S extends OptionSpecs>(
  args: readonly string[],
  specs: S,
  seeHelp = 'see "smc help"',
): Words<S> {
  const options: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.type === "boolean") options[name] = false;
    else options[name] = spec.type === "string" && spec.multiple === true ? [] : undefined;
  }
  const seen = new Set<string>();
  const words: string[] = [];
  let rest: string[] | undefined;
  for (const token of tokenize(args, specs)) {
    if (token.kind === "option-terminator") rest = [];
    else if (token.kind === "positional") (rest ?? words).push(token.value);
    else {
      const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
      if (spec === undefined) throw unknownOption(token, specs, seeHelp);
      const value = parseValue({ name: token.name, spec, seeHelp }, token);
      const list = options[token.name];
      if (Array.isArray(list)) list.push(value);
      else if (seen.has(token.name))
        throw new SmcError("USAGE", `option '--${token.name}' is given twice`, { hint: seeHelp });
      else options[token.name] = value;
      seen.add(token.name);
    }
  }
  return { options: options as OptionValues<S>, words, rest };
}
