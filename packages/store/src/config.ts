/** Settings: their values, and the layers they come from. */
import { join } from "node:path";
import {
  CONFIG_BYTES_MAX,
  type ConfigLine,
  type ConfigValue,
  formatConfigText,
  parseConfigText,
} from "./config-text.ts";
import { isSmcError, SmcError } from "./errors.ts";
import { replaceFile } from "./fs.ts";
import { type ConfigKey, CONFIG_KEYS } from "./config-keys.ts";
import { parseNamePattern } from "./layout/name-pattern.ts";
import { assertSafe, parseWebUrl } from "./catalog/web-url.ts";
import { assertIdentity, parseIdentity, refName } from "./objects/names.ts";
import { parseLower } from "./registry/metric-direction.ts";
import { show } from "./show.ts";
import { suggest } from "./history/suggest.ts";
import { readSmall } from "./worktree/head.ts";

export type ConfigOrigin = "default" | "store" | "worktree" | "environment";

export interface ConfigEntry {
  readonly key: string;
  /** Null when it has no default and is not set. */
  readonly value: ConfigValue | null;
  readonly origin: ConfigOrigin;
  /** The file, or the environment variable. */
  readonly source?: string;
}

/** A line of a file that is ignored. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number;
  readonly key: string;
  readonly message: string;
}

export interface Config {
  readonly entries: ReadonlyMap<string, ConfigEntry>;
  readonly problems: readonly ConfigProblem[];
}

export interface ConfigPlaces {
  readonly storePath: string;
  /** Root of the worktree the user stands in. */
  readonly worktreeRoot?: string | undefined;
  /** Variables of the user's environment; those that no key names are not looked at. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
}

/** `<store>/config.json`, or `.smc/config.json` of a worktree. */
export function configFile(places: ConfigPlaces, layer: "store" | "worktree"): string {
  if (layer === "store") return join(places.storePath, "config.json");
  if (places.worktreeRoot === undefined) {
    throw new SmcError("WORKTREE_NOT_FOUND", "this folder is not in a worktree of smc");
  }
  return join(places.worktreeRoot, ".smc", "config.json");
}

/** The row of a key. Throws CONFIG_INVALID with "did you mean" for a key that is not known. */
export function requireConfigKey(name: string): ConfigKey {
  const key = CONFIG_KEYS.find((row) => row.name === name);
  if (key !== undefined) return key;
  const near = suggest(
    name,
    CONFIG_KEYS.map((row) => row.name),
  );
  throw new SmcError("CONFIG_INVALID", `there is no setting '${show(name, 80)}'`, {
    hint: near.length === 0 ? 'list them with "smc config list"' : `did you mean: ${near.join(", ")}`,
    details: { key: name, candidates: near },
  });
}

function fault(key: ConfigKey, value: unknown): string | undefined {
  if (key.type === "boolean") return typeof value === "boolean" ? undefined : "is not true or false";
  if (key.type === "integer") {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = key;
    const fits = typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
    return fits ? undefined : `is not a whole number from ${min} to ${max}`;
  }
  if (typeof value !== "string") return "is not text";
  if (key.type === "choice")
    return key.values?.includes(value) === true ? undefined : `is not one of ${key.values?.join(", ")}`;
  return textFault(key, value);
}

function textFault(key: ConfigKey, value: string): string | undefined {
  try {
    if (key.name === "user.name") assertIdentity({ name: value, email: "a@b" });
    if (key.name === "user.email") assertIdentity({ name: "a", email: value });
    if (key.name === "init.defaultBranch") refName("refs/heads/", value);
    if (key.name === "serve.protectedBranches") parseBranchPatterns(value);
    if (key.name === "metrics.lower") parseLower(value);
    if (/^links\.(?:github|gdrive|dropbox)$/.test(key.name)) parseLinkHost(value);
    if (key.name === "name.pattern" && value !== "") parseNamePattern(value);
  } catch (error) {
    if (isSmcError(error)) return error.message.slice(error.message.lastIndexOf(": ") + 2);
    throw error;
  }
  return undefined;
}

/** `main, release/*`: names of branches, `*` at the end for any rest. Throws REF_NAME_INVALID. */
export function parseBranchPatterns(text: string): readonly string[] {
  const patterns = text.split(",").map((part) => part.trim());
  const named = patterns.filter((pattern) => pattern !== "");
  for (const pattern of named)
    if (pattern !== "*") refName("refs/heads/", pattern.endsWith("*") ? `${pattern.slice(0, -1)}x` : pattern);
  return named;
}

/** Where a service answers: scheme, host, port and perhaps a path. Throws URL_INVALID. */
export function parseLinkHost(text: string): URL {
  const url = parseWebUrl(text);
  assertSafe(url, null);
  if (url.search !== "")
    throw new SmcError("URL_INVALID", "this is not the address of a service: it has a query");
  return url;
}

/** Reads what a person types as the value of a key. Throws CONFIG_INVALID. */
export function parseConfigValue(key: ConfigKey, text: string): ConfigValue {
  let value: ConfigValue = text;
  if (key.type === "boolean" && /^(true|false|yes|no|on|off)$/i.test(text))
    value = /^(true|yes|on)$/i.test(text);
  if (key.type === "integer" && /^\d{1,15}$/.test(text)) value = Number(text);
  const why = fault(key, value);
  if (why !== undefined) throw new SmcError("CONFIG_INVALID", `${key.name}: '${show(text, 80)}' ${why}`);
  return value;
}

async function readLayer(file: string): Promise<ConfigLine[]> {
  let bytes: Buffer;
  try {
    bytes = await readSmall(file, CONFIG_BYTES_MAX);
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return [];
    throw error;
  }
  return parseConfigText(bytes.toString("utf8"), file);
}

function ignoredBecause(line: ConfigLine, layer: "store" | "worktree"): string | undefined {
  const key = CONFIG_KEYS.find((row) => row.name === line.key);
  if (key === undefined) return "is not a setting of this smc";
  if (layer === "worktree" && !key.worktree) return "cannot be set by a worktree, only by the store";
  return undefined;
}

/**
 * All settings with where they come from: environment, then worktree, then store, then default.
 * A key that is unknown, or not allowed in a worktree, is ignored and listed in `problems`.
 * Throws CONFIG_INVALID with file and line for broken JSON and for a value of the wrong type.
 */
export async function readConfig(places: ConfigPlaces): Promise<Config> {
  const entries = new Map<string, ConfigEntry>();
  const problems: ConfigProblem[] = [];
  for (const key of CONFIG_KEYS)
    entries.set(key.name, { key: key.name, value: key.default, origin: "default" });
  for (const layer of ["store", "worktree"] as const) {
    if (layer === "worktree" && places.worktreeRoot === undefined) continue;
    const file = configFile(places, layer);
    for (const line of await readLayer(file)) {
      const ignored = ignoredBecause(line, layer);
      if (ignored !== undefined) {
        const message = `'${show(line.key, 80)}' ${ignored}; it is ignored`;
        problems.push({ file, line: line.line, key: line.key, message });
        continue;
      }
      const why = fault(requireConfigKey(line.key), line.value);
      if (why !== undefined) {
        throw new SmcError("CONFIG_INVALID", `'${show(file)}', line ${line.line}: ${line.key} ${why}`, {
          details: { file, line: line.line, key: line.key },
        });
      }
      entries.set(line.key, { key: line.key, value: line.value, origin: layer, source: file });
    }
  }
  for (const entry of readEnvironment(places.environment ?? {})) entries.set(entry.key, entry);
  return { entries, problems };
}

function* readEnvironment(environment: Readonly<Record<string, string | undefined>>): Generator<ConfigEntry> {
  for (const key of CONFIG_KEYS) {
    const source = key.environment;
    const text = source === undefined ? undefined : environment[source];
    if (source === undefined || text === undefined || text === "") continue;
    const person = source === "SMC_AUTHOR" ? parseIdentity(text) : undefined;
    if (person !== undefined) {
      const value = key.name === "user.name" ? person.name : person.email;
      yield { key: key.name, value, origin: "environment", source };
      continue;
    }
    yield { key: key.name, value: parseConfigValue(key, text), origin: "environment", source };
  }
}

/** Sets or (with undefined) removes a key of one file; true when it was there before. Atomic. Throws as readConfig. */
export async function writeConfig(
  places: ConfigPlaces,
  change: { layer: "store" | "worktree"; key: ConfigKey; value: ConfigValue | undefined },
): Promise<boolean> {
  const { layer, key, value } = change;
  if (layer === "worktree" && !key.worktree && value !== undefined) {
    throw new SmcError("CONFIG_INVALID", `'${key.name}' cannot be set by a worktree, only by the store`, {
      hint: `smc config set --store ${key.name} …`,
    });
  }
  const file = configFile(places, layer);
  const before = await readLayer(file);
  const kept = before.filter((line) => line.key !== key.name);
  const after = value === undefined ? kept : [...kept, { key: key.name, value }];
  if (value === undefined && kept.length === before.length) return false;
  await replaceFile(file, formatConfigText(after));
  return kept.length !== before.length;
}
