/** Writes HDF5 files of version 2 headers, right and wrong ones. For tests. */
import { u16, u32, u64 } from "./zip-writer.ts";

export const HDF5_SIGNATURE = Buffer.from("\u0089HDF\r\n\u001a\n", "latin1");
const SUPERBLOCK_BYTES = 48;
export const NOWHERE = 2n ** 64n - 1n;
/** Every block has a place of its own of this size, so that addresses are known before anything is written. */
const BLOCK_BYTES = 4096;

/** Address of block `index`. */
export const at = (index: number): number => SUPERBLOCK_BYTES + index * BLOCK_BYTES;

export const message = (type: number, content: Buffer, flags = 0): Buffer =>
  Buffer.concat([Buffer.from([type]), u16(content.length), Buffer.from([flags]), content]);

/** An object header of these messages. */
export function object(...messages: Buffer[]): Buffer {
  const content = Buffer.concat(messages);
  return Buffer.concat([Buffer.from("OHDR\u0002\u0002", "latin1"), u32(content.length), content, u32(0)]);
}

/** A hard link to block `index`. */
export const link = (name: string, index: number): Buffer =>
  message(6, Buffer.concat([Buffer.from([1, 0, name.length]), Buffer.from(name), u64(at(index))]));

export const space = (...shape: (number | bigint)[]): Buffer =>
  message(1, Buffer.concat([Buffer.from([2, shape.length, 0, 1]), u64(...shape)]));
export const F4 = message(3, Buffer.from("11201f000400000000002000170800177f000000", "hex"));
export const contiguous = (offset: number | bigint, length: number | bigint): Buffer =>
  message(8, Buffer.concat([Buffer.from([3, 1]), u64(offset, length)]));
/** Chunks in a version 1 B-tree; the last size is that of an element. */
export const chunked = (tree: number | bigint, ...sizes: number[]): Buffer =>
  message(8, Buffer.concat([Buffer.from([3, 2, sizes.length]), u64(tree), u32(...sizes)]));

/** A node of a chunk tree; each entry is length, corner and child. */
export function chunkNode(
  level: number,
  ...entries: { length: number; corner: number[]; child: number | bigint }[]
): Buffer {
  const keys = entries.map(({ length, corner, child }) =>
    Buffer.concat([u32(length, 0), u64(...corner, 0, child)]),
  );
  return Buffer.concat([
    Buffer.from("TREE"),
    Buffer.from([1, level]),
    u16(entries.length),
    u64(NOWHERE, NOWHERE),
    ...keys,
  ]);
}

/** The first block is the root group. */
export function hdf5File(...blocks: Buffer[]): Buffer {
  const sizeBytes = at(blocks.length);
  const superblock = [HDF5_SIGNATURE, Buffer.from([2, 8, 8, 0]), u64(0, NOWHERE, sizeBytes, at(0)), u32(0)];
  const file = Buffer.alloc(sizeBytes);
  Buffer.concat(superblock).copy(file);
  blocks.forEach((block, index) => block.copy(file, at(index)));
  return file;
}
