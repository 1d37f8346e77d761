/** Bytes in memory as a parser reads them, and a table's tensors in one line each. For tests. */
import { type ByteSource, READ_BYTES_MAX, type TensorTable } from "../table.ts";

/** Overwrites what it gave before, as a source may: a parser that keeps a view reads garbage. */
export class MemorySource implements ByteSource {
  readonly sizeBytes: number;
  readonly #bytes: Uint8Array;
  #last: Uint8Array | undefined;
  /** All that was read so far. */
  readBytes = 0;

  /** `sizeBytes` beyond the bytes stands for zeros. */
  constructor(bytes: Uint8Array, sizeBytes = bytes.length) {
    this.#bytes = bytes;
    this.sizeBytes = sizeBytes;
  }

  read(offset: number, length: number): Uint8Array {
    if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || length > READ_BYTES_MAX)
      throw new Error(`read(${offset}, ${length})`);
    this.#last?.fill(0xa5);
    const view = new Uint8Array(Math.max(0, Math.min(length, this.sizeBytes - offset)));
    view.set(this.#bytes.subarray(offset, offset + view.length));
    this.#last = view;
    this.readBytes += view.length;
    return view;
  }
}

/** "name dtype [shape] offset+length" of every tensor in the file. */
export function lines(table: TensorTable): string[] {
  return table.tensors.map(
    ({ name, dtype, shape, offset, length }) => `${name} ${dtype} [${shape.join()}] ${offset}+${length}`,
  );
}

/** Throws when the table breaks what every table promises. */
export function assertSound(table: TensorTable, sizeBytes: number): void {
  let end = 0;
  for (const { name, offset, length } of table.tensors) {
    const isSound = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && length >= 0;
    if (!isSound || offset < end || offset + length > sizeBytes)
      throw new Error(`${name} at ${offset}+${length} after ${end} in ${sizeBytes}`);
    end = offset + length;
  }
  for (const { file } of table.external) {
    if (file === "" || file.startsWith("/") || file.split("/").includes("..")) throw new Error(file);
  }
}
