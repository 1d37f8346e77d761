/** `.smcignore`: gitignore(5) syntax, one file a folder, deeper files win. `.smc` and `.git` are always ignored. */
import { join } from "node:path";
import ignore, { type Ignore } from "ignore";
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";
import { readSmall } from "./head.ts";

export const IGNORE_FILE = ".smcignore";
const FILE_BYTES_MAX = 256 * 1024;
const RULES_MAX = 2000;
const RULE_LENGTH_MAX = 1024;
/** The time to match grows by a power for each `**`; files from others must not stop the daemon. */
const DOUBLE_STARS_MAX = 2;

/** The rules that hold in one folder: its own file's and its parents'. */
export interface IgnoreRules {
  /** Path of the folder from the root, with a `/` at the end unless it is "". */
  readonly prefix: string;
  readonly own: Ignore | undefined;
  readonly parent: IgnoreRules | undefined;
}

const OPTIONS = { ignorecase: false, allowRelativePaths: true };
export const NO_RULES: IgnoreRules = { prefix: "", own: undefined, parent: undefined };

/** What a killed `init` or checkout can leave: a folder, or a file beside its target. */
export const LEFTOVER = /^\.smc[.-]tmp-[0-9a-f]{12}$/;

/** Files that are not yet downloaded whole begin so. */
export const PART_PREFIX = ".smc-part-";

/** Never tracked, wherever it is. */
export function isAlwaysIgnored(name: string): boolean {
  return name === ".smc" || name === ".git" || LEFTOVER.test(name) || name.startsWith(PART_PREFIX);
}

/** Rules of a folder whose `.smcignore` is there. Throws CONFIG_INVALID naming the line, LIMIT_EXCEEDED. */
export async function readRules(root: string, prefix: string, parent: IgnoreRules): Promise<IgnoreRules> {
  const path = `${prefix}${IGNORE_FILE}`;
  const text = (await readSmall(join(root, path), FILE_BYTES_MAX)).toString("utf8");
  return { prefix, own: parseRules(text, path), parent };
}

/** Reads the text of an ignore file. Throws CONFIG_INVALID naming the line. */
export function parseRules(text: string, path: string): Ignore {
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
  if (lines.length > RULES_MAX)
    throw new SmcError("CONFIG_INVALID", `'${show(path)}' has more than ${RULES_MAX} lines`);
  const rules = ignore(OPTIONS);
  for (const [index, line] of lines.entries()) {
    const fault = ruleFault(line);
    if (fault !== undefined)
      throw new SmcError("CONFIG_INVALID", `'${show(path)}' line ${index + 1}: ${fault}`);
    rules.add(line);
  }
  return rules;
}

function ruleFault(line: string): string | undefined {
  if (line.length > RULE_LENGTH_MAX) return `longer than ${RULE_LENGTH_MAX} characters`;
  if (line.startsWith("#")) return undefined;
  if ((line.match(/\*\*+/g) ?? []).length > DOUBLE_STARS_MAX)
    return `more than ${DOUBLE_STARS_MAX} '**' in a rule`;
  return undefined;
}

/**
 * The rules for what is below a folder that is not ignored. Where a deeper file takes a folder back in, what files
 * further up say about the folder itself no longer counts for what is in it.
 */
export function rulesBelow(rules: IgnoreRules, folder: string): IgnoreRules {
  const parent = rules.parent === undefined ? undefined : rulesBelow(rules.parent, folder);
  const below = folder.slice(rules.prefix.length);
  if (rules.own?.test(`${below}/`).ignored === true) {
    const escaped = below.replace(/[\\*?[\] ]/g, "\\$&");
    return { prefix: rules.prefix, own: ignore(OPTIONS).add(rules.own).add(`!/${escaped}/`), parent };
  }
  return parent === rules.parent ? rules : { ...rules, parent };
}

/** Whether rules leave a path out; its folder is taken as not ignored. */
export function isIgnored(rules: IgnoreRules, path: string, isFolder: boolean): boolean {
  for (let level: IgnoreRules | undefined = rules; level !== undefined; level = level.parent) {
    if (level.own === undefined) continue;
    const below = path.slice(level.prefix.length);
    const verdict = level.own.test(isFolder ? `${below}/` : below);
    if (verdict.ignored) return true;
    if (verdict.unignored) return false;
  }
  return false;
}
