/** Files of the worktree that say what is known of named things: `{"version": 1, "models": {"best.pt": {…}}}`. */
import { isSmcError, SmcError } from "../errors.ts";
import { replaceWith } from "../new-file.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";

const VERSION = 1;
export const TABLE_BYTES_MAX = 4 * 1024 * 1024;
const ENTRIES_MAX = 10_000;

/** Which of these files it is. */
export interface TableKind {
  /** The field that holds the entries: `models`. */
  readonly field: string;
  /** Where its schema is. */
  readonly hint: string;
}

export interface NamedTable {
  /** Where its schema is, for editors; null when the file does not say. */
  readonly schema: string | null;
  /** In the order of the file. */
  readonly entries: readonly (readonly [name: string, fields: unknown])[];
}

/** No entries where there is no file. Throws FILE_MALFORMED, FORMAT_UNSUPPORTED, FILE_UNSUPPORTED, LIMIT_EXCEEDED. */
export async function readTable(path: string, kind: TableKind): Promise<NamedTable> {
  let bytes: Buffer;
  try {
    bytes = await readSmall(path, TABLE_BYTES_MAX);
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return { schema: null, entries: [] };
    throw error;
  }
  return parseTable(bytes, { path, kind });
}

/** `path` is for messages. Throws FILE_MALFORMED, FORMAT_UNSUPPORTED. */
export function parseTable(bytes: Buffer, { path, kind }: { path: string; kind: TableKind }): NamedTable {
  const fail = (why: string): never => {
    throw tableError(path, why, kind);
  };
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return fail(`it is not JSON: ${show(error.message, 200)}`);
    throw error;
  }
  if (!isMap(value)) return fail("it is not an object");
  const { $schema: schema = null, version } = value;
  if (typeof version === "number" && version !== VERSION)
    throw new SmcError(
      "FORMAT_UNSUPPORTED",
      `'${show(path)}' is of version ${version}, this smc knows ${VERSION}`,
    );
  const foreign = Object.keys(value).find((name) => !["$schema", "version", kind.field].includes(name));
  if (foreign !== undefined) return fail(`'${show(foreign, 80)}' is not a field of it`);
  if (version !== VERSION) return fail(`'version' is not ${VERSION}`);
  if (!isTextOrNull(schema)) return fail("'$schema' is not text");
  const named = value[kind.field];
  if (!isMap(named)) return fail(`'${kind.field}' is not an object`);
  const entries = Object.entries(named);
  if (entries.length > ENTRIES_MAX) return fail(`it has more than ${ENTRIES_MAX} ${kind.field}`);
  return { schema, entries };
}

/** Replaces the file. Atomic and durable. Throws LIMIT_EXCEEDED. */
export async function writeTable(
  path: string,
  { schema, entries }: NamedTable,
  { field }: TableKind,
): Promise<void> {
  const head = schema === null ? {} : { $schema: schema };
  const document = { ...head, version: VERSION, [field]: Object.fromEntries(entries) };
  const text = `${JSON.stringify(document, undefined, 2)}\n`;
  if (entries.length > ENTRIES_MAX || Buffer.byteLength(text) > TABLE_BYTES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' would hold too much; it was not changed`);
  await replaceWith(path, text);
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

/** What is wrong with a file of this kind. */
export function tableError(path: string, why: string, { hint }: TableKind): SmcError {
  return new SmcError("FILE_MALFORMED", `'${show(path)}': ${why}; nothing was changed`, {
    hint,
    details: { file: path },
  });
}
