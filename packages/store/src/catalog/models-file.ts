/**
 * `smc.models.json`: the models that `smc catalog` knows, and where they are downloaded from. It lies in the root of
 * the worktree and is versioned with it. Its schema is docs/reference/models.schema.json.
 */
import { join } from "node:path";
import { isSmcError } from "../errors.ts";
import { assertFileName } from "../layout/file-name.ts";
import type { FilesPlace } from "../layout/folders.ts";
import { isMap, isTextOrNull, readTable, tableError, writeTable } from "../layout/named-table.ts";
import { show } from "../show.ts";
import { assertSafe, parseWebUrl } from "./web-url.ts";

export const MODELS_FILE = "smc.models.json";
const KIND = { field: "models", hint: "see docs/reference/models.schema.json" };
const DESCRIPTION_LENGTH_MAX = 16 * 1024;
const FIELDS = ["url", "sha256", "md5", "default", "description"];

export interface Model {
  readonly name: string;
  readonly url: string;
  /** Lower-case hex digits; null when nobody said. */
  readonly sha256: string | null;
  readonly md5: string | null;
  /** `setup --with-defaults` downloads it. */
  readonly isDefault: boolean;
  readonly description: string | null;
}

export interface ModelsFile {
  /** Where its schema is, for editors; null when the file does not say. */
  readonly schema: string | null;
  /** In the order of the file. */
  readonly models: readonly Model[];
}

export function modelsPath({ root }: Pick<FilesPlace, "root">): string {
  return join(root, MODELS_FILE);
}

/** No models where there is no file. Throws FILE_MALFORMED, FORMAT_UNSUPPORTED, FILE_UNSUPPORTED, LIMIT_EXCEEDED. */
export async function readModels(path: string): Promise<ModelsFile> {
  const { schema, entries } = await readTable(path, KIND);
  return { schema, models: entries.map(([name, fields]) => parseModel(path, name, fields)) };
}

/** Replaces the file. Atomic and durable. Throws LIMIT_EXCEEDED. */
export async function writeModels(path: string, { schema, models }: ModelsFile): Promise<void> {
  const entries = models.map(({ name, url, sha256, md5, isDefault, description }) => {
    const fields = {
      url,
      ...(sha256 === null ? {} : { sha256 }),
      ...(md5 === null ? {} : { md5 }),
      ...(isDefault ? { default: true } : {}),
      ...(description === null ? {} : { description }),
    };
    return [name, fields] as const;
  });
  await writeTable(path, { schema, entries }, KIND);
}

/** Why a model cannot stand in the file, or undefined. Throws PATH_INVALID, URL_INVALID. */
export function modelFault({ name, url, sha256, md5, description }: Model): string | undefined {
  assertFileName(name);
  if (sha256 !== null && !/^[0-9a-f]{64}$/.test(sha256)) return "'sha256' is not 64 lower-case hex digits";
  if (md5 !== null && !/^[0-9a-f]{32}$/.test(md5)) return "'md5' is not 32 lower-case hex digits";
  if (description !== null && description.length > DESCRIPTION_LENGTH_MAX)
    return `'description' is longer than ${DESCRIPTION_LENGTH_MAX} characters`;
  assertSafe(parseWebUrl(url), sha256);
  return undefined;
}

function parseModel(path: string, name: string, fields: unknown): Model {
  const fail = (why: string): never => {
    throw tableError(path, `model '${show(name, 80)}': ${why}`, KIND);
  };
  if (!isMap(fields)) return fail("it is not an object");
  // A word that is spelled wrong must not switch a check off.
  const foreign = Object.keys(fields).find((field) => !FIELDS.includes(field));
  if (foreign !== undefined) return fail(`'${show(foreign, 80)}' is not a field of it`);
  const { url, sha256 = null, md5 = null, default: isDefault = false, description = null } = fields;
  if (typeof url !== "string") return fail("'url' is not text");
  if (!isTextOrNull(sha256)) return fail("'sha256' is not text");
  if (!isTextOrNull(md5)) return fail("'md5' is not text");
  if (!isTextOrNull(description)) return fail("'description' is not text");
  if (typeof isDefault !== "boolean") return fail("'default' is not true or false");
  const model = { name, url, sha256, md5, isDefault, description };
  try {
    const fault = modelFault(model);
    return fault === undefined ? model : fail(fault);
  } catch (error) {
    if (isSmcError(error, "PATH_INVALID") || isSmcError(error, "URL_INVALID")) return fail(error.message);
    throw error;
  }
}
