/** `smc data`: data sets by name, what is in them, and whether a training can learn from them. */
import { type Call, throwIfCanceled } from "../call.ts";
import { copyPackage, parseSource } from "../data/copy-package.ts";
import {
  assertDataName,
  type CheckedData,
  dataPath,
  type DataSet,
  readDataFile,
  type Settings,
  settingsFault,
  writeDataFile,
} from "../data/data-file.ts";
import { insidePath } from "../data/data-here.ts";
import { DIGITS, settingsOfPath } from "../data/data-settings.ts";
import { dataSetsOf } from "../data/stored-data.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { suggest } from "../history/suggest.ts";
import type { FilesPlace } from "../layout/folders.ts";
import { FileWork } from "../layout/note-files.ts";
import { show } from "../show.ts";
import { exclusively } from "../worktree/worktree.ts";

const SHOWN_USUAL = 4;
export const SHOWN_MAX = 64;
const NEEDED_MAX = 10_000_000;

/** A sample, to be looked at. */
export interface DataSample {
  /** Number of the sample in the data. */
  readonly sample: number;
  /** A class, or the number to predict. */
  readonly label: string | number;
  readonly shape: readonly number[];
  /** Of an image, made smaller: row by row, one byte for each channel; null for other samples. */
  readonly image: { readonly width: number; readonly height: number; readonly bytesBase64: string } | null;
  /** The first numbers of a row; empty for an image. */
  readonly numbers: readonly number[];
}

/** What the trainer says of data. */
export interface DataReport {
  /** The first of them, in words that name the file and the row. */
  readonly problems: readonly string[];
  readonly problemCount: number;
  readonly badSamples: number;
  /** Samples that can be learned from. */
  readonly samples: number;
  /** Of one sample. */
  readonly shape: readonly number[];
  /** The first 1000 with their samples; none where numbers are predicted. */
  readonly classes: readonly { readonly name: string; readonly samples: number }[];
  readonly classCount: number;
  /** Null where there are none, or where none could be kept aside. */
  readonly split: { readonly train: number; readonly validation: number } | null;
  /** Of all samples in their order; null where any is wrong. */
  readonly digest: string | null;
  /** As many as were asked for, one of each class in turn. */
  readonly shown: readonly DataSample[];
}

export interface DataPlace extends FilesPlace {
  /**
   * Reads data below the worktree as a training would. Throws CONFIG_INVALID, PATH_NOT_FOUND, UNSAFE_PATH,
   * LIMIT_EXCEEDED.
   */
  readonly inspect: (
    settings: Settings,
    options: { root: string; show: number },
    call: Call,
  ) => Promise<DataReport>;
}

export interface DataOptions {
  readonly action: "add" | "list" | "rm" | "validate" | "status" | "preview";
  /** One for `add`, `rm` and `preview`; all of them where left out for `validate` and `status`. */
  readonly names?: readonly string[];
  /** `add`: a folder or file as seen from where the user stands, `npm:PACKAGE/PATH`, or `digits`. */
  readonly path?: string;
  readonly settings?: Readonly<Record<string, string | number | boolean | null>>;
  readonly needed?: number;
  readonly description?: string;
  /** `add`: replaces a data set of that name, and the copy of a package. */
  readonly force?: boolean;
  /** `preview`: so many samples. */
  readonly count?: number;
}

export interface DataRow extends DataSet {
  /** Null for `list` and `rm`. */
  readonly report: DataReport | null;
  /** The samples are those of the last check; null where that is not known. */
  readonly isUnchanged: boolean | null;
  /** `status`: samples that the champion's version of the data set does not have; null elsewhere. */
  readonly newSamples: number | null;
  /** `status`: nothing is wrong and there are as many new samples as are needed. */
  readonly isReady: boolean | null;
}

export interface DataResult {
  readonly action: DataOptions["action"];
  /** Absolute path of `smc.data.json`. */
  readonly file: string;
  readonly sets: readonly DataRow[];
  /** In the audit log; false when nothing changed, and when the store takes no writes. */
  readonly recorded: boolean;
}

/**
 * What is wrong with the data is in the answer. Throws USAGE, ALREADY_EXISTS for a name that is taken, PATH_NOT_FOUND
 * for a data set or files that are not there, ARGUMENT_INVALID, FILE_MALFORMED, CONFIG_INVALID, LIMIT_EXCEEDED.
 */
export async function data(place: DataPlace, options: DataOptions, call: Call): Promise<DataResult> {
  const { action, names = [] } = options;
  const file = dataPath(place);
  const read = async (): Promise<readonly DataSet[]> => (await readDataFile(file)).sets;
  const unchanged = { action, file, recorded: false };
  switch (action) {
    case "list":
      return { ...unchanged, sets: (await read()).map((set) => rowOf(set, null)) };
    case "status":
      return { ...unchanged, sets: await statusOf(place, choose(await read(), names), call) };
    case "validate":
      return { ...unchanged, sets: await validate(place, choose(await read(), names), call) };
    case "preview": {
      const set = find(await read(), oneOf(options));
      const report = await inspect(place, set, { call, shown: shownCount(options.count) });
      return { ...unchanged, sets: [rowOf(set, report)] };
    }
    case "rm":
    case "add": {
      const name = oneOf(options);
      await using work = await FileWork.begin(place, { op: "data", what: `${action} ${name}` });
      const set =
        action === "add" ? await add(place, name, { options, call }) : await remove(file, name, call);
      return { action, file, sets: [set], recorded: await work.record() };
    }
    default: {
      const unknown: never = action;
      throw new SmcError("INTERNAL", `no action '${String(unknown)}'`);
    }
  }
}

function oneOf({ action, names = [] }: DataOptions): string {
  const [name, ...more] = names;
  if (name === undefined || more.length > 0) throw new SmcError("USAGE", `name one data set to ${action}`);
  return name;
}

function shownCount(count = SHOWN_USUAL): number {
  if (count >= 1 && count <= SHOWN_MAX) return count;
  throw new SmcError("ARGUMENT_INVALID", `a preview has 1 to ${SHOWN_MAX} samples, not ${count}`);
}

function rowOf(set: DataSet, report: DataReport | null): DataRow {
  const { checked } = set;
  const isUnchanged = report === null || checked === null ? null : report.digest === checked.digest;
  return { ...set, report, isUnchanged, newSamples: null, isReady: null };
}

function inspect(
  { inspect: ask, root }: DataPlace,
  { settings }: DataSet,
  { call, shown = 0 }: { call: Call; shown?: number },
): Promise<DataReport> {
  return ask(settings, { root, show: shown }, call);
}

async function validate(place: DataPlace, sets: readonly DataSet[], call: Call): Promise<DataRow[]> {
  const rows: DataRow[] = [];
  for (const set of sets) {
    throwIfCanceled(call);
    const report = await inspect(place, set, { call });
    const checked = checkedOf(report);
    rows.push(rowOf(set, report));
    if (checked !== null) await keepChecked(place, { ...set, checked }, call);
  }
  return rows;
}

function checkedOf({ digest, samples, shape, classes }: DataReport): CheckedData | null {
  if (digest === null) return null;
  const counts = Object.fromEntries(classes.map((each) => [each.name, each.samples]));
  return { digest, samples, shape, classes: counts };
}

/** Unless the entry was changed or taken away while the data were read. */
async function keepChecked(place: DataPlace, set: DataSet, call: Call): Promise<void> {
  const file = dataPath(place);
  await exclusively({ root: file }, call, async () => {
    const { schema, sets } = await readDataFile(file);
    const at = sets.findIndex(({ name }) => name === set.name);
    const now = sets[at];
    if (now === undefined || JSON.stringify(now.settings) !== JSON.stringify(set.settings)) return;
    if (JSON.stringify(now.checked) === JSON.stringify(set.checked)) return;
    await writeDataFile(file, { schema, sets: sets.with(at, { ...now, checked: set.checked }) });
  });
}

async function statusOf(place: DataPlace, sets: readonly DataSet[], call: Call): Promise<DataRow[]> {
  const learned = await learnedSets(place, call);
  const rows: DataRow[] = [];
  for (const set of sets) {
    throwIfCanceled(call);
    const report = await inspect(place, set, { call });
    const before = learned.find(({ name }) => name === set.name)?.checked?.samples ?? 0;
    const newSamples = Math.max(0, report.samples - before);
    const isReady = report.problemCount === 0 && newSamples >= set.needed;
    rows.push({ ...rowOf(set, report), newSamples, isReady });
  }
  return rows;
}

/** What the champion has learned from; nothing where nothing is live, or outside of a repository. */
async function learnedSets({ openRepository }: DataPlace, call: Call): Promise<readonly DataSet[]> {
  try {
    return await dataSetsOf(await openRepository(), "champion", call);
  } catch (error) {
    if (isSmcError(error, "WORKTREE_NOT_FOUND") || isSmcError(error, "REPOSITORY_NOT_FOUND")) return [];
    throw error;
  }
}

async function add(
  place: DataPlace,
  name: string,
  { options, call }: { options: DataOptions; call: Call },
): Promise<DataRow> {
  assertDataName(name);
  const { path, settings = {}, needed = 1, description = null, force = false } = options;
  if (path === undefined) throw new SmcError("USAGE", "say where the data are; nothing was changed");
  if (!Number.isInteger(needed) || needed < 1 || needed > NEEDED_MAX)
    throw new SmcError("ARGUMENT_INVALID", `--needed is a whole number from 1 to ${NEEDED_MAX}`);
  const fault = settingsFault(settings);
  if (fault !== undefined) throw new SmcError("ARGUMENT_INVALID", `${fault}; nothing was changed`);
  const file = dataPath(place);
  if (!force) assertNew((await readDataFile(file)).sets, name);
  const source = parseSource(path);
  const copied = source && (await copyPackage(place, { source, name, force }, call));
  const own = settingsOfPath(copied?.path ?? (path === DIGITS ? path : insidePath(place, path)));
  const given = Object.entries(settings).filter(([, value]) => value !== null);
  const all = { ...own, ...Object.fromEntries(given) } as Settings;
  const from = copied?.from ?? null;
  const unchecked: DataSet = { name, settings: all, needed, from, description, checked: null };
  const report = await inspect(place, unchecked, { call });
  const set = { ...unchecked, checked: checkedOf(report) };
  await exclusively({ root: file }, call, async () => {
    const { schema, sets } = await readDataFile(file);
    if (!force) assertNew(sets, name);
    const at = sets.findIndex((other) => other.name === name);
    await writeDataFile(file, { schema, sets: at < 0 ? [...sets, set] : sets.with(at, set) });
  });
  return rowOf(set, report);
}

function assertNew(sets: readonly DataSet[], name: string): void {
  if (sets.every((set) => set.name !== name)) return;
  throw new SmcError("ALREADY_EXISTS", `there is a data set '${name}' already; nothing was changed`, {
    hint: "replace it with --force, or choose another name",
  });
}

async function remove(file: string, name: string, call: Call): Promise<DataRow> {
  return exclusively({ root: file }, call, async () => {
    const { schema, sets } = await readDataFile(file);
    const set = find(sets, name);
    await writeDataFile(file, { schema, sets: sets.filter((other) => other !== set) });
    return rowOf(set, null);
  });
}

function choose(sets: readonly DataSet[], names: readonly string[]): readonly DataSet[] {
  return names.length === 0 ? sets : [...new Set(names)].map((name) => find(sets, name));
}

function find(sets: readonly DataSet[], name: string): DataSet {
  const found = sets.find((set) => set.name === name);
  if (found !== undefined) return found;
  const near = suggest(
    name,
    sets.map((set) => set.name),
  );
  throw new SmcError("PATH_NOT_FOUND", `there is no data set '${show(name, 80)}'; nothing was changed`, {
    hint: near.length === 0 ? 'see "smc data list"' : `did you mean ${near.join(", ")}?`,
    details: { candidates: near },
  });
}
