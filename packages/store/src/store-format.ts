/** `format.json`: says that a folder is a store, which version, which id. It is written last, when all else is there. */
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
  const format = parseFormat(text, file);
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
  return format;
}

function parseFormat(text: string, file: string): StoreFormat {
  const bad = (cause?: unknown): SmcError =>
    new SmcError("STORE_CORRUPT", `'${show(file)}' is damaged; nothing was changed`, { cause });
  let value: Partial<StoreFormat> | null;
  try {
    value = JSON.parse(text) as Partial<StoreFormat> | null;
  } catch (error) {
    throw bad(error);
  }
  if (typeof value !== "object" || value === null) throw bad();
  const { version, features, storeId, createdMs } = value;
  if (typeof version !== "number" || !Array.isArray(features) || typeof createdMs !== "number") throw bad();
  if (!features.every((feature) => typeof feature === "string")) throw bad();
  if (version === STORE_VERSION && (typeof storeId !== "string" || !/^[0-9a-f]{32}$/.test(storeId)))
    throw bad();
  return { version, features, storeId: String(storeId), createdMs };
}

/** Durable when it returns. */
export async function writeFormat(path: string, format: StoreFormat): Promise<void> {
  await replaceFile(join(path, "format.json"), `${JSON.stringify(format, undefined, 2)}\n`);
}
