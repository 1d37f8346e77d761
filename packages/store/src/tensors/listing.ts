/** The tensors of files, as verbs tell them. */
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { NAME_LENGTH_MAX, type TensorSpan, type TensorTable } from "../formats/table.ts";
import type { Digest } from "../objects/digest.ts";
import type { Store } from "../store.ts";

export interface TensorRow {
  readonly name: string;
  /** "f32", "bf16", "q4_0" …; "opaque" when it is not known. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes, and where they start; null where the file does not hold them in one piece. */
  readonly sizeBytes: number | null;
  readonly offset: number | null;
  /** The file that holds them, relative to the folder of this one; null for this one. */
  readonly file: string | null;
}

export interface TensorListing {
  /** "safetensors", "gguf" …; null for a file of no known format: it has no tensors. */
  readonly format: string | null;
  /** Why its tensors cannot be told although its format is known. */
  readonly problem: string | null;
  readonly tensors: readonly TensorRow[];
}

/** A file whose tensors are asked for. */
export interface TensorFile {
  readonly digest: Digest;
  /** From the root of the tree; its last part helps to tell the format. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Where it is when the store does not hold it: a path for system calls. */
  readonly localPath?: string;
}

/** The table of a file, or why there is none. Throws OBJECT_MISSING, OBJECT_CORRUPT, FILE_CHANGED, CANCELED. */
export async function readTable(
  { objects, pool }: Pick<Store, "objects" | "pool">,
  { digest, path, localPath }: Omit<TensorFile, "sizeBytes">,
  call: Call,
): Promise<TensorTable | { readonly problem: string } | undefined> {
  const fileName = path.slice(path.lastIndexOf("/") + 1);
  try {
    if (localPath === undefined) return await objects.tensors(digest, fileName, call);
    return await pool.run("localTensors", { path: localPath, fileName }, { signal: call.signal });
  } catch (error) {
    if (!isSmcError(error, "FILE_MALFORMED")) throw error;
    return { problem: error.message };
  }
}

/** What a file names. Throws as `readTable`. */
export async function listTensors(
  store: Pick<Store, "objects" | "pool">,
  file: Omit<TensorFile, "sizeBytes">,
  call: Call,
): Promise<TensorListing> {
  const table = await readTable(store, file, call);
  if (table === undefined) return { format: null, problem: null, tensors: [] };
  if ("problem" in table) return { format: null, problem: table.problem, tensors: [] };
  return { format: table.format, problem: null, tensors: rowsOf(table) };
}

/** A row for each tensor of a table, at most `countMax`; what lies elsewhere or is scattered comes last. */
export function rowsOf(table: TensorTable, countMax = Number.POSITIVE_INFINITY): TensorRow[] {
  const { tensors, external, scattered } = table;
  const left = (count: number): number => Math.max(0, countMax - count);
  return [
    ...tensors.slice(0, countMax).map((span) => rowOf(span)),
    ...external.slice(0, left(tensors.length)).map((span) => rowOf(span, span.file)),
    ...scattered
      .slice(0, left(tensors.length + external.length))
      .map(({ name, dtype, shape }) => ({ name, dtype, shape, sizeBytes: null, offset: null, file: null })),
  ];
}

/** An index of files can leave the place open: then nothing is known but the name. */
function rowOf({ name, dtype, shape, offset, length }: TensorSpan, file: string | null = null): TensorRow {
  const isOpen = file !== null && length === 0 && dtype === "opaque";
  return { name, dtype, shape, sizeBytes: isOpen ? null : length, offset: isOpen ? null : offset, file };
}

/** Memory that rows may take, by a rough measure of their text. */
const ROWS_BYTES_MAX = 128 * 1024 * 1024;
const ROW_BYTES = 256;

/** Counts rows that an answer collects. */
export class RowBudget {
  #usedBytes = 0;

  /** Throws LIMIT_EXCEEDED when the rows of the answer get too many. */
  take(rows: readonly { readonly name: string }[]): void {
    for (const { name } of rows) this.#usedBytes += ROW_BYTES + Math.min(name.length, NAME_LENGTH_MAX);
    if (this.#usedBytes <= ROWS_BYTES_MAX) return;
    throw new SmcError("LIMIT_EXCEEDED", "the answer would list too many tensors", {
      hint: "name the files that you want to see",
    });
  }
}
