/** Groups with many links: a version 2 B-tree of the names leads to link messages in a fractal heap. */
import type { Hdf5Reader, Message } from "./hdf5-reader.ts";

const FLAG_MAX_ORDER = 0x01;
/** Records: the hash of a name, and a heap ID. */
const NAME_RECORDS = 5;
const HASH_BYTES = 4;
/** In the first byte of a heap ID. */
const KIND_MASK = 0x30;
const NODE_EXTRA_BYTES = 10;
const TREE_DEPTH_MAX = 32;
const HEAP_DEPTH_MAX = 64;
const ROWS_MAX = 64;

/** Places of the link messages; none when the group keeps its links in its header. */
export function* denseLinks(reader: Hdf5Reader, message: Message): Generator<number> {
  reader.seek(message.offset);
  reader.skip(1);
  if ((reader.u8() & FLAG_MAX_ORDER) !== 0) reader.skip(8);
  const heapOffset = reader.address();
  const treeOffset = reader.address();
  if (heapOffset === undefined || treeOffset === undefined) return;
  const heap = readHeap(reader, heapOffset);
  for (const inHeap of heapOffsets(reader, treeOffset, heap)) yield locate(reader, heap, inHeap);
}

interface Heap {
  readonly offsetBytes: number;
  readonly width: number;
  readonly startBytes: number;
  readonly directBytesMax: number;
  readonly rootRows: number;
  readonly root: number;
}

function readHeap(reader: Hdf5Reader, offset: number): Heap {
  reader.seek(offset);
  reader.expect("FRHP");
  reader.skip(3);
  if (reader.u16() !== 0) reader.fail("a fractal heap with filters");
  reader.skip(1 + 4 + reader.lengthBytes + reader.addressBytes);
  reader.skip(reader.lengthBytes + reader.addressBytes + 8 * reader.lengthBytes);
  const width = reader.u16();
  const startBytes = reader.length();
  const directBytesMax = reader.length();
  const heapBits = reader.u16();
  reader.skip(2);
  const root = reader.place("the root of a fractal heap");
  const rootRows = reader.u16();
  const isPower = (value: number): boolean => value > 0 && Number.isInteger(Math.log2(value));
  if (!isPower(width) || !isPower(startBytes) || !isPower(directBytesMax) || directBytesMax < startBytes)
    reader.fail(`a fractal heap of ${width} blocks of ${startBytes} to ${directBytesMax} bytes`);
  if (heapBits > 64 || rootRows > ROWS_MAX) reader.fail(`a fractal heap of ${heapBits} bits`);
  return { offsetBytes: Math.ceil(heapBits / 8), width, startBytes, directBytesMax, rootRows, root };
}

/** Size of the blocks in a row: the first two rows have the smallest, then each has twice the one before. */
function rowBytes(heap: Heap, row: number): number {
  return heap.startBytes * 2 ** Math.max(0, row - 1);
}

/** Place in the file of what is at an offset of the heap. */
function locate(reader: Hdf5Reader, heap: Heap, offset: number): number {
  let inHeap = offset;
  let block = heap.root;
  let rows = heap.rootRows;
  const directRows = Math.log2(heap.directBytesMax / heap.startBytes) + 2;
  for (let depth = 0; rows > 0; depth++) {
    if (depth > HEAP_DEPTH_MAX) reader.fail("a fractal heap that never ends");
    let row = 0;
    while (row < rows && inHeap >= heap.width * rowBytes(heap, row)) {
      inHeap -= heap.width * rowBytes(heap, row);
      row += 1;
    }
    if (row >= rows) reader.fail("a heap ID outside of its heap");
    const column = Math.floor(inHeap / rowBytes(heap, row));
    inHeap -= column * rowBytes(heap, row);
    reader.step();
    reader.seek(block);
    reader.expect("FHIB");
    reader.skip(1 + reader.addressBytes + heap.offsetBytes);
    reader.skip((row * heap.width + column) * reader.addressBytes);
    block = reader.place("a block of a fractal heap");
    rows = row < directRows ? 0 : Math.log2(rowBytes(heap, row) / (heap.startBytes * heap.width)) + 1;
  }
  return block + inHeap;
}

interface Tree {
  /** Width of a child's number of records. */
  readonly countBytes: number;
  /** By level: width of the number of all records below a child. */
  readonly totalBytes: readonly number[];
}

interface Node {
  readonly offset: number;
  readonly level: number;
  readonly count: number;
}

/** Offsets in the heap of all records of the tree; without tiny and huge objects, which no link of a sane name is. */
function heapOffsets(reader: Hdf5Reader, offset: number, heap: Heap): number[] {
  const offsets: number[] = [];
  reader.seek(offset);
  reader.expect("BTHD");
  reader.skip(1);
  if (reader.u8() !== NAME_RECORDS) reader.fail("a tree of names with other records");
  const nodeBytes = reader.u32();
  const recordBytes = reader.u16();
  const depth = reader.u16();
  reader.skip(2);
  const root = reader.address();
  const count = reader.u16();
  if (root === undefined || count === 0) return offsets;
  if (
    depth > TREE_DEPTH_MAX ||
    recordBytes <= HASH_BYTES + heap.offsetBytes ||
    nodeBytes < NODE_EXTRA_BYTES + recordBytes
  )
    reader.fail(`a tree of depth ${depth} with nodes of ${nodeBytes} bytes`);
  const tree = measure(reader, { nodeBytes, recordBytes, depth });
  const todo: Node[] = [{ offset: root, level: depth, count }];
  for (;;) {
    const node = todo.pop();
    if (node === undefined) return offsets;
    if (!reader.isNew(node.offset)) reader.fail(`the tree node at ${node.offset} is there twice`);
    reader.seek(node.offset);
    reader.expect(node.level > 0 ? "BTIN" : "BTLF");
    reader.skip(2);
    for (let index = 0; index < node.count; index++) {
      reader.step();
      reader.skip(HASH_BYTES);
      const isManaged = (reader.u8() & KIND_MASK) === 0;
      const inHeap = reader.uint(heap.offsetBytes);
      if (isManaged) offsets.push(inHeap);
      reader.skip(recordBytes - HASH_BYTES - 1 - heap.offsetBytes);
    }
    if (node.level > 0) for (const child of children(reader, tree, node)) todo.push(child);
  }
}

function children(reader: Hdf5Reader, tree: Tree, node: Node): Node[] {
  const found: Node[] = [];
  for (let index = 0; index <= node.count; index++) {
    reader.step();
    const offset = reader.place("a part of a tree");
    const count = reader.uint(tree.countBytes);
    reader.skip(tree.totalBytes[node.level - 1] ?? 0);
    found.push({ offset, level: node.level - 1, count });
  }
  return found;
}

/** Bytes that hold every number up to `most`. */
function widthFor(most: number): number {
  return Math.floor(Math.log2(Math.max(most, 1)) / 8) + 1;
}

/** Widths of the counts in inner nodes, which follow from how many records fit below them. */
function measure(
  reader: Hdf5Reader,
  { nodeBytes, recordBytes, depth }: { nodeBytes: number; recordBytes: number; depth: number },
): Tree {
  const leafMost = Math.floor((nodeBytes - NODE_EXTRA_BYTES) / recordBytes);
  const countBytes = widthFor(leafMost);
  const totalBytes = [0];
  let most = leafMost;
  for (let level = 1; level < depth; level++) {
    const pointerBytes = reader.addressBytes + countBytes + (totalBytes[level - 1] ?? 0);
    const here = Math.floor((nodeBytes - NODE_EXTRA_BYTES - pointerBytes) / (recordBytes + pointerBytes));
    most = (here + 1) * most + here;
    if (here < 1 || !Number.isSafeInteger(most)) reader.fail(`a tree with nodes of ${nodeBytes} bytes`);
    totalBytes.push(widthFor(most));
  }
  return { countBytes, totalBytes };
}
