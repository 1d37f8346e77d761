/** Files inside of files, read as if they were files of their own. */
import type { ByteSource } from "./table.ts";

/** Bytes in memory. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** The `sizeBytes` bytes from `offset` of another source; the caller has checked that they are there. */
export function partSource(source: ByteSource, part: { offset: number; sizeBytes: number }): ByteSource {
  return {
    sizeBytes: part.sizeBytes,
    read: (offset, length) =>
      source.read(part.offset + offset, Math.max(0, Math.min(length, part.sizeBytes - offset))),
  };
}
