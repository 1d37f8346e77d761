/** Writes .npy files, right and wrong ones. For tests. */
import { u16, u32 } from "./zip-writer.ts";

export interface NpyParts {
  readonly version?: 1 | 2 | 3;
  /** The header's text. */
  readonly header?: string;
  readonly data?: Buffer;
  /** Instead of the header's length. */
  readonly length?: number;
}

export const F4 = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";

export function npyFile({
  version = 1,
  header = F4,
  data = Buffer.alloc(24),
  length,
}: NpyParts = {}): Buffer {
  const text = Buffer.from(header);
  const size = length ?? text.length;
  return Buffer.concat([
    Buffer.from("\u0093NUMPY", "latin1"),
    Buffer.from([version, 0]),
    version === 1 ? u16(size) : u32(size),
    text,
    data,
  ]);
}
