/** `smc setup`: makes the folders that model files are kept in, and keeps git away from them. */
import { isAbsolute, join, relative, sep } from "node:path";
import { type Call, throwIfCanceled } from "../call.ts";
import { SmcError } from "../errors.ts";
import { createFolder, syncFolder } from "../fs.ts";
import { type FilesPlace, hideCopies, kindAt, MODEL_FOLDERS } from "../layout/folders.ts";
import { FileWork } from "../layout/note-files.ts";
import { show } from "../show.ts";
import { downloadedText, pullAll, type PulledModel, readDefaults, type WebPlace } from "./catalog.ts";
import { gitRule, hideFromGit } from "../worktree/hide-from-git.ts";

/** What files of weights end with. */
const WEIGHTS = ["pt", "pth", "ckpt", "safetensors", "gguf", "onnx", "h5", "keras"];

export interface SetupOptions {
  /** Downloads the models that `smc.models.json` marks as default into `trained/`. */
  readonly withDefaults?: boolean;
}

export interface SetupResult {
  /** Absolute path of the folder with the five. */
  readonly folder: string;
  /** Names of those that were made now. */
  readonly made: readonly string[];
  /** Names of those that were there. */
  readonly kept: readonly string[];
  /** The `.gitignore` with a block about these folders; null outside of a git work tree. */
  readonly gitignore: string | null;
  /** True when the block was written now. */
  readonly gitignoreChanged: boolean;
  /** The `.smcignore` that was written now, so that no copy is committed; null where there is one. */
  readonly smcignore: string | null;
  /** What became of the default models; empty without `withDefaults`. */
  readonly pulled: readonly PulledModel[];
  /** The store that answers, and whether it takes writes. */
  readonly store: { readonly path: string; readonly id: string; readonly readOnlyReason: string | null };
  /** In the audit log; false when nothing was made, and when the store takes no writes. */
  readonly recorded: boolean;
}

/**
 * Changes nothing that is there. Throws WOULD_OVERWRITE where a file stands in the way of a folder: nothing was made
 * then; with `withDefaults` also as `readDefaults`, before anything is made. A model that cannot be downloaded is told
 * in `pulled`.
 */
export async function setup(place: WebPlace, options: SetupOptions, call: Call): Promise<SetupResult> {
  const { models, store } = place;
  const defaults = options.withDefaults === true ? await readDefaults(place) : [];
  const made: string[] = [];
  const kept: string[] = [];
  for (const name of MODEL_FOLDERS) {
    const kind = await kindAt(join(models, name));
    if (kind === "file" || kind === "other")
      throw new SmcError("WOULD_OVERWRITE", `'${show(join(models, name))}' is no folder; nothing was made`, {
        hint: "move it away, or choose another folder with layout.folder",
      });
    (kind === undefined ? made : kept).push(name);
  }
  throwIfCanceled(call);
  await using work = await FileWork.begin(place, { op: "setup", what: `${show(models)}: ` });
  for (const name of made) await createFolder(join(models, name), { mode: 0o777 });
  if (made.length > 0) await syncFolder(models);
  const hidden = await hideModels(place);
  const gitignoreChanged = hidden?.isNew === true;
  const smcignore = await hideCopies(models);
  const plan = { models: defaults, folder: join(models, "trained"), force: false, work };
  const pulled = await pullAll(place, plan, call);
  const downloaded = downloadedText(pulled);
  const done = [
    ...(made.length === 0 ? [] : [`made ${made.join(", ")}`]),
    ...(gitignoreChanged ? ["hid the model files from git"] : []),
    ...(smcignore === undefined ? [] : ["hid the copies from smc"]),
    ...(downloaded === undefined ? [] : [`downloaded ${downloaded}`]),
  ];
  const recorded = done.length > 0 && (await work.record(done.join(", ")));
  const { path, id, readOnlyReason = null } = store;
  return {
    folder: models,
    made,
    kept,
    gitignore: hidden?.path ?? null,
    gitignoreChanged,
    smcignore: smcignore ?? null,
    pulled,
    store: { path, id, readOnlyReason },
    recorded,
  };
}

/** Git never sees the folders, nor weights anywhere below. */
function hideModels({ root, models }: FilesPlace): ReturnType<typeof hideFromGit> {
  const path = relative(root, models).split(sep).join("/");
  const isBelow = !isAbsolute(path) && !/^\.\.(?:\/|$)/.test(path);
  const prefix = isBelow && path !== "" ? `${path}/` : "";
  const folders = MODEL_FOLDERS.map((name) => gitRule(prefix + name));
  const rules = [...folders, ...WEIGHTS.map((suffix) => `*.${suffix}`)];
  return hideFromGit(isBelow ? root : models, { name: "smc models", rules });
}
