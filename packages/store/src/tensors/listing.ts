/** The tensors of stored files, as verbs tell them. */
import type { Call } from "../call.ts";
import { isSmcError, SmcError } from "../errors.ts";
import { NAME_LENGTH_MAX, type TensorSpan, type TensorTable } from "../formats/table.ts";
import type { Digest } from "../objects/digest.ts";
import type { ObjectStore } from "../store.ts";

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

/** A stored file whose tensors are asked for. */
export interface StoredFile {
  readonly digest: Digest;
  /** From the root of the tree; its last part helps to tell the format. */
  readonly path: string;
}

const NO_TENSORS: TensorListing = { format: null, problem: null, tensors: [] };

/** The table of a file, or why there is none. Throws OBJECT_MISSING, OBJECT_CORRUPT, CANCELED. */
export async function readTable(
  objects: Pick<ObjectStore, "tensors">,
  { digest, path }: StoredFile,
  call: Call,
): Promise<TensorTable | { readonly problem: string } | undefined> {
  try {
    return await objects.tensors(digest, path.slice(path.lastIndexOf("/") + 1), call);
  } catch (error) {
    if (!isSmcError(error, "FILE_MALFORMED")) throw error;
    return { problem: error.message };
  }
}

/** Everything that a file names, in the order of the offsets; what lies elsewhere or is scattered comes last. */
export async function listTensors(
  objects: Pick<ObjectStore, "tensors">,
  file: StoredFile,
  call: Call,
): Promise<TensorListing> {
  const table = await readTable(objects, file, call);
  if (table === undefined) return NO_TENSORS;
  if ("problem" in table) return { ...NO_TENSORS, problem: table.problem };
  const { format, tensors, external, scattered } = table;
  return {
    format,
    problem: null,
    tensors: [
      ...tensors.map((span) => rowOf(span)),
      ...external.map((span) => rowOf(span, span.file)),
      ...scattered.map(({ name, dtype, shape }) => ({
        name,
        dtype,
        shape,
        sizeBytes: null,
        offset: null,
        file: null,
      })),
    ],
  };
}

/** Of a file that is only named, an index can leave the place open: then nothing is known but the name. */
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
