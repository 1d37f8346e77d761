/** What holds for every tensor table, whoever made it: inside of the file, in order, never overlapping. */
import { malformed, quoted } from "./bounded-reader.ts";
import { type ExternalSpan, RANK_MAX, type TensorSpan, type TensorTable, TENSORS_MAX } from "./table.ts";

/** The product of the shape; undefined beyond 2^53 - 1 and for what is no shape. */
export function elementCount(shape: readonly number[]): number | undefined {
  if (shape.length > RANK_MAX) return undefined;
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) return undefined;
    count *= dimension;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/** Throws FILE_MALFORMED for more than TENSORS_MAX. Call it before each tensor is kept. */
export function assertRoom(format: string, count: number): void {
  if (count >= TENSORS_MAX) throw malformed(format, `more than ${TENSORS_MAX} tensors`);
}

/** Memory that the tensors of one table may take: by far less than a worker has. */
const TABLE_BYTES_MAX = 320 * 1024 * 1024;
/** Rough measures of it. */
const TENSOR_BYTES = 224;
const DIMENSION_BYTES = 8;

/** Counts what a table is about to hold. */
export class TableRoom {
  readonly #format: string;
  #count = 0;
  #usedBytes = 0;

  constructor(format: string) {
    this.#format = format;
  }

  /** Throws FILE_MALFORMED when one more tensor is one too many, or names and shapes together take too much memory. */
  take(nameLength: number, rank: number): void {
    assertRoom(this.#format, this.#count);
    this.#count += 1;
    this.#usedBytes += TENSOR_BYTES + nameLength + rank * DIMENSION_BYTES;
    if (this.#usedBytes > TABLE_BYTES_MAX)
      throw malformed(
        this.#format,
        `names and shapes of its tensors take more than ${TABLE_BYTES_MAX} bytes`,
      );
  }
}

interface Found {
  readonly tensors: TensorSpan[];
  readonly external?: readonly ExternalSpan[];
  readonly scattered?: TensorTable["scattered"];
}

/** Sorts the tensors by offset. Throws FILE_MALFORMED when one lies outside of the file or two overlap. */
export function checkedTable(format: string, found: Found, sizeBytes: number): TensorTable {
  const { tensors, external = [], scattered = [] } = found;
  tensors.sort((a, b) => a.offset - b.offset || a.length - b.length);
  let end = 0;
  let before = "";
  for (const { name, offset, length } of tensors) {
    if (!isPlace(offset, length) || offset + length > sizeBytes) {
      const place = `${offset} to ${offset + length}`;
      throw malformed(format, `tensor ${quoted(name)} at ${place} lies outside of ${sizeBytes} bytes`);
    }
    if (offset < end)
      throw malformed(format, `tensors ${quoted(before)} and ${quoted(name)} overlap at ${offset}`);
    end = offset + length;
    before = name;
  }
  return { format, tensors, external, scattered };
}

function isPlace(offset: number, length: number): boolean {
  return (
    Number.isSafeInteger(offset) &&
    offset >= 0 &&
    Number.isSafeInteger(length) &&
    length >= 0 &&
    Number.isSafeInteger(offset + length)
  );
}

/**
 * A file that a file names, relative to its folder, without `.` and empty parts. Throws FILE_MALFORMED when it is
 * absolute or leaves the folder, by `..` or by a drive; the name is only ever compared, never opened.
 */
export function relativeFile(format: string, text: string): string {
  const parts = text.split("/").filter((part) => part !== "." && part !== "");
  // oxlint-disable-next-line no-control-regex
  const isOdd = text.startsWith("/") || /[\\\u0000-\u001f]|^[A-Za-z]:/.test(text) || parts.includes("..");
  if (parts.length === 0 || isOdd)
    throw malformed(format, `${quoted(text)} is no file in the folder of this one or below it`);
  return parts.join("/");
}
