/** What names of model files look like: `{model_type}_{version}_{date}.pt`. Read, compared and filled in. Pure. */
import { SmcError } from "../errors.ts";
import { portabilityFault } from "../objects/names.ts";
import { show } from "../show.ts";

export const NAME_PATTERN = "{model_type}_{version}_{date}.pt";
const PATTERN_LENGTH_MAX = 200;
const NAME_LENGTH_MAX = 255;

export const NAME_PARTS = ["model_type", "version", "date"] as const;
export type NamePart = (typeof NAME_PARTS)[number];
export type NameValues = Readonly<Record<NamePart, string>>;

const RELEASE = String.raw`v?\d{1,9}(?:\.\d{1,9}){0,2}(?:-[0-9A-Za-z]+(?:[.-][0-9A-Za-z]+)*)?`;
/** What may stand in place of each. */
const SHAPES: NameValues = {
  model_type: "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?",
  version: RELEASE,
  date: String.raw`\d{4}-\d{2}-\d{2}|\d{8}`,
};
const MEANT: NameValues = {
  model_type: "letters, digits, '.', '_' and '-'",
  version: "a release such as v1.0.0 or v2",
  date: "a day such as 20260115 or 2026-01-15",
};

export interface NamePattern {
  readonly text: string;
  /** Literals and placeholders in turn, without the extension. */
  readonly parts: readonly (string | { readonly part: NamePart })[];
  /** At its end, with the dot; "" when the pattern has none. Files may have another one. */
  readonly extension: string;
}

/** Throws CONFIG_INVALID. */
export function parseNamePattern(text: string): NamePattern {
  const fail = (why: string): never => {
    throw new SmcError("CONFIG_INVALID", `the pattern '${show(text, 80)}' of names: ${why}`, {
      hint: `for instance ${NAME_PATTERN}; its parts are ${NAME_PARTS.map((part) => `{${part}}`).join(", ")}`,
    });
  };
  if (text.length > PATTERN_LENGTH_MAX) fail(`is longer than ${PATTERN_LENGTH_MAX} characters`);
  const extension = /(?<=\})\.[A-Za-z][A-Za-z0-9]*$/.exec(text)?.[0] ?? "";
  const parts: (string | { part: NamePart })[] = [];
  const seen = new Set<string>();
  for (const word of text.slice(0, text.length - extension.length).split(/(\{[^{}]*\})/)) {
    if (word === "") continue;
    if (!word.startsWith("{")) {
      if (/[{}/\\]/.test(word) || portabilityFault(`${word}x`) !== undefined || !/^[ -~]*$/.test(word))
        fail(`has '${show(word, 40)}', which cannot be in a name`);
      parts.push(word);
      continue;
    }
    const part = NAME_PARTS.find((known) => `{${known}}` === word);
    if (part === undefined) return fail(`has the unknown part ${show(word, 40)}`);
    if (seen.has(part)) fail(`has {${part}} twice`);
    if (typeof parts.at(-1) === "object") fail(`has nothing between two parts`);
    seen.add(part);
    parts.push({ part });
  }
  if (seen.size === 0) fail("has no part");
  return { text, parts, extension };
}

/** The parts of a name that fits; those that the pattern does not have are left out. */
export function readName(pattern: NamePattern, name: string): Partial<NameValues> | undefined {
  if (name.length > NAME_LENGTH_MAX) return undefined;
  const found = expressionOf(pattern).exec(name)?.groups;
  if (found === undefined || (found.date !== undefined && !isDay(found.date))) return undefined;
  return { ...found };
}

function expressionOf({ parts, extension }: NamePattern): RegExp {
  const body = parts.map((part) =>
    typeof part === "string"
      ? part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
      : `(?<${part.part}>${SHAPES[part.part]})`,
  );
  const dot = String.raw`(?:\.[A-Za-z][A-Za-z0-9]*)`;
  return new RegExp(`^${body.join("")}${dot}${extension === "" ? "?" : ""}$`);
}

/** `20260115` and `2026-01-15`, and only days that there are. */
function isDay(text: string): boolean {
  const [, year = "", month = "", day = ""] = /^(\d{4})-?(\d{2})-?(\d{2})$/.exec(text) ?? [];
  const iso = `${year}-${month}-${day}`;
  const at = new Date(`${iso}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(iso);
}

/** Why the name of a file does not fit, or undefined. */
export function nameFault(pattern: NamePattern, name: string): string | undefined {
  return readName(pattern, name) === undefined ? `it is not of the form ${pattern.text}` : undefined;
}

/** Throws ARGUMENT_INVALID for a value that cannot stand in its place. */
export function formatName(pattern: NamePattern, values: NameValues, extension: string): string {
  for (const part of NAME_PARTS) {
    const value = values[part];
    const fits = new RegExp(`^(?:${SHAPES[part]})$`).test(value) && (part !== "date" || isDay(value));
    if (!fits) throw new SmcError("ARGUMENT_INVALID", `${part} '${show(value, 80)}' is not ${MEANT[part]}`);
  }
  const stem = pattern.parts.map((part) => (typeof part === "string" ? part : values[part.part])).join("");
  const name = stem + (extension === "" ? pattern.extension : extension);
  if (name.length > NAME_LENGTH_MAX)
    throw new SmcError("ARGUMENT_INVALID", `a name of more than ${NAME_LENGTH_MAX} characters`);
  return name;
}
