/** Which files of a worktree should be named by `name.pattern`, and which of them are not. */
import { posix, relative, resolve, sep } from "node:path";
import { readConfig } from "../config.ts";
import { SmcError } from "../errors.ts";
import { show } from "../show.ts";
import type { Store } from "../store.ts";
import { type NamePattern, nameFault, parseNamePattern } from "./name-pattern.ts";

const MODEL_FILE =
  /\.(?:bin|ckpt|engine|gguf|h5|hdf5|joblib|keras|msgpack|npy|npz|onnx|pb|pkl|pt|pth|safetensors|tflite)$/i;
/** Backups have a rule of their own. */
const BACKUPS = "backups/";
const PATHS_SHOWN = 10;

export interface NameRule {
  readonly pattern: NamePattern;
  /** `layout.folder` from the root of the worktree, with a `/` at the end; "" is the root itself. */
  readonly prefix: string;
}

interface Place {
  readonly store: Pick<Store, "path">;
  readonly worktree: { readonly root: string } | undefined;
}

/** `name.pattern`; undefined when it is empty: then every name is good. Throws CONFIG_INVALID. */
export async function readNamePattern({ store, worktree }: Place): Promise<NamePattern | undefined> {
  const { entries } = await readConfig({ storePath: store.path, worktreeRoot: worktree?.root });
  const text = entries.get("name.pattern")?.value;
  return typeof text !== "string" || text === "" ? undefined : parseNamePattern(text);
}

/** Undefined where no name is looked at. Throws CONFIG_INVALID. */
async function readNameRule(place: Place): Promise<NameRule | undefined> {
  const pattern = await readNamePattern(place);
  const { store, worktree } = place;
  if (pattern === undefined || worktree === undefined) return undefined;
  const { entries } = await readConfig({ storePath: store.path, worktreeRoot: worktree.root });
  const folder = entries.get("layout.folder")?.value;
  if (typeof folder !== "string") return undefined;
  const below = relative(worktree.root, resolve(worktree.root, folder)).split(sep).join("/");
  if (below === ".." || below.startsWith("../")) return undefined;
  return { pattern, prefix: below === "" ? "" : `${below}/` };
}

/**
 * Of paths from the root of the worktree: model files below `layout.folder`, but for backups, whose names do not fit.
 * With `isStrict` throws ARGUMENT_INVALID when there are some, else CONFIG_INVALID only.
 */
export async function findBadNames(
  place: Place,
  { paths, isStrict }: { paths: readonly string[]; isStrict: boolean },
): Promise<string[]> {
  if (paths.length === 0) return [];
  const rule = await readNameRule(place);
  if (rule === undefined) return [];
  const bad = paths.filter((path) => isBad(rule, path)).sort();
  if (!isStrict || bad.length === 0) return bad;
  const shown = bad.slice(0, PATHS_SHOWN).map((path) => `'${show(path, 200)}'`);
  const more = bad.length > PATHS_SHOWN ? ` and ${bad.length - PATHS_SHOWN} more` : "";
  throw new SmcError(
    "ARGUMENT_INVALID",
    `not of the form ${rule.pattern.text}: ${shown.join(", ")}${more}; nothing was changed`,
    { hint: 'rename them; "smc name suggest FILE" has a name', details: { paths: bad.slice(0, 1000) } },
  );
}

/** The name under which a file is kept elsewhere, when it is a model's and does not fit. Throws CONFIG_INVALID. */
export async function findBadName(place: Place, name: string): Promise<string[]> {
  const pattern = await readNamePattern(place);
  return pattern !== undefined && isMisnamed(pattern, name) ? [name] : [];
}

function isMisnamed(pattern: NamePattern, path: string): boolean {
  return MODEL_FILE.test(path) && nameFault(pattern, posix.basename(path)) !== undefined;
}

function isBad({ pattern, prefix }: NameRule, path: string): boolean {
  if (!path.startsWith(prefix) || path.startsWith(prefix + BACKUPS)) return false;
  return isMisnamed(pattern, path);
}
