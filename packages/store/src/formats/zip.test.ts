import { expect, test } from "vitest";
import { MemorySource } from "./testing/memory-source.ts";
import { NPZ, TORCH } from "./testing/real-files.ts";
import { type Entry, u16, u32, u64, zip } from "./testing/zip-writer.ts";
import { readMember, readZip } from "./zip.ts";
import { crc32 } from "node:zlib";

const A = Buffer.from("first member, ".repeat(20));
const B = Buffer.from("second");
const malformed = (problem: string | RegExp) =>
  expect.objectContaining({ code: "FILE_MALFORMED", message: expect.stringMatching(problem) });
const read = (bytes: Buffer) => readZip(new MemorySource(bytes));
const descriptor = (wide: boolean, signed: boolean): Buffer =>
  Buffer.concat([
    signed ? u32(0x08074b50) : Buffer.alloc(0),
    u32(crc32(A)),
    wide ? u64(A.length, A.length) : u32(A.length, A.length),
  ]);
const zip64Extra = (...values: number[]): Buffer =>
  Buffer.concat([u16(1, values.length * 8), u64(...values)]);
const U32_ALL = 0xffffffff;

test.for<[string, Buffer]>([
  [
    "stored and deflated members",
    zip([
      { name: "a", bytes: A, deflate: true },
      { name: "b", bytes: B },
    ]),
  ],
  [
    "a comment",
    zip(
      [
        { name: "a", bytes: A },
        { name: "b", bytes: B },
      ],
      { comment: Buffer.from("PK said") },
    ),
  ],
  [
    "ZIP64 records",
    zip(
      [
        { name: "a", bytes: A },
        { name: "b", bytes: B },
      ],
      { zip64: {} },
    ),
  ],
  [
    "numbers that only ZIP64 holds",
    zip(
      [
        { name: "a", bytes: A },
        { name: "b", bytes: B },
      ],
      {
        zip64: {},
        count: 0xffff,
        sizeBytes: U32_ALL,
        offset: U32_ALL,
      },
    ),
  ],
  [
    "sizes in ZIP64 fields",
    zip([
      {
        name: "a",
        bytes: A,
        stored: U32_ALL,
        size: U32_ALL,
        offset: U32_ALL,
        local: { extra: zip64Extra(A.length, A.length) },
        central: { extra: Buffer.concat([u16(7, 2, 9), zip64Extra(A.length, A.length, 0)]) },
      },
      { name: "b", bytes: B },
    ]),
  ],
  ...[true, false].flatMap((wide): [string, Buffer][] =>
    [true, false].map((signed): [string, Buffer] => [
      `a data descriptor of ${wide ? 64 : 32} bits ${signed ? "with" : "without"} signature`,
      zip([
        {
          name: "a",
          bytes: A,
          flags: 8,
          local: { crc: 0, stored: 0, size: 0 },
          descriptor: descriptor(wide, signed),
        },
        { name: "b", bytes: B },
      ]),
    ]),
  ),
])("readZip() finds members in an archive with %s", ([, bytes]) => {
  const members = read(bytes);
  expect(members.map(({ name, sizeBytes }) => [name, sizeBytes])).toEqual([
    ["a", A.length],
    ["b", B.length],
  ]);
  expect(members.map((member) => Buffer.from(readMember(new MemorySource(bytes), member, 1000)))).toEqual([
    A,
    B,
  ]);
});

test("readZip() reads what torch and numpy wrote", () => {
  const torch = read(TORCH).map(({ name }) => name);
  expect(torch.slice(0, 2)).toEqual(["torch/data.pkl", "torch/.format_version"]);
  expect(read(NPZ).map(({ name }) => name)).toEqual(["w.npy", "block.0/k.npy", "f.npy"]);
  expect(read(zip([]))).toEqual([]);
});

const two = (first: Partial<Entry>, second: Partial<Entry> = {}): Buffer =>
  zip([
    { name: "a", bytes: A, ...first },
    { name: "b", bytes: B, ...second },
  ]);
const ends = (end: Parameters<typeof zip>[1]): Buffer => zip([{ name: "a", bytes: A }], end);
const EMPTY_ZIP = zip([]);

test.for<[string, Buffer, string]>([
  ["nothing", Buffer.alloc(0), "0 bytes are too few"],
  ["no end record", Buffer.alloc(100), "no end record"],
  ["bytes before it", ends({ prefix: Buffer.from("#!/bin/sh\n") }), "10 bytes before the first member"],
  ["bytes after it", ends({ suffix: Buffer.from("x") }), "bytes after its end, or cut short"],
  ["a second archive in its comment", ends({ comment: EMPTY_ZIP }), "two end records|does not end where"],
  ["an end record in its comment", ends({ comment: Buffer.concat([EMPTY_ZIP, B]) }), "bytes after its end"],
  ["a number of another disk", ends({ disk: 1 }), "split archive"],
  ["a count that is too small", ends({ count: 0 }), "directory is shorter"],
  ["a count that is too large", ends({ count: 2 }), "2 members cannot fit in 47 bytes"],
  ["65535 members that are not there", ends({ count: 0xffff }), "65535 members cannot fit"],
  ["a directory elsewhere", ends({ offset: 5 }), "directory at 5 does not end where the end record begins"],
  ["a directory beyond the end", ends({ offset: U32_ALL }), "directory at 4294967295 does not end"],
  ["a directory of another size", ends({ sizeBytes: 40 }), "does not end where"],
  ["another ZIP64 count", ends({ zip64: { count: 2n } }), "end record and its ZIP64 end record differ"],
  ["another ZIP64 offset", ends({ zip64: { offset: 0n } }), "end record and its ZIP64 end record differ"],
  [
    "a ZIP64 offset of 2^63",
    ends({ zip64: { offset: 2n ** 63n } }),
    "offset of the directory is 9223372036854775808",
  ],
  [
    "2^64 - 1 members",
    ends({ zip64: { count: 2n ** 64n - 1n } }),
    "number of members is 18446744073709551615",
  ],
  ["a ZIP64 record nowhere", ends({ zip64: { at: 2n ** 63n } }), "offset of the ZIP64 end record is 922"],
  ["a ZIP64 record elsewhere", ends({ zip64: { at: 0n } }), "no ZIP64 end record at 0"],
  ["another local name", two({ local: { name: "c" } }), "headers? of member 'a' differ in name"],
  ["another local size", two({ local: { size: 7 } }), "header of member 'a' differ in size"],
  ["another local stored size", two({ local: { stored: 7 } }), "header of member 'a' differ in size"],
  ["another local CRC", two({ local: { crc: 7 } }), "header of member 'a' differ in CRC"],
  ["another local method", two({ local: { method: 8 } }), "header of member 'a' differ in method"],
  ["another local flag", two({ local: { flags: 0x800 } }), "header of member 'a' differ in flags"],
  ["no local header", two({ central: { offset: 1 } }), "1 bytes before the first member"],
  [
    "a member inside of another",
    two({}, { central: { offset: 40 } }),
    "local and central header of member 'b'|overlaps",
  ],
  ["a member twice", two({}, { central: { offset: 0 } }), "differ in name|overlaps"],
  ["an encrypted member", two({ flags: 0x1 }), "member 'a' is encrypted or patched"],
  ["patch data", two({ flags: 0x20 }), "member 'a' is encrypted or patched"],
  ["strong encryption", two({ flags: 0x40 }), "member 'a' is encrypted or patched"],
  ["masked headers", two({ flags: 0x2000 }), "member 'a' is encrypted or patched"],
  ["method 99", two({ method: 99 }), "compressed by method 99"],
  ["a stored member with two sizes", two({ size: 5 }), "is stored, but has two sizes"],
  ["a size beyond the file", two({ stored: 5000, size: 5000 }), "runs into the directory"],
  [
    "a descriptor that lies",
    two({ flags: 8, descriptor: Buffer.alloc(16) }),
    "data descriptor of member 'a' differs",
  ],
  ["no descriptor", two({ flags: 8 }), "data descriptor of member 'a' differs"],
  ["two equal names", two({}, { name: "a" }), "two members are named 'a'"],
  [
    "a ZIP64 field that is too short",
    two({ size: U32_ALL, central: { extra: u16(1, 0) } }),
    "ZIP64 field of member 'a' is too short",
  ],
  [
    "a ZIP64 size of 2^63",
    two({ stored: U32_ALL, size: U32_ALL, extra: Buffer.concat([u16(1, 16), u64(2n ** 63n, 2n ** 63n)]) }),
    "has storedBytes 9223372036854775808",
  ],
  ...["", "../x", "a/../../x", "/x", "./x", "a/.", "C:x", "..\\x", "a\0b", "a\u001b/.."].map(
    (name): [string, Buffer, string] => [
      `the name ${JSON.stringify(name)}`,
      two({ name }),
      "member 0 is named",
    ],
  ),
  ["a name that is no text", two({ name: Buffer.from([0xff, 0xfe]) }), "name of member 0 is not UTF-8"],
])("readZip() refuses an archive with %s", ([, bytes, problem]) => {
  expect(() => read(bytes)).toThrow(malformed(`not valid ZIP: .*(?:${problem})`));
});

test("readZip() refuses an archive that is cut short, wherever", () => {
  const bytes = zip(
    [
      { name: "a", bytes: A, deflate: true },
      { name: "b", bytes: B },
    ],
    { zip64: {} },
  );
  for (let length = 0; length < bytes.length; length++)
    expect(() => read(bytes.subarray(0, length)), `${length} bytes`).toThrow(malformed("not valid ZIP"));
});

test("readZip() refuses more members than a list can hold, before it makes the list", () => {
  const entry = zip([{ name: "a", bytes: Buffer.alloc(0) }]).subarray(31, 31 + 47);
  const list = Buffer.concat(Array.from({ length: 250_001 }, () => entry));
  const bytes = Buffer.concat([list, u32(0x06064b50), u64(44), u16(45, 45), u32(0, 0)]);
  const tail = [u64(250_001, 250_001, list.length, 0), u32(0x07064b50, 0), u64(list.length), u32(1)];
  const end = [u32(0x06054b50), u16(0, 0, 0xffff, 0xffff), u32(U32_ALL, U32_ALL), u16(0)];
  const source = new MemorySource(Buffer.concat([bytes, ...tail, ...end]));
  expect(() => readZip(source)).toThrow(malformed("250001 members cannot fit"));
  expect(source.readBytes).toBeLessThan(100_000);
});

test("readMember() holds a member to its sizes and its CRC", () => {
  const member = (bytes: Buffer, sizeBytesMax = 1000): Uint8Array => {
    const [first] = read(bytes);
    if (first === undefined) throw new Error("no member");
    return readMember(new MemorySource(bytes), first, sizeBytesMax);
  };
  const bomb = Buffer.alloc(50_000_000);
  const crc = (bytes: Buffer): number => crc32(bytes);
  expect(() => member(zip([{ name: "a", bytes: A, crc: 7 }]))).toThrow(malformed("not what its CRC says"));
  expect(() => member(zip([{ name: "a", bytes: bomb, deflate: true }]))).toThrow(
    malformed("member 'a' of 50000000 bytes is larger than 1000"),
  );
  const liar = zip([{ name: "a", bytes: bomb, deflate: true, size: 900, crc: crc(bomb.subarray(0, 900)) }]);
  expect(() => member(liar, 100_000)).toThrow(malformed("does not inflate to 900 bytes"));
  expect(() => member(zip([{ name: "a", bytes: B, method: 8, size: 6 }]))).toThrow(
    malformed("does not inflate to 6 bytes"),
  );
  expect(member(zip([{ name: "a", bytes: Buffer.alloc(0), deflate: true }]))).toHaveLength(0);
});
