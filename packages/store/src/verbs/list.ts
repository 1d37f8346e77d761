/** `smc list`: what lies in the folders of model files. */
import { join } from "node:path";
import { type Call, throwIfCanceled } from "../call.ts";
import { type FilesPlace, type LayoutFile, listFiles } from "../layout/folders.ts";

const FILES_MAX = 100_000;

export interface ListResult {
  /** Absolute path of the folder with the others. */
  readonly folder: string;
  readonly trained: readonly LayoutFile[];
  readonly cloud: readonly LayoutFile[];
  /** Without the manifests beside them. */
  readonly backups: readonly LayoutFile[];
  readonly active: readonly LayoutFile[];
}

/** A folder that is not there is empty. Throws LIMIT_EXCEEDED, PERMISSION_DENIED. */
export async function list({ models }: FilesPlace, _options: object, call: Call): Promise<ListResult> {
  const filesOf = async (name: string): Promise<LayoutFile[]> => {
    throwIfCanceled(call);
    return listFiles(join(models, name), FILES_MAX);
  };
  const backups = await filesOf("backups");
  const names = new Set(backups.map(({ name }) => name));
  return {
    folder: models,
    trained: await filesOf("trained"),
    cloud: await filesOf("cloud"),
    backups: backups.filter(({ name }) => !(name.endsWith(".json") && names.has(name.slice(0, -5)))),
    active: await filesOf("active"),
  };
}
