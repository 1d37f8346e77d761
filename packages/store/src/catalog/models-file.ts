/**
 * `smc.models.json`: the models that `smc catalog` knows, and where they are downloaded from. It lies in the root of the
 * worktree and is versioned with it. Its schema is docs/reference/models.schema.json.
 */
import { join } from "node:path";
import { isSmcError, SmcError } from "../errors.ts";
import { replaceFile } from "../fs.ts";
import { assertFileName } from "../layout/file-name.ts";
import type { FilesPlace } from "../layout/folders.ts";
import { show } from "../show.ts";
import { readSmall } from "../worktree/head.ts";
import { assertSafe, parseWebUrl } from "./web-url.ts";

export const MODELS_FILE = "smc.models.json";
const VERSION = 1;
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const MODELS_MAX = 10_000;
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
  let bytes: Buffer;
  try {
    bytes = await readSmall(path, FILE_BYTES_MAX);
  } catch (error) {
    if (isSmcError(error, "PATH_NOT_FOUND")) return { schema: null, models: [] };
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) throw malformed(path, `it is not JSON: ${show(error.message, 200)}`);
    throw error;
  }
  if (!isMap(value)) throw malformed(path, "it is not an object");
  const { $schema: schema = null, version, models } = value;
  if (typeof version === "number" && version !== VERSION)
    throw new SmcError(
      "FORMAT_UNSUPPORTED",
      `'${show(path)}' is of version ${version}, this smc knows ${VERSION}`,
    );
  const foreign = Object.keys(value).find((name) => !["$schema", "version", "models"].includes(name));
  if (foreign !== undefined) throw malformed(path, `'${show(foreign, 80)}' is not a field of it`);
  if (version !== VERSION) throw malformed(path, `'version' is not ${VERSION}`);
  if (!isTextOrNull(schema)) throw malformed(path, "'$schema' is not text");
  if (!isMap(models)) throw malformed(path, "'models' is not an object");
  const entries = Object.entries(models);
  if (entries.length > MODELS_MAX) throw malformed(path, `it has more than ${MODELS_MAX} models`);
  return { schema, models: entries.map(([name, fields]) => parseModel(path, name, fields)) };
}

/** Replaces the file. Atomic and durable. Throws LIMIT_EXCEEDED. */
export async function writeModels(path: string, { schema, models }: ModelsFile): Promise<void> {
  const entries = models.map(({ name, url, sha256, md5, isDefault, description }) => [
    name,
    {
      url,
      ...(sha256 === null ? {} : { sha256 }),
      ...(md5 === null ? {} : { md5 }),
      ...(isDefault ? { default: true } : {}),
      ...(description === null ? {} : { description }),
    },
  ]);
  const head = schema === null ? {} : { $schema: schema };
  const document = { ...head, version: VERSION, models: Object.fromEntries(entries) };
  const text = `${JSON.stringify(document, undefined, 2)}\n`;
  if (models.length > MODELS_MAX || Buffer.byteLength(text) > FILE_BYTES_MAX)
    throw new SmcError("LIMIT_EXCEEDED", `'${show(path)}' would hold too much; it was not changed`);
  await replaceFile(path, text, { mode: 0o644 });
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
    throw malformed(path, `model '${show(name, 80)}': ${why}`);
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

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function malformed(path: string, why: string): SmcError {
  return new SmcError("FILE_MALFORMED", `'${show(path)}': ${why}; nothing was changed`, {
    hint: "see docs/reference/models.schema.json",
    details: { file: path },
  });
}
