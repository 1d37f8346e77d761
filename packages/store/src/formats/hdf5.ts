/** HDF5 files: every dataset of every group that can be reached from the root. Layout: HDF5 File Format 3.0. */
import { assertRoom, checkedTable } from "./checked-table.ts";
import { isDataset, readDataset } from "./hdf5-dataset.ts";
import { readLinks } from "./hdf5-group.ts";
import { readHeader } from "./hdf5-header.ts";
import { Hdf5Reader } from "./hdf5-reader.ts";
import { type ByteSource, type Format, NAME_LENGTH_MAX, type TensorSpan, type TensorTable } from "./table.ts";

const SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);
/** The superblock is at 0, 512, 1024 and so on, doubling. */
const START_MIN = 512;
const START_MAX = 32 * 1024;
/** Of all datasets together, with the names of their groups. */
const NAMES_LENGTH_MAX = 64 * 1024 * 1024;

export const hdf5: Format = {
  name: "HDF5",
  matches: (head) => startIn(head) !== undefined,
  parse: (source) => parseHdf5(source),
};

function startIn(head: Uint8Array): number | undefined {
  for (let start = 0; start <= START_MAX; start = Math.max(START_MIN, start * 2)) {
    if (SIGNATURE.equals(head.subarray(start, start + SIGNATURE.length))) return start;
  }
  return undefined;
}

/**
 * The names of groups and dataset are joined by slashes. What has several names has the first; soft links, links to
 * other files and names of more than NAME_LENGTH_MAX characters are left out. The risk is unknown: Keras keeps
 * code in attributes, which are not read. Throws FILE_MALFORMED.
 */
export function parseHdf5(source: ByteSource): TensorTable {
  const reader = new Hdf5Reader(source);
  const tensors: TensorSpan[] = [];
  const scattered: Pick<TensorSpan, "name" | "dtype" | "shape">[] = [];
  let namesLength = 0;
  const todo = [{ name: "", offset: readSuperblock(reader) }];
  for (;;) {
    const next = todo.pop();
    if (next === undefined) break;
    const { name, offset } = next;
    if (name.length > NAME_LENGTH_MAX || !reader.isNew(offset)) continue;
    const messages = readHeader(reader, offset);
    if (isDataset(messages)) {
      const placed = readDataset(reader, name, messages);
      assertRoom(reader.format, tensors.length + scattered.length + placed.tensors.length);
      for (const span of placed.tensors) tensors.push(span);
      scattered.push(...placed.scattered);
      namesLength += name.length * (placed.tensors.length + 1);
      if (namesLength > NAMES_LENGTH_MAX) reader.fail(`names of more than ${NAMES_LENGTH_MAX} characters`);
      continue;
    }
    for (const link of readLinks(reader, messages).reverse())
      todo.push({ name: name === "" ? link.name : `${name}/${link.name}`, offset: link.offset });
  }
  return { ...checkedTable(reader.format, { tensors, scattered }, source.sizeBytes), risk: "unknown" };
}

/** Place of the root group's header. */
function readSuperblock(reader: Hdf5Reader): number {
  const head = reader.bytes(Math.min(START_MAX + SIGNATURE.length, reader.sizeBytes)).slice();
  const start = startIn(head) ?? reader.fail("no signature");
  reader.seek(start + SIGNATURE.length);
  const version = reader.u8();
  if (version > 3) reader.fail(`version ${version} of the superblock`);
  if (version < 2) reader.skip(4);
  reader.setWidths(reader.u8(), reader.u8());
  if (version < 2) {
    reader.skip(version === 0 ? 1 + 4 + 4 : 1 + 4 + 4 + 4);
    const base = reader.uint(reader.addressBytes);
    reader.skip(3 * reader.addressBytes + reader.addressBytes);
    reader.startOffset = base;
    const root = reader.place("the root group");
    return root;
  }
  reader.skip(1);
  const base = reader.uint(reader.addressBytes);
  reader.skip(2 * reader.addressBytes);
  reader.startOffset = base;
  return reader.place("the root group");
}
