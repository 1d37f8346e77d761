/** `smc list`: what lies in the folders of model files. */
import { join } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { isSmcError } from "../errors.ts";
import { type FileRecord, readRecord } from "../layout/file-record.ts";
import { type FilesPlace, type LayoutFile, listFiles } from "../layout/folders.ts";
import { type KnownUpload, uploadsHere } from "../layout/uploads.ts";

const FILES_MAX = 100_000;

export interface ListedFile extends LayoutFile {
  /** What is known of where it came from, and notes; null when nothing is. */
  readonly record: FileRecord | null;
}

export interface ListResult {
  /** Absolute path of the folder with the others. */
  readonly folder: string;
  readonly trained: readonly ListedFile[];
  readonly cloud: readonly ListedFile[];
  /** Files that were uploaded, as far as it is known here. */
  readonly uploads: readonly KnownUpload[];
  readonly backups: readonly ListedFile[];
  readonly active: readonly ListedFile[];
  readonly downloads: readonly ListedFile[];
}

/**
 * Asks no remote. Without records and manifests of other files. A folder that is not there is empty. Throws
 * LIMIT_EXCEEDED, PERMISSION_DENIED.
 */
export async function list(place: FilesPlace, _options: object, call: Call): Promise<ListResult> {
  const { models } = place;
  const pace = createPacer(call);
  const filesOf = async (folder: string): Promise<ListedFile[]> => {
    const listed: ListedFile[] = [];
    for (const file of await listFiles(join(models, folder), FILES_MAX)) {
      listed.push({ ...file, record: await recordOf(file.path) });
      await pace();
    }
    const described = new Set(
      listed.flatMap(({ name, record }) => (record === null ? [] : [`${name}.json`])),
    );
    return listed.filter(({ name }) => !described.has(name));
  };
  return {
    folder: models,
    trained: await filesOf("trained"),
    cloud: await filesOf("cloud"),
    uploads: await uploadsHere(place, call),
    backups: await filesOf("backups"),
    active: await filesOf("active"),
    downloads: await filesOf("downloads"),
  };
}

/** A record that only a newer smc can read does not keep the others from being listed. */
async function recordOf(path: string): Promise<FileRecord | null> {
  try {
    return (await readRecord(path)) ?? null;
  } catch (error) {
    if (isSmcError(error, "FORMAT_UNSUPPORTED")) return null;
    throw error;
  }
}
