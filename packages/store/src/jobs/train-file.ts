/**
 * `smc.train.yaml` in the root of the worktree: what `smc train` reads where no program and no other file is named. It
 * has the keys of `smc train --config` and is versioned with the worktree.
 */
import { join } from "node:path";
import { Document, isMap, isScalar } from "yaml";
import { isSmcError } from "../errors.ts";
import { replaceWith } from "../new-file.ts";
import { show } from "../show.ts";
import { readYamlDocument } from "../training-files/nested-values.ts";
import {
  type ConfigFile,
  configRefuser,
  parseConfig,
  readConfigFile,
  readConfigText,
} from "./config-file.ts";
import type { Settings } from "./job-queue.ts";
import type { TrainOptions } from "./train-options.ts";

export const TRAIN_FILE = "smc.train.yaml";
const HEAD =
  ' What "smc train" reads where no program and no --config is named; "smc backbone set" changes it.';

/** Undefined where there is no such file, and for who names a program. Throws as `readConfigFile`. */
export async function readTrainFile(
  worktree: { readonly root: string } | undefined,
  { argv, engine }: Pick<TrainOptions, "argv" | "engine">,
): Promise<ConfigFile | undefined> {
  if (worktree === undefined || argv.length > 0 || engine === "command") return undefined;
  return orNone(() => readConfigFile(join(worktree.root, TRAIN_FILE)));
}

/** The text of the file; empty where there is none. */
export async function readTrainText(path: string): Promise<string> {
  return (await orNone(() => readConfigText(path))) ?? "";
}

async function orNone<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** Settings of the engine "tfjs" in a text; none in an empty one. */
export function settingsIn(path: string, text: string): Settings {
  if (isEmpty(text)) return {};
  const own = [...parseConfig(path, text).values].filter(([key]) => key.startsWith("settings."));
  // The parser takes nothing but plain values below `settings`.
  return Object.fromEntries(own.map(([key, value]) => [key.slice("settings.".length), value])) as Settings;
}

/**
 * The text with other settings, null for none; all else stays as it is, comments too. Throws FILE_MALFORMED, also for
 * what cannot be changed without changing other parts of it: aliases, tags.
 */
export function editSettings(path: string, text: string, changes: Settings): string {
  const refuse = configRefuser(path);
  const document = isEmpty(text) ? new Document({}) : readYamlDocument(text, refuse);
  if (!isMap(document.contents)) return refuse("the outermost value is not a map of names to values");
  if (isEmpty(text)) document.commentBefore = HEAD;
  if (!document.has("engine")) document.set("engine", "tfjs");
  for (const [name, value] of Object.entries(changes)) {
    const keys = ["settings", ...name.split(".")];
    for (const at of keys.keys()) {
      const above = keys.slice(0, at);
      const node = at === 0 ? undefined : document.getIn(above, true);
      if (isScalar(node) && node.value === null) document.deleteIn(above);
      else if (node !== undefined && !isMap(node))
        refuse(`'${above.join(".")}' is no map of names to values`);
    }
    if (document.hasIn(["settings", name])) document.deleteIn(["settings", name]);
    if (value !== null) document.setIn(keys, value);
    else if (document.hasIn(keys)) document.deleteIn(keys);
  }
  const changed = document.toString({ lineWidth: 0 });
  assertChanged({ path, before: settingsIn(path, text), after: settingsIn(path, changed), changes });
  return changed;
}

function assertChanged({
  path,
  before,
  after,
  changes,
}: {
  path: string;
  before: Settings;
  after: Settings;
  changes: Settings;
}): void {
  const wanted = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== null);
  const sorted = (entries: [string, unknown][]): string => JSON.stringify(entries.sort());
  if (sorted(wanted) === sorted(Object.entries(after))) return;
  configRefuser(path)(
    `${show(Object.keys(changes).join(", "), 200)} cannot be changed here; change it by hand`,
  );
}

function isEmpty(text: string): boolean {
  return text.trim() === "";
}

/** Atomic and durable. */
export async function writeTrainFile(path: string, text: string): Promise<void> {
  await replaceWith(path, text);
}
