/** Which files of a folder are one version, and what their names say of it. Pure. */
import { posix } from "node:path";
import { compareVersions } from "../refs/version-order.ts";

export const METADATA_NAME = "metadata.json";
const MODEL_FILE =
  /\.(?:bin|ckpt|engine|gguf|h5|hdf5|joblib|keras|msgpack|npy|npz|onnx|pb|pkl|pt|pth|safetensors|tflite)$/i;
const ROLES = ["champion", "challenger"];
const ARCHIVE = "archive";
const VERSION =
  /(?:^|[_\-. ])(v?\d{1,9}(?:\.\d{1,9}){1,2}(?:-(?:rc|alpha|beta)[.\d]*)?|v\d{1,9})(?=$|[_\- ])/i;
const DATE = /(?:^|[_\-. ])(\d{4}-\d{2}-\d{2}|\d{8})(?:[_\-T](\d{6}))?(?=$|[_\- .])/;

export interface FoundFile {
  /** From the folder, `/`-separated. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly isExecutable: boolean;
}

export interface FolderFile extends FoundFile {
  /** In the version. */
  readonly target: string;
}

export interface FolderVersion {
  /** Of the folder or the file. */
  readonly name: string;
  /** `v1.0.0`, as a tag; undefined where no name says one. */
  readonly version: string | undefined;
  /** As the name says it. */
  readonly dateMs: number | undefined;
  /** champion, challenger, archive. */
  readonly role: string | undefined;
  readonly files: readonly FolderFile[];
  /** One file of several that lie side by side: it is put upon those before. */
  readonly isUpon: boolean;
  /** Path of a JSON file about it. */
  readonly metadata: string | undefined;
}

export interface Grouped {
  readonly versions: readonly FolderVersion[];
  /** Files that are of no version. */
  readonly rest: readonly string[];
}

/** `yolo_v1.0.0_20260115` → what it is called without them, version and date. */
export function readStem(stem: string): {
  type: string;
  version: string | undefined;
  dateMs: number | undefined;
} {
  const date = DATE.exec(stem);
  const dateMs = date === null ? undefined : msOf(date[1] ?? "", date[2]);
  const dateless = date === null || dateMs === undefined ? stem : cut(stem, date);
  const version = VERSION.exec(dateless);
  const type = version === null ? dateless : cut(dateless, version);
  return { type: type === "" ? "model" : type, version: version?.[1], dateMs };
}

function cut(text: string, match: RegExpExecArray): string {
  const rest = `${text.slice(0, match.index)}${text.slice(match.index + match[0].length)}`;
  return rest.replace(/^[_\-. ]+|[_\-. ]+$/g, "");
}

/** Undefined for a day that there is not. */
function msOf(day: string, time: string | undefined): number | undefined {
  const iso = day.replace(/^(\d{4})-?(\d{2})-?(\d{2})$/, "$1-$2-$3");
  const clock = (time ?? "000000").replace(/(\d{2})(\d{2})(\d{2})/, "$1:$2:$3");
  const at = new Date(`${iso}T${clock}Z`);
  const isDay = !Number.isNaN(at.getTime()) && at.toISOString().startsWith(iso) && iso >= "1970";
  return isDay ? at.getTime() : undefined;
}

/** `1.0.0` and `v1.0.0` are one tag. */
export function tagOf(version: string): string {
  return /^\d/.test(version) ? `v${version}` : version.replace(/^V/, "v");
}

/**
 * `champion/`, `challenger/` and the folders of `archive/` are versions; so is every other folder whose name has a
 * version or a date. Model files outside of them are versions one by one, files of one type each upon the other.
 */
export function groupFiles(files: readonly FoundFile[]): Grouped {
  const folders = new Map<string, FoundFile[]>();
  const loose: FoundFile[] = [];
  for (const file of files) {
    const folder = versionFolderOf(file.path);
    if (folder === undefined) loose.push(file);
    else folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  const versions = [...folders].map(([folder, own]) => folderVersion(folder, own));
  const models = loose.filter(({ path }) => MODEL_FILE.test(path));
  const sidecars = new Map<string, string>();
  for (const { path } of models) {
    const beside = [`${path}.json`, path.replace(/\.[^.]+$/, ".json")];
    const found = beside.find((name) => loose.some((file) => file.path === name));
    if (found !== undefined) sidecars.set(path, found);
  }
  const used = new Set([...models.map(({ path }) => path), ...sidecars.values()]);
  const rest = loose.map(({ path }) => path).filter((path) => !used.has(path));
  const types = new Set(models.map(({ path }) => typeOf(path)));
  const isOne = types.size === 1 && folders.size === 0;
  versions.push(...models.map((file) => fileVersion(file, { sidecar: sidecars.get(file.path), isOne })));
  return { versions: inOrder(versions), rest };
}

/** The folder above that is a version, the outermost one. */
function versionFolderOf(path: string): string | undefined {
  const parts = path.split("/").slice(0, -1);
  for (const [index, part] of parts.entries()) {
    const folder = parts.slice(0, index + 1).join("/");
    if (ROLES.includes(part.toLowerCase()) || parts[index - 1]?.toLowerCase() === ARCHIVE) return folder;
    const { version, dateMs } = readStem(part);
    if (part.toLowerCase() !== ARCHIVE && (version !== undefined || dateMs !== undefined)) return folder;
  }
  return undefined;
}

function folderVersion(folder: string, files: readonly FoundFile[]): FolderVersion {
  const name = posix.basename(folder);
  const above = posix.basename(posix.dirname(folder)).toLowerCase();
  const { version, dateMs } = readStem(name);
  const role = ROLES.find((known) => known === name.toLowerCase());
  const metadata = `${folder}/${METADATA_NAME}`;
  return {
    name: folder,
    version,
    dateMs,
    role: role ?? (above === ARCHIVE ? ARCHIVE : undefined),
    files: files.map((file) => ({ ...file, target: file.path.slice(folder.length + 1) })),
    isUpon: false,
    metadata: files.some(({ path }) => path === metadata) ? metadata : undefined,
  };
}

function typeOf(path: string): string {
  return readStem(posix.basename(path, posix.extname(path))).type;
}

function fileVersion(
  file: FoundFile,
  { sidecar, isOne }: { sidecar: string | undefined; isOne: boolean },
): FolderVersion {
  const extension = posix.extname(file.path);
  const stem = posix.basename(file.path, extension);
  const { type, version, dateMs } = readStem(stem);
  const isNamed = version !== undefined || dateMs !== undefined;
  const folder = posix.dirname(file.path);
  const target = posix.join(folder, isNamed ? type + extension.toLowerCase() : posix.basename(file.path));
  return {
    name: file.path,
    version: version === undefined || isOne ? version : `${type}_${version}`,
    dateMs,
    role: undefined,
    files: [{ ...file, target }],
    isUpon: true,
    metadata: sidecar,
  };
}

/**
 * By version where every one has one and none says a date, else by date. Of one moment the version decides, then the
 * name.
 */
export function inOrder(versions: readonly FolderVersion[]): FolderVersion[] {
  const byVersion = versions.every(({ version, dateMs }) => version !== undefined && dateMs === undefined);
  const newest = (one: FolderVersion): number =>
    one.dateMs ?? Math.max(...one.files.map(({ mtimeMs }) => mtimeMs));
  const named = (one: FolderVersion): string => padded(tagOf(one.version ?? ""));
  return [...versions].sort(
    (a, b) =>
      (byVersion ? 0 : newest(a) - newest(b)) ||
      compareVersions(named(a), named(b)) ||
      (a.name < b.name ? -1 : 1),
  );
}

/** `v1` and `v1.2` as the releases that they are. */
function padded(tag: string): string {
  const [, major, minor = "0", patch = "0"] = /^v(\d+)(?:\.(\d+))?(?:\.(\d+))?$/.exec(tag) ?? [];
  return major === undefined ? tag : `v${Number(major)}.${Number(minor)}.${Number(patch)}`;
}
