/** Settings: get, set, unset, list. */
import type { Call } from "../call.ts";
import { CONFIG_KEYS } from "../config-keys.ts";
import type { ConfigValue } from "../config-text.ts";
import {
  type ConfigEntry,
  configFile,
  type ConfigPlaces,
  type ConfigProblem,
  parseConfigValue,
  readConfig,
  requireConfigKey,
  writeConfig,
} from "../config.ts";
import { SmcError } from "../errors.ts";
import type { Store } from "../store.ts";
import { findRoot } from "../worktree/worktree.ts";

export interface ConfigOptions {
  readonly action: "get" | "set" | "unset" | "list";
  readonly key?: string;
  /** For `set`, as typed. */
  readonly value?: string;
  /** Which file `set` and `unset` write; "store" when left out. */
  readonly layer?: "store" | "worktree";
  /** Absolute path of where the user stands; the worktree it is in counts. */
  readonly folder?: string;
  /** The user's variables that settings look at. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ConfigRow extends ConfigEntry {
  readonly description: string;
  readonly type: string;
  readonly default: ConfigValue | null;
  /** The environment variable that wins over files. */
  readonly environment: string | null;
  /** Whether a worktree may set it. */
  readonly worktree: boolean;
}

export interface ConfigResult {
  /** The key asked for; with `list`, all. */
  readonly entries: readonly ConfigRow[];
  /** Lines of the files that are ignored. */
  readonly problems: readonly ConfigProblem[];
  /** The file that was written. */
  readonly file: string | null;
}

/**
 * Throws CONFIG_INVALID (unknown key, bad value, broken file, key not allowed in a worktree), CONFIG_NOT_FOUND when
 * `get` finds no value or `unset` nothing to remove, WORKTREE_NOT_FOUND, ARGUMENT_INVALID.
 */
export async function config(store: Store, options: ConfigOptions, _call: Call): Promise<ConfigResult> {
  const root = options.folder === undefined ? undefined : (await findRoot(options.folder))?.root;
  const places: ConfigPlaces = {
    storePath: store.path,
    worktreeRoot: root,
    environment: options.environment,
  };
  const layer = options.layer ?? "store";
  if (options.action === "list")
    return answer(
      places,
      CONFIG_KEYS.map((key) => key.name),
      null,
    );
  if (options.key === undefined)
    throw new SmcError("ARGUMENT_INVALID", `config ${options.action} needs a key`);
  const key = requireConfigKey(options.key);
  if (options.action === "get") {
    const result = await answer(places, [key.name], null);
    if (result.entries[0]?.value !== null) return result;
    throw new SmcError("CONFIG_NOT_FOUND", `'${key.name}' is not set and has no default`, {
      hint: `set it with "smc config set ${key.name} …"`,
    });
  }
  if (options.action === "set") {
    if (options.value === undefined) throw new SmcError("ARGUMENT_INVALID", "config set needs a value");
    await writeConfig(places, { layer, key, value: parseConfigValue(key, options.value) });
  } else if (!(await writeConfig(places, { layer, key, value: undefined }))) {
    throw new SmcError("CONFIG_NOT_FOUND", `'${key.name}' is not set in '${configFile(places, layer)}'`);
  }
  return answer(places, [key.name], configFile(places, layer));
}

async function answer(
  places: ConfigPlaces,
  names: readonly string[],
  file: string | null,
): Promise<ConfigResult> {
  const { entries, problems } = await readConfig(places);
  const rows = names.flatMap((name): ConfigRow[] => {
    const key = requireConfigKey(name);
    const entry = entries.get(name);
    if (entry === undefined) return [];
    const { description, type, worktree } = key;
    const about = { description, type, default: key.default, environment: key.environment ?? null, worktree };
    return [
      { ...entry, ...about, value: key.secret === true && entry.value !== null ? "********" : entry.value },
    ];
  });
  return { entries: rows, problems, file };
}
