/**
 * `smc.data.json`: the data sets that `smc data` knows. It lies in the root of the worktree and is versioned with it,
 * as are the files that it names. Its schema is docs/reference/data.schema.json.
 */
import { join } from "node:path";
import { SmcError } from "../errors.ts";
import type { FilesPlace } from "../layout/folders.ts";
import {
  isMap,
  isTextOrNull,
  type NamedTable,
  parseTable,
  readTable,
  tableError,
  writeTable,
} from "../layout/named-table.ts";
import { show } from "../show.ts";

export const DATA_FILE = "smc.data.json";
const KIND = { field: "sets", hint: "see docs/reference/data.schema.json" };
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;
const SETTINGS_MAX = 100;
const TEXT_LENGTH_MAX = 16 * 1024;
const CLASSES_MAX = 1000;
const COUNT_MAX = 10_000_000;
/** Settings of a training that say what its data are. */
const SETTING = /^(?:data\.[A-Za-z]{1,40}|validation|splitSeed|backbone\.inputSize)$/;
const FIELDS = ["settings", "needed", "from", "description", "checked"];

export type Settings = Readonly<Record<string, string | number | boolean>>;

/** What the last check found. */
export interface CheckedData {
  /** SHA-256 of all samples in their order. */
  readonly digest: string;
  readonly samples: number;
  /** Of one sample. */
  readonly shape: readonly number[];
  /** Name of a class → its samples; empty where numbers are predicted. */
  readonly classes: Readonly<Record<string, number>>;
}

export interface DataSet {
  readonly name: string;
  /** As `smc train --set` names them: `data.kind`, `data.path`, `validation` … */
  readonly settings: Settings;
  /** So many new samples are worth a training. */
  readonly needed: number;
  /** Where it was copied from: `npm:iris@1.0.0/iris.csv`; null for files of one's own. */
  readonly from: string | null;
  readonly description: string | null;
  /** Null when no check passed yet. */
  readonly checked: CheckedData | null;
}

export interface DataFile {
  readonly schema: string | null;
  /** In the order of the file. */
  readonly sets: readonly DataSet[];
}

export function dataPath({ root }: Pick<FilesPlace, "root">): string {
  return join(root, DATA_FILE);
}

/** No data sets where there is no file. Throws FILE_MALFORMED, FORMAT_UNSUPPORTED, FILE_UNSUPPORTED, LIMIT_EXCEEDED. */
export async function readDataFile(path: string): Promise<DataFile> {
  return parseSets(await readTable(path, KIND), path);
}

/** `path` is for messages. Throws FILE_MALFORMED, FORMAT_UNSUPPORTED. */
export function parseDataFile(bytes: Buffer, path: string): DataFile {
  return parseSets(parseTable(bytes, { path, kind: KIND }), path);
}

function parseSets({ schema, entries }: NamedTable, path: string): DataFile {
  return { schema, sets: entries.map(([name, fields]) => parseSet(path, name, fields)) };
}

/** Replaces the file. Atomic and durable. Throws LIMIT_EXCEEDED. */
export async function writeDataFile(path: string, { schema, sets }: DataFile): Promise<void> {
  const entries = sets.map(({ name, settings, needed, from, description, checked }) => {
    const fields = {
      settings,
      ...(needed === 1 ? {} : { needed }),
      ...(from === null ? {} : { from }),
      ...(description === null ? {} : { description }),
      ...(checked === null ? {} : { checked }),
    };
    return [name, fields] as const;
  });
  await writeTable(path, { schema, entries }, KIND);
}

/** Throws ARGUMENT_INVALID for what is no name of a data set, or would be read as something else. */
export function assertDataName(name: string): void {
  if (NAME.test(name) && name !== "digits") return;
  throw new SmcError(
    "ARGUMENT_INVALID",
    `'${show(name, 80)}' is no name for a data set; nothing was changed`,
    {
      hint: "letters, digits, '-' and '_'; 'digits' are those that come with smc",
    },
  );
}

/** Why settings cannot stand in the file, or undefined. */
export function settingsFault(settings: Readonly<Record<string, unknown>>): string | undefined {
  const all = Object.entries(settings);
  if (all.length > SETTINGS_MAX) return `more than ${SETTINGS_MAX} settings`;
  for (const [name, value] of all) {
    const shown = show(name, 80);
    if (!SETTING.test(name))
      return `'${shown}' is no setting of data: there are data.…, validation, splitSeed and backbone.inputSize`;
    if (typeof value === "string" ? value.length > TEXT_LENGTH_MAX : !isNumberOrFlag(value))
      return `the setting '${shown}' is no text, number, true or false`;
  }
  return undefined;
}

function isNumberOrFlag(value: unknown): boolean {
  return typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
}

function parseSet(path: string, name: string, fields: unknown): DataSet {
  const fail = (why: string): never => {
    throw tableError(path, `data set '${show(name, 80)}': ${why}`, KIND);
  };
  if (!NAME.test(name) || name === "digits") return fail("this is no name for a data set");
  if (!isMap(fields)) return fail("it is not an object");
  const foreign = Object.keys(fields).find((field) => !FIELDS.includes(field));
  if (foreign !== undefined) return fail(`'${show(foreign, 80)}' is not a field of it`);
  const { settings, needed = 1, from = null, description = null, checked = null } = fields;
  if (!isMap(settings)) return fail("'settings' is not an object");
  const fault = settingsFault(settings);
  if (fault !== undefined) return fail(fault);
  if (!isCount(needed) || needed < 1) return fail("'needed' is not a whole number from 1 on");
  if (!isTextOrNull(from)) return fail("'from' is not text");
  if (!isTextOrNull(description)) return fail("'description' is not text");
  const found = checked === null ? null : parseChecked(checked, fail);
  return { name, settings: settings as Settings, needed, from, description, checked: found };
}

function parseChecked(value: unknown, fail: (why: string) => never): CheckedData {
  if (!isMap(value)) return fail("'checked' is not an object");
  const { digest, samples, shape, classes } = value;
  if (typeof digest !== "string" || !/^[0-9a-f]{64}$/.test(digest))
    return fail("'checked.digest' is not 64 lower-case hex digits");
  if (!isCount(samples)) return fail("'checked.samples' is no number of samples");
  if (!Array.isArray(shape) || shape.length > 3 || !shape.every(isCount))
    return fail("'checked.shape' is not at most three numbers");
  if (!isMap(classes) || Object.keys(classes).length > CLASSES_MAX || !Object.values(classes).every(isCount))
    return fail("'checked.classes' does not give numbers for at most 1000 classes");
  return { digest, samples, shape, classes: classes as Record<string, number> };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= COUNT_MAX;
}
