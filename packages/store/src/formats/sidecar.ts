/**
 * The tensors of a file that does not say itself what is in it: external data of ONNX, shards of TensorFlow.js. A model
 * in the same folder describes it. No file that a model names is ever opened here: names are compared, sizes asked for.
 */
import { lstatSync, opendirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fromErrno, isSmcError } from "../errors.ts";
import { FileSource } from "./file-source.ts";
import { onnx } from "./onnx.ts";
import type { TensorSpan, TensorTable } from "./table.ts";
import { parseTfjs } from "./tfjs.ts";
import type { SizeOf } from "./tfjs-shards.ts";

/** Files that may have a description; asking for each file of a large folder would take long. */
const DATA_NAME =
  /(\.(bin|data|weights|pb|raw)|[._]onnx[._]data(_\d+)?|-shard\d+of\d+|^weights|^model\.data)$/i;
const MODEL_NAME = /(\.onnx|weights_manifest\.json|model[^/]*\.json)$/i;
/** Files that are read in search of a description. */
const CANDIDATES_MAX = 8;
/** A description is short: the bytes are elsewhere. */
const DESCRIPTION_BYTES_MAX = 64 * 1024 * 1024;
/** Entries of the folder that are looked at. */
const ENTRIES_MAX = 4096;
/** Larger descriptions are read again for each of their files. */
const KEPT_SPANS_MAX = 20_000;

/** What the last candidate described: the next file is often another one of its shards. Advice only, as all of this. */
let last: { readonly path: string; readonly stamp: string; readonly table: TensorTable } | undefined;

/**
 * The table of the file at `path`, or undefined when nothing in its folder describes it. Never throws for what it
 * reads.
 */
export function describeBySibling(path: string, sizeBytes: number): TensorTable | undefined {
  const name = basename(path);
  if (!DATA_NAME.test(name)) return undefined;
  const folder = dirname(path);
  for (const candidate of candidates(folder, name)) {
    const table = readDescription(folder, candidate);
    const described = table === undefined ? undefined : tableOf(table, name, sizeBytes);
    if (described !== undefined) return described;
  }
  return undefined;
}

/**
 * The part of a description that is about one file: `fileName` relative to the folder of the description. Undefined
 * when it says nothing of that file, or speaks of more bytes than there are. Of tensors that overlap, as those that a
 * model has under two names, the first is kept.
 */
export function tableOf(
  { format, external }: Pick<TensorTable, "format" | "external">,
  fileName: string,
  sizeBytes: number,
): TensorTable | undefined {
  const spans = external.filter(({ file, length }) => file === fileName && length > 0);
  spans.sort((a, b) => a.offset - b.offset || b.length - a.length);
  const tensors: TensorSpan[] = [];
  let end = 0;
  for (const span of spans) {
    if (span.offset + span.length > sizeBytes) return undefined;
    if (span.offset < end) continue;
    const { name, dtype, shape, offset, length, affine } = span;
    tensors.push({ name, dtype, shape, offset, length, ...(affine === undefined ? {} : { affine }) });
    end = span.offset + span.length;
  }
  return tensors.length === 0
    ? undefined
    : { format: `${format} data`, tensors, external: [], scattered: [] };
}

/** Names of files that may describe this one, the likely ones first. */
function candidates(folder: string, name: string): string[] {
  const stem = name.replace(/([._]data(_\d+)?|\.[^.]*)$/i, "");
  const likely = [stem, `${stem}.onnx`, `${stem}-weights_manifest.json`, "model.json", "model.onnx"].filter(
    (known) => MODEL_NAME.test(known) && sizeIn(folder)(known) !== undefined,
  );
  const all = new Set([...likely, ...modelNames(folder)]);
  all.delete(name);
  return [...all].slice(0, CANDIDATES_MAX);
}

function modelNames(folder: string): string[] {
  const names = ignoreUnreadable(() => {
    const found: string[] = [];
    const entries = opendirSync(folder);
    try {
      for (let count = 0; count < ENTRIES_MAX; count += 1) {
        const entry = entries.readSync();
        if (entry === null) break;
        if (entry.isFile() && MODEL_NAME.test(entry.name)) found.push(entry.name);
      }
    } finally {
      entries.closeSync();
    }
    return found;
  });
  return names?.sort() ?? [];
}

function readDescription(folder: string, name: string): TensorTable | undefined {
  return ignoreUnreadable(() => {
    using source = FileSource.open(join(folder, name));
    if (source.sizeBytes > DESCRIPTION_BYTES_MAX) return undefined;
    if (last?.path === source.path && last.stamp === source.stamp) return last.table;
    const table = name.toLowerCase().endsWith(".onnx")
      ? onnx.parse(source, name)
      : parseTfjs(source, sizeIn(folder));
    if (table.external.length <= KEPT_SPANS_MAX) last = { path: source.path, stamp: source.stamp, table };
    return table;
  });
}

/** Sizes of the regular files of a folder itself. */
export function sizeIn(folder: string): SizeOf {
  return (file) => {
    if (file.includes("/")) return undefined;
    const stat = ignoreUnreadable(() => lstatSync(join(folder, file), { throwIfNoEntry: false }));
    return stat?.isFile() === true ? stat.size : undefined;
  };
}

/** Undefined for a file that is no description, is not there or may not be read: then there is just no advice. */
function ignoreUnreadable<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    const known = fromErrno(error, "cannot look for a description");
    const isExpected =
      isSmcError(known, "FILE_MALFORMED") ||
      isSmcError(known, "FILE_UNSUPPORTED") ||
      isSmcError(known, "PATH_NOT_FOUND") ||
      isSmcError(known, "PATH_INVALID") ||
      isSmcError(known, "PERMISSION_DENIED") ||
      isSmcError(known, "UNSAFE_PATH") ||
      isSmcError(known, "IO_FAILED");
    if (!isExpected) throw error;
    return undefined;
  }
}
