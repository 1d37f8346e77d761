/** The checksums of a ZIP archive (PyTorch, NPZ, Keras) after tensors inside of it were replaced. */
import { crc32 } from "node:zlib";
import type { ByteSource } from "../formats/table.ts";
import { readZip, type ZipMember } from "../formats/zip.ts";

const SIGNATURE = Buffer.from([0x50, 0x4b, 0x03, 0x04]);
const STORED = 0;
const BLOCK_BYTES = 512 * 1024;

interface Range {
  readonly offset: number;
  readonly length: number;
}

export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * What has to be written where, so that the CRC of every stored member with bytes in one of the ranges is that of its
 * bytes; nothing for a file that is no archive. Reads those members once. Throws FILE_MALFORMED, and what `onBytes`
 * throws.
 */
export function checksumPatches(
  source: ByteSource,
  replaced: readonly Range[],
  onBytes: (bytes: number) => void,
): Patch[] {
  if (!SIGNATURE.equals(source.read(0, SIGNATURE.length))) return [];
  const ranges = [...replaced].sort((a, b) => a.offset - b.offset);
  const patches: Patch[] = [];
  let next = 0;
  for (const member of readZip(source)) {
    while (next < ranges.length && endOf(ranges[next]) <= member.offset) next += 1;
    const range = ranges[next];
    const isTouched = range !== undefined && range.offset < member.offset + member.storedBytes;
    if (!isTouched || member.method !== STORED) continue;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(checksumOf(source, member, onBytes));
    for (const offset of member.crcOffsets) patches.push({ offset, bytes });
  }
  return patches;
}

function endOf(range: Range | undefined): number {
  return range === undefined ? 0 : range.offset + range.length;
}

function checksumOf(source: ByteSource, member: ZipMember, onBytes: (bytes: number) => void): number {
  let sum = 0;
  for (let at = 0; at < member.storedBytes; at += BLOCK_BYTES) {
    const bytes = source.read(member.offset + at, Math.min(BLOCK_BYTES, member.storedBytes - at));
    sum = crc32(bytes, sum);
    onBytes(bytes.length);
  }
  return sum;
}
