/** The members of an HDF5 group: links in its header, in a fractal heap, or the symbol table of old files. */
import { denseLinks } from "./hdf5-heap.ts";
import { MESSAGE } from "./hdf5-header.ts";
import type { Hdf5Reader, Message } from "./hdf5-reader.ts";
import { NAME_LENGTH_MAX } from "./table.ts";

/** A hard link: its name and the place of the object. */
export interface Link {
  readonly name: string;
  readonly offset: number;
}

const TREE_DEPTH_MAX = 32;
const SYMBOL_BYTES = 24;
const CACHE_SOFT_LINK = 2;
const GROUP_TREE = 0;

/**
 * By name, so that the first of several names of one object does not change when others do. Hard links only: others
 * name something elsewhere. Throws FILE_MALFORMED.
 */
export function readLinks(reader: Hdf5Reader, messages: readonly Message[]): Link[] {
  const links: Link[] = [];
  const keep = (link: Link | undefined): void => {
    if (link !== undefined) links.push(link);
  };
  for (const message of messages) {
    if (message.type === MESSAGE.LINK) keep(readLink(reader, message.offset));
    if (message.type === MESSAGE.SYMBOL_TABLE) symbolTable(reader, message, keep);
    if (message.type === MESSAGE.LINK_INFO) {
      for (const offset of denseLinks(reader, message)) keep(readLink(reader, offset));
    }
  }
  return links.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A link message; undefined for soft, external and user-defined links. */
function readLink(reader: Hdf5Reader, offset: number): Link | undefined {
  reader.step();
  reader.seek(offset);
  const version = reader.u8();
  if (version !== 1) reader.fail(`version ${version} of a link`);
  const flags = reader.u8();
  const type = (flags & 0x08) === 0 ? 0 : reader.u8();
  if ((flags & 0x04) !== 0) reader.skip(8);
  if ((flags & 0x10) !== 0) reader.skip(1);
  const length = reader.uint(2 ** (flags & 3));
  if (length > NAME_LENGTH_MAX) reader.fail(`a name of ${length} bytes`);
  const name = reader.name(length);
  return type === 0 ? { name, offset: reader.place("the object of a link") } : undefined;
}

function symbolTable(reader: Hdf5Reader, message: Message, keep: (link: Link | undefined) => void): void {
  reader.seek(message.offset);
  const tree = reader.place("the tree of a group");
  const heap = reader.place("the heap of a group");
  const names = readLocalHeap(reader, heap);
  for (const node of treeLeaves(reader, tree)) {
    reader.seek(node);
    reader.expect("SNOD");
    reader.skip(2);
    const count = reader.u16();
    const start = reader.offset;
    const entryBytes = 2 * reader.addressBytes + SYMBOL_BYTES;
    for (let index = 0; index < count; index++) {
      reader.step();
      reader.seek(start + index * entryBytes);
      const nameOffset = reader.uint(reader.addressBytes);
      const offset = reader.address();
      if (reader.u32() === CACHE_SOFT_LINK || offset === undefined) continue;
      if (nameOffset >= names.sizeBytes)
        reader.fail(`a name at ${nameOffset} of a heap of ${names.sizeBytes}`);
      reader.seek(names.offset + nameOffset);
      keep({ name: reader.nullEnded(NAME_LENGTH_MAX), offset });
    }
  }
}

function readLocalHeap(reader: Hdf5Reader, offset: number): { offset: number; sizeBytes: number } {
  reader.seek(offset);
  reader.expect("HEAP");
  reader.skip(4);
  const sizeBytes = reader.length();
  reader.length();
  return { offset: reader.place("the names of a group"), sizeBytes };
}

/** Places of the symbol nodes. Each node of the tree is met once, or the tree has a cycle. */
function* treeLeaves(reader: Hdf5Reader, root: number): Generator<number> {
  const todo = [{ offset: root, level: TREE_DEPTH_MAX + 1 }];
  for (;;) {
    const next = todo.pop();
    if (next === undefined) return;
    if (!reader.isNew(next.offset)) reader.fail(`the tree node at ${next.offset} is there twice`);
    reader.seek(next.offset);
    reader.expect("TREE");
    const type = reader.u8();
    const level = reader.u8();
    if (type !== GROUP_TREE || level >= next.level)
      reader.fail(`the tree node at ${next.offset} has type ${type} and level ${level}`);
    const count = reader.u16();
    reader.skip(2 * reader.addressBytes);
    const children: number[] = [];
    for (let index = 0; index < count; index++) {
      reader.step();
      reader.length();
      children.push(reader.place("a part of a tree"));
    }
    if (level > 0) for (const offset of children.reverse()) todo.push({ offset, level });
    else yield* children;
  }
}
