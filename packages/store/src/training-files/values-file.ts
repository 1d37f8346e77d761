/** Metrics and params in files that training scripts write: nested JSON and YAML, and CSV, whose last row counts. */
import { realpath } from "node:fs/promises";
import { extname, isAbsolute } from "node:path";
import { fromErrno, SmcError } from "../errors.ts";
import type { ParamValue } from "../history/meta-diff.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";
import type { FileValues, Refuse } from "./cell.ts";
import { readLastRow } from "./last-row.ts";
import { readNested } from "./nested-values.ts";

const CSV_BYTES_MAX = 8 * 1024 * 1024;
const JSON_BYTES_MAX = 1024 * 1024;
/** Its parser is slow, and nobody else is served meanwhile. */
const YAML_BYTES_MAX = 64 * 1024;
const FILES_MAX = 100;
const VALUES_MAX = 10_000;
const NAME_BYTES_MAX = 200;

export interface Metrics {
  readonly metrics: Readonly<Record<string, number>>;
  /** `FILE: NAME` of what is no finite number and was left out. */
  readonly leftOut: readonly string[];
}

/**
 * The numbers of all files; of a name in several files the last one. Throws ARGUMENT_INVALID for a file of an unknown
 * kind, FILE_MALFORMED with file and line, PATH_NOT_FOUND, LIMIT_EXCEEDED.
 */
export async function readMetricsFiles(paths: readonly string[]): Promise<Metrics> {
  const metrics = new Map<string, number>();
  const leftOut: string[] = [];
  for (const path of checked(paths)) {
    let found = 0;
    for (const [name, value] of await readValuesFile(path)) {
      const isNumber = typeof value === "number" && Number.isFinite(value);
      if (isNumber) metrics.set(name, value);
      else leftOut.push(`${path}: ${name}`);
      found += isNumber ? 1 : 0;
    }
    if (found === 0) refuser(path)("it holds no number");
  }
  return { metrics: Object.fromEntries(metrics), leftOut };
}

/** As readMetricsFiles, of all plain values. A list becomes text: `[1,2]`. */
export async function readParamsFiles(paths: readonly string[]): Promise<Record<string, ParamValue>> {
  const params = new Map<string, ParamValue>();
  for (const path of checked(paths)) {
    for (const [name, value] of await readValuesFile(path)) params.set(name, value);
  }
  return Object.fromEntries(params);
}

function checked(paths: readonly string[]): readonly string[] {
  if (paths.length > FILES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `more than ${FILES_MAX} files of values`);
  return paths;
}

function refuser(path: string): Refuse {
  return refuserOf(path, "values are read from .json, .yaml and .csv as training scripts write them");
}

/** Throws FILE_MALFORMED with file and line. */
export function refuserOf(path: string, hint: string): Refuse {
  return (why, line) => {
    const where = line === undefined ? "" : `, line ${line}`;
    throw new SmcError("FILE_MALFORMED", `'${show(path)}'${where}: ${why}; nothing was changed`, {
      hint,
      details: { file: path, ...(line === undefined ? {} : { line }) },
    });
  };
}

async function readValuesFile(path: string): Promise<FileValues> {
  const kind = extname(path).toLowerCase();
  const isTable = kind === ".csv" || kind === ".tsv";
  if (!isAbsolute(path))
    throw new SmcError("ARGUMENT_INVALID", `'${show(path, 200)}' is not an absolute path`);
  if (!isTable && ![".json", ".yaml", ".yml"].includes(kind)) {
    throw new SmcError(
      "ARGUMENT_INVALID",
      `'${show(path)}' does not end in .json, .yaml, .yml, .csv or .tsv`,
    );
  }
  const refuse = refuser(path);
  const text = await readValuesText(
    path,
    isTable ? CSV_BYTES_MAX : kind === ".json" ? JSON_BYTES_MAX : YAML_BYTES_MAX,
    refuse,
  );
  const values = isTable ? readLastRow(text, refuse) : readNested(text, kind === ".json", refuse);
  if (values.size === 0) refuse("it holds no values");
  if (values.size > VALUES_MAX) refuse(`more than ${VALUES_MAX} values`);
  for (const name of values.keys()) assertName(name, refuse);
  return values;
}

/**
 * UTF-8 without the mark of its bytes; a link is followed. Throws PATH_NOT_FOUND, LIMIT_EXCEEDED; refuses what is no
 * text.
 */
export async function readValuesText(path: string, bytesMax: number, refuse: Refuse): Promise<string> {
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    throw fromErrno(error, `cannot read '${show(path)}'`);
  }
  const text = (await readSmall(real, bytesMax)).toString("utf8");
  if (text.includes("\ufffd") || text.includes("\0")) refuse("it is not text in UTF-8");
  return text.replace(/^\ufeff/, "");
}

function assertName(name: string, refuse: Refuse): void {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) refuse(`a name of more than ${NAME_BYTES_MAX} bytes`);
  if (name.split(".").includes("__proto__")) refuse("the name '__proto__' is not allowed");
}
