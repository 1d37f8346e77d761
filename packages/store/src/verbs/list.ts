/** `smc list`: what lies in the folders of model files. */
import { join } from "node:path";
import { type Call, createPacer } from "../call.ts";
import { digestOf } from "../backup/restore-backup.ts";
import { isSmcError } from "../errors.ts";
import { type FileRecord, readRecord } from "../layout/file-record.ts";
import { type FilesPlace, type LayoutFile, listFiles } from "../layout/folders.ts";
import { type KnownUpload, uploadsHere } from "../layout/uploads.ts";

const FILES_MAX = 100_000;

export interface ListOptions {
  /** Within each folder: by name (the default), the largest first, or the newest first. */
  readonly sort?: "name" | "size" | "date";
  /** Tells which files hold the same bytes; reads those of the same size. */
  readonly compare?: boolean;
}

export interface ListedFile extends LayoutFile {
  /** `FOLDER/NAME` of a file before it with the same bytes; null when there is none, and without `compare`. */
  readonly sameAs: string | null;
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

const FOLDERS = ["trained", "cloud", "backups", "active", "downloads"] as const;
type Folders = Record<(typeof FOLDERS)[number], ListedFile[]>;

/**
 * Asks no remote. Without records and manifests of other files. A folder that is not there is empty. Throws
 * LIMIT_EXCEEDED, PERMISSION_DENIED.
 */
export async function list(
  place: FilesPlace,
  { sort = "name", compare = false }: ListOptions,
  call: Call,
): Promise<ListResult> {
  const { models } = place;
  const folders: Folders = { trained: [], cloud: [], backups: [], active: [], downloads: [] };
  for (const folder of FOLDERS) folders[folder] = await filesOf(join(models, folder), sort, call);
  const uploads = (await uploadsHere(place, call)).toSorted((a, b) =>
    ORDERS[sort]({ ...a, date: a.uploaded }, { ...b, date: b.uploaded }),
  );
  if (compare) await findSame(folders, call);
  return { folder: models, ...folders, uploads };
}

interface Sorted {
  readonly name: string;
  readonly sizeBytes: number;
  readonly date: string;
}

/** Negative when the first one comes before; equal ones stay in the order of their names. */
const ORDERS: Record<NonNullable<ListOptions["sort"]>, (a: Sorted, b: Sorted) => number> = {
  name: () => 0,
  size: (a, b) => b.sizeBytes - a.sizeBytes,
  date: (a, b) => Date.parse(b.date) - Date.parse(a.date),
};

async function filesOf(
  folder: string,
  sort: NonNullable<ListOptions["sort"]>,
  call: Call,
): Promise<ListedFile[]> {
  const pace = createPacer(call);
  const listed: ListedFile[] = [];
  for (const file of await listFiles(folder, FILES_MAX)) {
    listed.push({ ...file, sameAs: null, record: await recordOf(file.path) });
    await pace();
  }
  const described = new Set(listed.flatMap(({ name, record }) => (record === null ? [] : [`${name}.json`])));
  return listed.filter(({ name }) => !described.has(name)).sort(ORDERS[sort]);
}

/** A file whose size no other one has is not read. */
async function findSame(folders: Folders, call: Call): Promise<void> {
  const all = FOLDERS.flatMap((folder) => folders[folder].map((file) => ({ folder, file })));
  const counts = new Map<number, number>();
  for (const { file } of all) counts.set(file.sizeBytes, (counts.get(file.sizeBytes) ?? 0) + 1);
  const first = new Map<string, string>();
  for (const { folder, file } of all) {
    if (counts.get(file.sizeBytes) === 1) continue;
    const digest = await digestOf(file.path, call);
    if (digest === undefined) continue;
    const same = first.get(digest);
    if (same === undefined) first.set(digest, `${folder}/${file.name}`);
    else folders[folder][folders[folder].indexOf(file)] = { ...file, sameAs: same };
  }
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
