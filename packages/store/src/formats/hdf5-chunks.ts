/** Where the chunks of a dataset are: the B-tree of most files, and the indexes of fixed size of newer ones. */
import { elementCount } from "./checked-table.ts";
import type { Shaped } from "./hdf5-dataset.ts";
import type { Hdf5Reader } from "./hdf5-reader.ts";
import { RANK_MAX, TENSORS_MAX } from "./table.ts";

export interface Chunk {
  /** Its number in row-major order of the grid. */
  readonly index: number;
  readonly offset: number;
  readonly length: number;
}

interface Found {
  readonly chunks: readonly Chunk[];
  readonly dimensions: readonly number[];
}

const TREE_DEPTH_MAX = 32;
const CHUNK_TREE = 1;
const INDEX_SINGLE = 1;
const INDEX_IMPLICIT = 2;
const INDEX_FIXED_ARRAY = 3;
const CHECKSUM_BYTES = 4;

interface Grid {
  readonly dimensions: readonly number[];
  readonly chunkBytes: number;
  /** Chunks along each dimension. */
  readonly counts: readonly number[];
  readonly total: number;
}

/** The cursor is behind the layout's class. Undefined for filtered chunks and for indexes that are not read here. */
export function readChunks(reader: Hdf5Reader, version: number, shaped: Shaped): Found | undefined {
  if (shaped.isFiltered) return undefined;
  if (version === 3) {
    const dimensionality = reader.u8();
    const root = reader.address();
    const grid = readGrid(reader, shaped, { dimensionality, widthBytes: 4 });
    const chunks = root === undefined ? [] : treeChunks(reader, root, grid);
    return { chunks, dimensions: grid.dimensions };
  }
  reader.skip(1);
  const dimensionality = reader.u8();
  const widthBytes = reader.u8();
  if (widthBytes < 1 || widthBytes > 8) reader.fail(`chunk sizes of ${widthBytes} bytes`);
  const grid = readGrid(reader, shaped, { dimensionality, widthBytes });
  const kind = reader.u8();
  const { chunkBytes, dimensions, total } = grid;
  const isOne = kind === INDEX_SINGLE && total === 1;
  if (!isOne && kind !== INDEX_IMPLICIT && kind !== INDEX_FIXED_ARRAY) return undefined;
  if (kind === INDEX_FIXED_ARRAY) reader.skip(1);
  const start = reader.address();
  if (start === undefined) return { chunks: [], dimensions };
  if (kind === INDEX_FIXED_ARRAY) return { chunks: arrayChunks(reader, start, grid), dimensions };
  const chunks = Array.from({ length: total }, (_, index) => {
    reader.step();
    return { index, offset: start + index * chunkBytes, length: chunkBytes };
  });
  return { chunks, dimensions };
}

/** An array of addresses in one block, which has pages with a checksum each when it is large. */
function arrayChunks(reader: Hdf5Reader, header: number, grid: Grid): Chunk[] {
  reader.seek(header);
  reader.expect("FAHD");
  reader.skip(2);
  const entryBytes = reader.u8();
  const pageBits = reader.u8();
  const count = reader.length();
  const block = reader.address();
  if (block === undefined) return [];
  if (entryBytes !== reader.addressBytes || count !== grid.total || pageBits > 31)
    reader.fail(`an array of ${count} entries of ${entryBytes} bytes`);
  const pageEntries = 2 ** pageBits;
  const pages = count > pageEntries ? Math.ceil(count / pageEntries) : 0;
  reader.seek(block);
  reader.expect("FADB");
  reader.skip(2 + reader.addressBytes);
  const isUsed = reader.bytes(Math.ceil(pages / 8)).slice();
  let at = reader.offset + (pages > 0 ? CHECKSUM_BYTES : 0);
  const chunks: Chunk[] = [];
  for (let index = 0; index < count; index++) {
    reader.step();
    const page = Math.floor(index / pageEntries);
    const isPresent = pages === 0 || ((isUsed[page >> 3] ?? 0) & (0x80 >> (page & 7))) !== 0;
    if (pages > 0 && index > 0 && index % pageEntries === 0) at += CHECKSUM_BYTES;
    if (isPresent) {
      reader.seek(at);
      const offset = reader.address();
      if (offset !== undefined) chunks.push({ index, offset, length: grid.chunkBytes });
    }
    at += entryBytes;
  }
  return chunks;
}

/** The last of the sizes is that of an element. */
function readGrid(
  reader: Hdf5Reader,
  { shape, element }: Shaped,
  encoded: { dimensionality: number; widthBytes: number },
): Grid {
  if (encoded.dimensionality !== shape.length + 1 || encoded.dimensionality > RANK_MAX)
    reader.fail(`chunks of rank ${encoded.dimensionality - 1} of a dataset of rank ${shape.length}`);
  const sizes = Array.from({ length: encoded.dimensionality }, () => reader.uint(encoded.widthBytes));
  const dimensions = sizes.slice(0, -1);
  const counts = shape.map((dimension, index) => Math.ceil(dimension / (dimensions[index] ?? 0)));
  const chunkBytes = (elementCount(dimensions) ?? Number.NaN) * element.widthBytes;
  const total = elementCount(counts);
  if (sizes.at(-1) !== element.widthBytes || !Number.isSafeInteger(chunkBytes) || total === undefined)
    return reader.fail(`chunks of ${dimensions.join(" × ")} elements of ${sizes.at(-1)} bytes`);
  if (total > TENSORS_MAX) reader.fail(`more than ${TENSORS_MAX} chunks`);
  return { dimensions, chunkBytes, counts, total };
}

/** Keys and children alternate; a leaf's child is a chunk, and the key before it says which. */
function treeChunks(reader: Hdf5Reader, root: number, grid: Grid): Chunk[] {
  const chunks: Chunk[] = [];
  const todo = [{ offset: root, level: TREE_DEPTH_MAX + 1 }];
  for (;;) {
    const next = todo.pop();
    if (next === undefined) return chunks;
    if (!reader.isNew(next.offset)) reader.fail(`the tree node at ${next.offset} is there twice`);
    reader.seek(next.offset);
    reader.expect("TREE");
    const type = reader.u8();
    const level = reader.u8();
    if (type !== CHUNK_TREE || level >= next.level)
      reader.fail(`the tree node at ${next.offset} has type ${type} and level ${level}`);
    const count = reader.u16();
    reader.skip(2 * reader.addressBytes);
    for (let entry = 0; entry < count; entry++) {
      reader.step();
      const length = reader.u32();
      reader.skip(4);
      const corner = [...grid.dimensions, 0].map(() => reader.uint(8));
      const offset = reader.place("a part of a tree");
      if (level > 0) todo.push({ offset, level });
      else chunks.push({ index: indexOf(reader, corner, grid), offset, length });
      if (level === 0 && length !== grid.chunkBytes) reader.fail(`a chunk of ${length} bytes at ${offset}`);
    }
  }
}

function indexOf(reader: Hdf5Reader, corner: readonly number[], grid: Grid): number {
  let index = 0;
  grid.dimensions.forEach((dimension, axis) => {
    const at = (corner[axis] ?? 0) / dimension;
    const count = grid.counts[axis] ?? 0;
    if (!Number.isInteger(at) || at >= count) reader.fail(`a chunk at ${corner.join()} of the dataset`);
    index = index * count + at;
  });
  return index;
}
