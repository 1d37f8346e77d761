import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { MemorySource } from "../formats/testing/memory-source.ts";
import { u32, zip } from "../formats/testing/zip-writer.ts";
import { readMember, readZip } from "../formats/zip.ts";
import { checksumPatches } from "./zip-checksums.ts";

const A = Buffer.from("weights ".repeat(100));
const B = Buffer.from("other weights");

/** The archive with bytes of a member changed, and its checksums made right. */
function change(archive: Buffer, name: string, touched = [name]): { file: Buffer; readBytes: number } {
  const file = Buffer.from(archive);
  const members = readZip(new MemorySource(file));
  const place = (wanted: string) => {
    const member = members.find((one) => one.name === wanted);
    if (member === undefined) throw new Error(`no ${wanted}`);
    return member;
  };
  file[place(name).offset + 3] = 0x21;
  const ranges = touched.map((one) => ({ offset: place(one).offset + 3, length: 1 }));
  let readBytes = 0;
  const patches = checksumPatches(new MemorySource(file), ranges, (bytes) => {
    readBytes += bytes;
  });
  for (const { offset, bytes } of patches) file.set(bytes, offset);
  return { file, readBytes };
}

const descriptor = Buffer.concat([u32(0x08074b50), u32(crc32(A), A.length, A.length)]);

test.for([
  [
    "headers",
    zip([
      { name: "a", bytes: A },
      { name: "b", bytes: B },
    ]),
  ],
  [
    "a data descriptor",
    zip([
      { name: "a", bytes: A, flags: 8, local: { crc: 0, stored: 0, size: 0 }, descriptor },
      { name: "b", bytes: B },
    ]),
  ],
  [
    "a data descriptor without signature, and a header that knows",
    zip([
      { name: "a", bytes: A, flags: 8, descriptor: descriptor.subarray(4) },
      { name: "b", bytes: B },
    ]),
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
] as const)("checksumPatches() mends the checksum of a changed member in %s", ([, archive]) => {
  const { file, readBytes } = change(archive, "a");
  const [a, b] = readZip(new MemorySource(file));
  if (a === undefined || b === undefined) throw new Error("no members");
  expect(Buffer.from(readMember(new MemorySource(file), a, 10_000)).toString()).toBe(
    `wei!${A.toString().slice(4)}`,
  );
  expect(Buffer.from(readMember(new MemorySource(file), b, 10_000))).toEqual(B);
  expect(readBytes).toBe(A.length);
});

test("checksumPatches() reads no member that is as it was, and leaves deflated ones", () => {
  const archive = zip([
    { name: "a", bytes: A, deflate: true },
    { name: "b", bytes: B },
  ]);
  const { file, readBytes } = change(archive, "b");
  expect(readBytes).toBe(B.length);
  expect(readZip(new MemorySource(file)).map((member) => member.crc32)).toEqual([
    crc32(A),
    crc32(Buffer.from("oth!r weights")),
  ]);
  expect(change(archive, "b", ["a"]).readBytes).toBe(0);
});

test("checksumPatches() has nothing to do in a file that is no archive", () => {
  const source = new MemorySource(Buffer.from("no archive at all"));
  expect(checksumPatches(source, [{ offset: 0, length: 4 }], () => undefined)).toEqual([]);
  expect(checksumPatches(new MemorySource(Buffer.alloc(0)), [], () => undefined)).toEqual([]);
});
