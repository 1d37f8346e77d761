/** `smc catalog`: the models of `smc.models.json`, added, listed, removed, and downloaded. */
import { join } from "node:path";
import { type Model, modelFault, modelsPath, readModels, writeModels } from "../catalog/models-file.ts";
import { type PulledFile, pullModel, type PullPlan, type WebAccess } from "../catalog/pull-model.ts";
import { parseWebUrl, shownUrl } from "../catalog/web-url.ts";
import { type Call, throwIfCanceled } from "../call.ts";
import { type ErrorJson, isSmcError, SmcError } from "../errors.ts";
import { suggest } from "../history/suggest.ts";
import { type FilesPlace, hideCopies, kindAt } from "../layout/folders.ts";
import { FileWork } from "../layout/note-files.ts";
import { show } from "../show.ts";
import { exclusively } from "../worktree/worktree.ts";

/** In one record of the audit log. */
const NAMES_TOLD_MAX = 20;

export interface WebPlace extends FilesPlace {
  readonly web: WebAccess;
}

export interface CatalogOptions {
  readonly action: "add" | "list" | "rm" | "pull";
  /** One for `add` and `rm`; any number for `pull`. */
  readonly names?: readonly string[];
  /** `pull`: all models. */
  readonly all?: boolean;
  /** `add`: replaces a model of that name. `pull`: replaces other files, and asks again for what has no digest. */
  readonly force?: boolean;
  readonly url?: string;
  readonly sha256?: string;
  readonly md5?: string;
  /** `setup --with-defaults` downloads it. */
  readonly default?: boolean;
  readonly description?: string;
}

export interface CatalogModel extends Model {
  /** Where it is, of `trained/` and `downloads/`; null when it is in neither. */
  readonly path: string | null;
}

/** What became of one model. */
export interface PulledModel {
  readonly name: string;
  /** Null when it failed. */
  readonly file: PulledFile | null;
  readonly error: ErrorJson | null;
}

export interface CatalogResult {
  readonly action: CatalogOptions["action"];
  /** Absolute path of `smc.models.json`. */
  readonly file: string;
  /** All, or those that were added or removed. URLs are without their query. */
  readonly models: readonly CatalogModel[];
  readonly pulled: readonly PulledModel[];
  /** In the audit log; false when nothing changed, and when the store takes no writes. */
  readonly recorded: boolean;
}

/**
 * Throws USAGE, ALREADY_EXISTS for a name that is taken, PATH_NOT_FOUND for one that is not there, URL_INVALID,
 * ARGUMENT_INVALID, FILE_MALFORMED; of `pull` of one model also as `pullModel`.
 */
export async function catalog(place: WebPlace, options: CatalogOptions, call: Call): Promise<CatalogResult> {
  const { action, names = [] } = options;
  const file = modelsPath(place);
  if (action === "list") {
    const { models } = await readModels(file);
    return { action, file, models: await withPaths(place, models, call), pulled: [], recorded: false };
  }
  if (action === "pull") {
    const plan = { folder: join(place.models, "downloads"), force: options.force === true };
    const wanted = await choose(file, options);
    await using work = await FileWork.begin(place, { op: "catalog", what: `pull ${namesText(wanted)}` });
    work.hasChanged = (await hideCopies(place.models)) !== undefined;
    const pulled = await pullAll(place, { ...plan, models: wanted, work }, call);
    const [only, ...more] = pulled;
    if (only !== undefined && only.error !== null && more.length === 0) throw SmcError.fromJSON(only.error);
    const came = downloadedText(pulled);
    const recorded = came !== undefined && (await work.record(`: downloaded ${came}`));
    return { action, file, models: [], pulled, recorded };
  }
  const [name, ...more] = names;
  if (name === undefined || more.length > 0) throw new SmcError("USAGE", `name one model to ${action}`);
  await using work = await FileWork.begin(place, { op: "catalog", what: `${action} ${show(name, 200)}` });
  const changed = await exclusively({ root: file }, call, () =>
    action === "add" ? add(file, modelOf(name, options), options.force === true) : remove(file, name),
  );
  const recorded = await work.record();
  return { action, file, models: await withPaths(place, [changed], call), pulled: [], recorded };
}

/** The models that `setup --with-defaults` downloads. Throws as `readModels`. */
export async function readDefaults(place: FilesPlace): Promise<readonly Model[]> {
  return (await readModels(modelsPath(place))).models.filter(({ isDefault }) => isDefault);
}

/** What was downloaded now, in one line for the audit log; undefined for nothing. */
export function downloadedText(pulled: readonly PulledModel[]): string | undefined {
  const came = pulled.filter(({ file }) => file?.downloaded === true);
  return came.length === 0 ? undefined : namesText(came);
}

function namesText(models: readonly { readonly name: string }[]): string {
  const names = models.slice(0, NAMES_TOLD_MAX).map(({ name }) => show(name, 200));
  const more = models.length - names.length;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** One that fails does not stop the others. Throws CANCELED. */
export async function pullAll(
  { web }: WebPlace,
  { models, folder, force, work }: PullPlan & { readonly models: readonly Model[]; readonly work: FileWork },
  call: Call,
): Promise<readonly PulledModel[]> {
  const pulled: PulledModel[] = [];
  for (const model of models) {
    try {
      const file = await pullModel(web, { model, folder, force }, call);
      pulled.push({ name: model.name, file, error: null });
      if (file.downloaded) work.hasChanged = true;
    } catch (error) {
      if (!isSmcError(error) || error.code === "CANCELED") throw error;
      pulled.push({ name: model.name, file: null, error: error.toJSON() });
    }
  }
  return pulled;
}

function modelOf(name: string, options: CatalogOptions): Model {
  const { url, sha256, md5, default: isDefault = false, description = null } = options;
  if (url === undefined)
    throw new SmcError("USAGE", "say where the model is with --url; nothing was changed");
  const hex = (digest: string | undefined): string | null => digest?.toLowerCase() ?? null;
  const model = { name, url, sha256: hex(sha256), md5: hex(md5), isDefault, description };
  const fault = modelFault(model);
  if (fault !== undefined) throw new SmcError("ARGUMENT_INVALID", `${fault}; nothing was changed`);
  return model;
}

async function add(file: string, model: Model, force: boolean): Promise<Model> {
  const { schema, models } = await readModels(file);
  const at = models.findIndex(({ name }) => name === model.name);
  if (at >= 0 && !force)
    throw new SmcError(
      "ALREADY_EXISTS",
      `there is a model '${show(model.name, 80)}' already; nothing was changed`,
      { hint: "replace it with --force, or choose another name" },
    );
  await writeModels(file, { schema, models: at < 0 ? [...models, model] : models.with(at, model) });
  return model;
}

async function remove(file: string, name: string): Promise<Model> {
  const { schema, models } = await readModels(file);
  const model = find(models, name);
  await writeModels(file, { schema, models: models.filter((other) => other !== model) });
  return model;
}

async function choose(file: string, { names = [], all }: CatalogOptions): Promise<readonly Model[]> {
  if ((all === true) === names.length > 0)
    throw new SmcError("USAGE", "name the models to download, or all of them with --all");
  const { models } = await readModels(file);
  if (all === true && models.length === 0)
    throw new SmcError("PATH_NOT_FOUND", `'${show(file)}' has no model; nothing was downloaded`, {
      hint: "add one: smc catalog add best.pt --url https://host/best.pt --sha256 DIGEST",
    });
  return all === true ? models : [...new Set(names)].map((name) => find(models, name));
}

function find(models: readonly Model[], name: string): Model {
  const found = models.find((model) => model.name === name);
  if (found !== undefined) return found;
  const near = suggest(
    name,
    models.map((model) => model.name),
  );
  throw new SmcError("PATH_NOT_FOUND", `the catalog has no model '${show(name, 80)}'; nothing was changed`, {
    hint:
      near.length === 0
        ? 'see "smc catalog list"'
        : `did you mean ${near.map((text) => show(text)).join(", ")}?`,
    details: { candidates: near },
  });
}

async function withPaths(
  { models: folder }: FilesPlace,
  models: readonly Model[],
  call: Call,
): Promise<CatalogModel[]> {
  const rows: CatalogModel[] = [];
  for (const model of models) {
    throwIfCanceled(call);
    let path: string | null = null;
    for (const below of ["trained", "downloads"]) {
      const candidate = join(folder, below, model.name);
      if (path === null && (await kindAt(candidate)) === "file") path = candidate;
    }
    rows.push({ ...model, url: shownUrl(parseWebUrl(model.url)), path });
  }
  return rows;
}
