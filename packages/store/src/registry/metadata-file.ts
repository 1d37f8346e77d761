/** `metadata.json`: what a model is, beside its weights. Its schema is docs/reference/metadata.schema.json. */
import { dirname, isAbsolute } from "node:path";
import { SmcError } from "../errors.ts";
import { createFile, replaceFile, syncFolder } from "../fs.ts";
import type { MetaMap, MetaValue } from "../objects/objects.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";
import { lstatOne } from "../worktree/stat.ts";

export const METADATA_BYTES_MAX = 1024 * 1024;
const KEY_PARTS_MAX = 16;
export const METADATA_SCHEMA = "smc-metadata/1";
const STATUSES = ["champion", "challenger", "archived", "candidate"];

/** Sections that hold names and values; all else is plain text. */
const SECTIONS = ["model", "training", "data", "metrics", "extra"];
const TEXTS = ["name", "version", "description", "created", "commit", "reason"];

/** A whole, checked document. */
export type Metadata = MetaMap;

function isMap(value: unknown): value is MetaMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Why a value is no metadata, or undefined. The same as the schema says. */
export function metadataFault(value: unknown): string | undefined {
  if (!isMap(value)) return "it is not an object";
  if (value.schema !== METADATA_SCHEMA) return `'schema' is not "${METADATA_SCHEMA}"`;
  if (typeof value.status !== "string" || !STATUSES.includes(value.status))
    return `'status' is not one of ${STATUSES.join(", ")}`;
  for (const name of ["name", "version", "created"])
    if (typeof value[name] !== "string") return `'${name}' is not text`;
  for (const name of ["training", "data", "metrics"])
    if (!isMap(value[name])) return `'${name}' is not an object`;
  for (const [name, part] of Object.entries(value)) {
    if (TEXTS.includes(name) && typeof part !== "string") return `'${name}' is not text`;
    if (SECTIONS.includes(name) && !isMap(part)) return `'${name}' is not an object`;
    if (![...TEXTS, ...SECTIONS, "schema", "status", "files"].includes(name))
      return `'${show(name, 80)}' is not a field of it; put it below 'extra'`;
  }
  const wrong = Object.entries(isMap(value.metrics) ? value.metrics : {}).find(
    ([, metric]) => typeof metric !== "number",
  );
  if (wrong !== undefined) return `the metric '${show(wrong[0], 80)}' is not a number`;
  return value.files === undefined || isFiles(value.files)
    ? undefined
    : "'files' is not a list of path, sha256 and sizeBytes";
}

function isFiles(value: MetaValue): boolean {
  if (!Array.isArray(value)) return false;
  return value.every((file: unknown) => {
    if (!isMap(file)) return false;
    const isDigest = typeof file.sha256 === "string" && /^[0-9a-f]{64}$/.test(file.sha256);
    return typeof file.path === "string" && isDigest && Number.isSafeInteger(file.sizeBytes);
  });
}

/** `training.lr` → a copy in which that is the value. Throws ARGUMENT_INVALID for a key below a plain value. */
export function setValue(document: MetaMap, key: string, value: MetaValue): MetaMap {
  const [head = "", ...rest] = key.split(".");
  if (rest.length >= KEY_PARTS_MAX || ["", "__proto__"].some((part) => [head, ...rest].includes(part)))
    throw new SmcError("ARGUMENT_INVALID", `'${show(key, 80)}' is no key of metadata; nothing was written`);
  // Names of metrics and params may have dots of their own.
  const isLeaf = rest.length === 0;
  const below = document[head] ?? {};
  if (!isLeaf && !isMap(below))
    throw new SmcError("ARGUMENT_INVALID", `'${show(head, 80)}' holds a plain value, and nothing below it`);
  if (isLeaf) return { ...document, [head]: value };
  const inner =
    head === "metrics"
      ? { ...(below as MetaMap), [rest.join(".")]: value }
      : setValue(below as MetaMap, rest.join("."), value);
  return { ...document, [head]: inner };
}

/** Throws FILE_MALFORMED naming the file and what is wrong. */
export function assertMetadata(document: unknown, path: string): asserts document is Metadata {
  const why = metadataFault(document);
  if (why === undefined) return;
  throw new SmcError("FILE_MALFORMED", `'${show(path)}': ${why}; nothing was written`, {
    hint: "see docs/reference/metadata.schema.json",
    details: { file: path },
  });
}

/** Throws FILE_MALFORMED, PATH_NOT_FOUND, LIMIT_EXCEEDED, ARGUMENT_INVALID. */
export async function readMetadata(path: string): Promise<Metadata> {
  assertPath(path);
  const text = (await readSmall(path, METADATA_BYTES_MAX)).toString("utf8");
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? show(error.message, 200) : "broken";
    throw new SmcError("FILE_MALFORMED", `'${show(path)}' is not JSON: ${why}; nothing was written`, {
      hint: "see docs/reference/metadata.schema.json",
      cause: error,
    });
  }
  assertMetadata(document, path);
  return document;
}

/** Atomic and durable. With `isNew` throws ALREADY_EXISTS when something is there. */
export async function writeMetadata(path: string, document: Metadata, isNew: boolean): Promise<void> {
  assertPath(path);
  assertMetadata(document, path);
  const bytes = Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
  if (bytes.length > METADATA_BYTES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' would be larger than ${METADATA_BYTES_MAX} bytes`);
  if (!isNew) return replaceFile(path, bytes, { mode: 0o644 });
  if ((await lstatOne(path)) !== undefined)
    throw new SmcError("ALREADY_EXISTS", `'${show(path)}' is there already; it was not changed`, {
      hint: 'change it with "smc meta edit"',
    });
  await createFile(path, bytes, { mode: 0o644 });
  await syncFolder(dirname(path));
}

function assertPath(path: string): void {
  if (!isAbsolute(path))
    throw new SmcError("ARGUMENT_INVALID", `'${show(path, 200)}' is not an absolute path`);
}
