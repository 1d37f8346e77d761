/**
 * `format.json`: says that a folder is a store, which version, which id. It is written last, when all else is there.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, isSmcError, SmcError } from "./errors.ts";
import { replaceFile } from "./fs.ts";
import { show } from "./show.ts";

export const STORE_VERSION = 1;

export interface StoreFormat {
  readonly version: number;
  /** Features without which a reader would misunderstand the store. */
  readonly features: readonly string[];
  readonly storeId: string;
  readonly createdMs: number;
}

/** Features this version understands. */
const FEATURES: ReadonlySet<string> = new Set<string>();

/** Undefined when there is none. Throws STORE_CORRUPT, FORMAT_UNSUPPORTED. */
export async function readFormat(path: string): Promise<StoreFormat | undefined> {
  const file = join(path, "format.json");
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const known = fromErrno(error, `cannot read '${show(file)}'`);
    if (isSmcError(known, "PATH_NOT_FOUND")) return undefined;
    throw known;
  }
  const { format, isWhole } = parseFormat(text, file);
  if (format.version !== STORE_VERSION) {
    throw new SmcError(
      "FORMAT_UNSUPPORTED",
      `the store '${show(path)}' has version ${format.version}; nothing was changed`,
    );
  }
  const unknown = format.features.find((feature) => !FEATURES.has(feature));
  if (unknown !== undefined) {
    throw new SmcError(
      "FORMAT_UNSUPPORTED",
      `the store '${show(path)}' needs '${show(unknown, 60)}'; nothing was changed`,
    );
  }
  if (!isWhole) throw damaged(file);
  return format;
}

function damaged(file: string, cause?: unknown): SmcError {
  return new SmcError("STORE_CORRUPT", `'${show(file)}' is damaged; nothing was changed`, { cause });
}

/** `isWhole`: its checksum fits, or it was made before there was one. */
function parseFormat(text: string, file: string): { format: StoreFormat; isWhole: boolean } {
  const bad = (cause?: unknown): SmcError => damaged(file, cause);
  let value: (Partial<StoreFormat> & { readonly checksum?: unknown }) | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch (error) {
    throw bad(error);
  }
  if (typeof value !== "object" || value === null) throw bad();
  const { version, features, storeId, createdMs, checksum } = value;
  if (typeof version !== "number" || !Array.isArray(features) || typeof createdMs !== "number") throw bad();
  if (!features.every((feature) => typeof feature === "string")) throw bad();
  if (version === STORE_VERSION && (typeof storeId !== "string" || !/^[0-9a-f]{32}$/.test(storeId)))
    throw bad();
  const format = { version, features, storeId: String(storeId), createdMs };
  return { format, isWhole: checksum === undefined || checksum === checksumOf(format) };
}

/** SHA-256 of the other fields as compact JSON. */
function checksumOf({ version, features, storeId, createdMs }: StoreFormat): string {
  return createHash("sha256").update(JSON.stringify({ version, features, storeId, createdMs })).digest("hex");
}

function formatText(format: StoreFormat, options: { checksum: boolean }): string {
  const { version, features, storeId, createdMs } = format;
  const sum = options.checksum ? { checksum: checksumOf(format) } : {};
  return `${JSON.stringify({ version, features, storeId, createdMs, ...sum }, undefined, 2)}\n`;
}

/** True when `format.json` says this store's id and every byte of it is as it was written. Throws as `readFormat`. */
export async function isFormatWhole(path: string, storeId: string): Promise<boolean> {
  const format = await readFormat(path);
  if (format === undefined || format.storeId !== storeId) return false;
  const text = await readFile(join(path, "format.json"), "utf8");
  return [true, false].some((checksum) => text === formatText(format, { checksum }));
}

/** Durable when it returns. */
export async function writeFormat(path: string, format: StoreFormat): Promise<void> {
  await replaceFile(join(path, "format.json"), formatText(format, { checksum: true }));
}
