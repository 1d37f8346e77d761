import { expect, test } from "vitest";
import { hdf5 } from "./hdf5.ts";
import {
  at,
  chunked,
  chunkNode,
  contiguous,
  F4,
  hdf5File,
  link,
  message,
  NOWHERE,
  object,
  space,
} from "./testing/hdf5-writer.ts";
import { assertSound, lines, MemorySource } from "./testing/memory-source.ts";
import { u16, u32, u64 } from "./testing/zip-writer.ts";
import type { TensorTable } from "./table.ts";

function parse(bytes: Buffer): TensorTable {
  const table = hdf5.parse(new MemorySource(bytes), "a.h5");
  assertSound(table, bytes.length);
  return table;
}
const malformed = (problem: string) =>
  expect.objectContaining({
    code: "FILE_MALFORMED",
    message: expect.stringMatching(`^not valid HDF5: .*${problem}`),
  });
const dataset = (...parts: Buffer[]): Buffer =>
  hdf5File(object(link("w", 1)), object(...parts), Buffer.alloc(4096));

test("the files that are written here are right before they are wrong", () => {
  expect(lines(parse(dataset(space(2, 3), F4, contiguous(at(2), 24))))).toEqual([`w f32 [2,3] ${at(2)}+24`]);
  const leaf = chunkNode(
    0,
    { length: 8, corner: [0], child: at(3) },
    { length: 8, corner: [2], child: at(3) + 8 },
  );
  const chunks = hdf5File(
    object(link("w", 1)),
    object(space(3), F4, chunked(at(2), 2, 4)),
    leaf,
    Buffer.alloc(16),
  );
  expect(lines(parse(chunks))).toEqual([`w#0 f32 [2] ${at(3)}+8`, `w#1 f32 [2] ${at(3) + 8}+8`]);
  expect(parse(dataset(space(2), F4, contiguous(NOWHERE, 8))).scattered).toHaveLength(1);
  expect(parse(dataset(space(2), F4, contiguous(at(2), 8), message(7, Buffer.alloc(8)))).tensors).toEqual([]);
});

test("groups that hold themselves, each other, or the same many times are met once", () => {
  expect(parse(hdf5File(object(link("self", 0)))).tensors).toEqual([]);
  expect(parse(hdf5File(object(link("a", 1)), object(link("b", 2)), object(link("c", 0)))).tensors).toEqual(
    [],
  );
  const levels = Array.from({ length: 60 }, (_, level) => object(link("x", level + 1), link("y", level + 1)));
  const last = object(space(1), F4, contiguous(at(61), 4));
  const bytes = hdf5File(...levels, last, Buffer.alloc(4));
  const source = new MemorySource(bytes);
  expect(hdf5.parse(source, "a").tensors.map(({ name }) => name)).toEqual(
    ["x/".repeat(60) + "x".slice(1)].map((name) => name.slice(0, -1)),
  );
  expect(source.readBytes).toBeLessThan(1_000_000);
});

test("names that become too long are left out", () => {
  const levels = Array.from({ length: 100 }, (_, level) => object(link("n".repeat(100), level + 1)));
  expect(parse(hdf5File(...levels, object(space(0), F4, contiguous(0, 0)))).tensors).toEqual([]);
});

const self = (type: number, ...parts: Buffer[]): Buffer => object(message(type, Buffer.concat(parts)));
const tree = (node: Buffer): Buffer =>
  hdf5File(object(link("w", 1)), object(space(4), F4, chunked(at(2), 2, 4)), node);
const fixedArray = (...header: Buffer[]): Buffer =>
  hdf5File(
    object(link("w", 1)),
    object(space(4), F4, message(8, Buffer.concat([Buffer.from([4, 2, 0, 2, 1, 2, 4, 3, 10]), u64(at(2))]))),
    Buffer.concat([Buffer.from("FAHD\0\0", "latin1"), ...header]),
  );
const dense = (heap: Buffer, names: Buffer): Buffer =>
  hdf5File(object(message(2, Buffer.concat([Buffer.from([0, 0]), u64(at(1), at(2))]))), heap, names);
const heap = (width: number, start: number | bigint, direct: number | bigint, rows: number): Buffer =>
  Buffer.concat([
    Buffer.from("FRHP\0\u0007\0\0\0\0", "latin1"),
    Buffer.alloc(4 + 12 * 8),
    u16(width),
    u64(start, direct),
    u16(32, 0),
    u64(at(3)),
    u16(rows),
  ]);
const names = (node: number, record: number, depth: number, count = 1): Buffer =>
  Buffer.concat([
    Buffer.from("BTHD\0\u0005", "latin1"),
    u32(node),
    u16(record, depth, 0),
    u64(at(2)),
    u16(count),
  ]);

test.for<[string, Buffer, string]>([
  [
    "a product that overflows",
    dataset(space(2 ** 32, 2 ** 32), F4, contiguous(at(2), 8)),
    "dataset 'w' has a shape that cannot be",
  ],
  ["a dimension of 2^63", dataset(space(2n ** 63n), F4, contiguous(at(2), 8)), "a number above 2"],
  [
    "100 dimensions",
    dataset(space(...Array.from({ length: 100 }, () => 1)), F4, contiguous(at(2), 8)),
    "a rank of 100",
  ],
  [
    "fewer bytes than elements",
    dataset(space(3), F4, contiguous(at(2), 8)),
    "dataset 'w' needs 12 bytes and has 8",
  ],
  [
    "elements beyond the end",
    dataset(space(3), F4, contiguous(at(3) - 8, 12)),
    "tensor 'w' at .* lies outside",
  ],
  ["an offset of 2^63", dataset(space(3), F4, contiguous(2n ** 63n, 12)), "a number above 2"],
  [
    "a compact dataset that leaves its header",
    dataset(space(3), F4, message(8, Buffer.concat([Buffer.from([3, 0]), u16(500)]))),
    "a compact dataset leaves its header",
  ],
  ["no type", dataset(space(3), contiguous(at(2), 12)), "dataset 'w' has no shape, type or layout"],
  [
    "a type that is kept nowhere",
    dataset(space(3), message(3, Buffer.concat([Buffer.from([3, 2]), u64(at(2))]), 2), contiguous(at(2), 12)),
    "no OHDR",
  ],
  [
    "a type that is kept in itself",
    dataset(space(3), message(3, Buffer.concat([Buffer.from([3, 2]), u64(at(1))]), 2), contiguous(at(2), 12)),
    "no type at",
  ],
  [
    "a dataspace of version 9",
    dataset(message(1, Buffer.from([9, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1])), F4, contiguous(at(2), 4)),
    "version 9 of a dataspace",
  ],
  [
    "two datasets on the same bytes",
    hdf5File(
      object(link("a", 1), link("b", 2)),
      object(space(3), F4, contiguous(at(3), 12)),
      object(space(3), F4, contiguous(at(3) + 4, 12)),
      Buffer.alloc(16),
    ),
    "tensors 'a' and 'b' overlap",
  ],
  [
    "a message that leaves its block",
    hdf5File(
      Buffer.concat([
        Buffer.from("OHDR\u0002\u0002", "latin1"),
        u32(8),
        Buffer.from([6]),
        u16(200),
        Buffer.alloc(5),
      ]),
    ),
    "a message of 200 bytes at .* leaves its block",
  ],
  [
    "a header of 4 GiB",
    hdf5File(Buffer.concat([Buffer.from("OHDR\u0002\u0002", "latin1"), u32(0xffffffff)])),
    "an object header of 4294967295 bytes",
  ],
  ["a header that continues in itself", hdf5File(self(16, u64(at(0), 50))), "no OCHK"],
  [
    "a block that continues in itself",
    hdf5File(
      self(16, u64(at(1), 40)),
      Buffer.concat([Buffer.from("OCHK"), message(16, u64(at(1), 40)), Buffer.alloc(40)]),
    ),
    "more than 1000 blocks of one object",
  ],
  [
    "a name of 64 KiB",
    hdf5File(self(6, Buffer.from([1, 1]), u16(0xffff), Buffer.alloc(50))),
    "a name of 65535 bytes",
  ],
  ["a link of version 2", hdf5File(self(6, Buffer.from([2, 0, 1, 65]), u64(0))), "version 2 of a link"],
  ["a symbol table nowhere", hdf5File(self(17, u64(NOWHERE, NOWHERE))), "the tree of a group is nowhere"],
  [
    "a chunk tree that holds itself",
    tree(chunkNode(1, { length: 8, corner: [0], child: at(2) })),
    "the tree node at .* is there twice",
  ],
  [
    "a chunk tree without leaves",
    tree(chunkNode(2, { length: 8, corner: [0], child: at(1) + 4 })),
    "no TREE at",
  ],
  [
    "a tree of groups in place of chunks",
    tree(Buffer.from("TREE\0\0\u0001\0", "latin1")),
    "has type 0 and level 0",
  ],
  [
    "a chunk outside of the dataset",
    tree(chunkNode(0, { length: 8, corner: [4], child: at(1) })),
    "a chunk at 4,0 of the dataset",
  ],
  [
    "a chunk off the grid",
    tree(chunkNode(0, { length: 8, corner: [1], child: at(1) })),
    "a chunk at 1,0 of the dataset",
  ],
  [
    "a chunk of another size",
    tree(chunkNode(0, { length: 9, corner: [0], child: at(1) })),
    "a chunk of 9 bytes",
  ],
  [
    "one chunk twice",
    tree(chunkNode(0, { length: 8, corner: [0], child: at(1) }, { length: 8, corner: [2], child: at(1) })),
    "overlap at",
  ],
  ["chunks of no elements", dataset(space(4), F4, chunked(at(2), 0, 4)), "chunks of 0 elements of 4 bytes"],
  [
    "chunks of another element",
    dataset(space(4), F4, chunked(at(2), 2, 8)),
    "chunks of 2 elements of 8 bytes",
  ],
  [
    "chunks of another rank",
    dataset(space(4), F4, chunked(at(2), 2, 2, 4)),
    "chunks of rank 2 of a dataset of rank 1",
  ],
  ["2^40 chunks", dataset(space(2 ** 40), F4, chunked(at(2), 1, 4)), "more than 1000000 chunks"],
  [
    "an array with more entries than chunks",
    fixedArray(Buffer.from([8, 10]), u64(3, at(1))),
    "an array of 3 entries of 8 bytes",
  ],
  ["an array of bytes", fixedArray(Buffer.from([1, 10]), u64(2, at(1))), "an array of 2 entries of 1 bytes"],
  ["an array that is elsewhere", fixedArray(Buffer.from([8, 10]), u64(2, at(1))), "no FADB at"],
  [
    "a heap of nothing",
    dense(heap(0, 0, 0, 0), names(512, 11, 0)),
    "a fractal heap of 0 blocks of 0 to 0 bytes",
  ],
  ["a heap of 3 columns", dense(heap(3, 512, 512, 0), names(512, 11, 0)), "a fractal heap of 3 blocks"],
  ["a heap of 65,535 rows", dense(heap(4, 512, 512, 65_535), names(512, 11, 0)), "a fractal heap of 32 bits"],
  [
    "records without an ID",
    dense(heap(4, 512, 512, 0), names(512, 4, 0)),
    "a tree of depth 0 with nodes of 512 bytes",
  ],
  ["a tree of depth 65,535", dense(heap(4, 512, 512, 0), names(512, 11, 65_535)), "a tree of depth 65535"],
  [
    "nodes of 4 bytes",
    dense(heap(4, 512, 512, 0), names(4, 11, 0)),
    "a tree of depth 0 with nodes of 4 bytes",
  ],
  [
    "deep nodes with room for nothing",
    dense(heap(4, 512, 512, 0), names(25, 11, 5)),
    "a tree with nodes of 25 bytes",
  ],
  ["a tree that is its own root", dense(heap(4, 512, 512, 0), names(512, 11, 1)), "no BTIN at"],
])("a file with %s is refused", ([, bytes, problem]) => {
  expect(() => parse(bytes)).toThrow(malformed(problem));
});

test("a group whose names share their bytes costs no more than a limit", { timeout: 20_000 }, () => {
  // One node of 65,535 links, all with the same name of 4,000 bytes.
  const links = 65_535;
  const node = Buffer.concat([
    Buffer.from("SNOD\u0001\0", "latin1"),
    u16(links),
    ...Array.from({ length: links }, () => Buffer.concat([u64(0, at(0)), Buffer.alloc(24)])),
  ]);
  const bytes = Buffer.concat([
    hdf5File(
      self(17, u64(at(1), at(2))),
      Buffer.concat([Buffer.from("TREE\0\0", "latin1"), u16(1), u64(NOWHERE, NOWHERE, 0, at(4))]),
      Buffer.concat([Buffer.from("HEAP\0\0\0\0", "latin1"), u64(4090, 0, at(3))]),
      Buffer.from("n".repeat(4000)),
    ),
    node,
  ]);
  expect(() => parse(bytes)).toThrow(
    malformed("names of more than 67108864 bytes|more than 134217728 bytes"),
  );
});

test("user blocks move everything, and only to where a superblock may be", () => {
  const plain = dataset(space(2, 3), F4, contiguous(at(2), 24));
  const moved = Buffer.concat([Buffer.alloc(512), plain]);
  moved.writeBigUInt64LE(512n, 512 + 12);
  expect(lines(parse(moved))).toEqual([`w f32 [2,3] ${at(2) + 512}+24`]);
  moved.writeBigUInt64LE(2n ** 52n, 512 + 12);
  expect(() => parse(moved)).toThrow(malformed("lies outside of the file"));
  expect(hdf5.matches(Buffer.concat([Buffer.alloc(500), plain]), "a.h5")).toBe(false);
  for (const [position, value, problem] of [
    [8, 4, "version 4 of the superblock"],
    [9, 3, "addresses of 3"],
    [10, 16, "lengths of 16"],
  ] as const) {
    const bad = Buffer.from(plain);
    bad[position] = value;
    expect(() => parse(bad)).toThrow(malformed(problem));
  }
});
