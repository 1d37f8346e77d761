import fc from "fast-check";
import { expect, test } from "vitest";
import { BoundedReader, decodeUtf8, quoted } from "./bounded-reader.ts";
import { assertRoom, checkedTable, elementCount, TableRoom } from "./checked-table.ts";
import { PARSE_BYTES_MAX, TENSORS_MAX } from "./table.ts";
import { MemorySource } from "./testing/memory-source.ts";

const FILE = Buffer.from(Array.from({ length: 50_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
const malformed = (message: string | RegExp) =>
  expect.objectContaining({ code: "FILE_MALFORMED", message: expect.stringMatching(message) });

test("numbers are little endian, wherever the window ends", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("u8", "u16", "u32", "u64"), { maxLength: 3000 }), (kinds) => {
      const reader = new BoundedReader(new MemorySource(FILE), "test");
      for (const kind of kinds) {
        const at = reader.offset;
        if (kind === "u8") expect(reader.u8()).toBe(FILE[at]);
        else if (kind === "u16") expect(reader.u16()).toBe(FILE.readUInt16LE(at));
        else if (kind === "u32") expect(reader.u32()).toBe(FILE.readUInt32LE(at));
        else expect(reader.u64()).toBe(FILE.readBigUInt64LE(at));
      }
    }),
    { numRuns: 30 },
  );
});

test("jumps lead to the same bytes as a walk, and read little", () => {
  const source = new MemorySource(FILE);
  const reader = new BoundedReader(source, "test");
  for (const offset of [40_000, 0, 39_999, 49_999, 4096, 4095]) {
    reader.seek(offset);
    expect(reader.peek()).toBe(FILE[offset]);
    expect(reader.bytes(1)).toEqual(new Uint8Array(FILE.subarray(offset, offset + 1)));
  }
  expect(source.readBytes).toBeLessThan(6 * 4096);
  reader.seek(FILE.length);
  expect(reader.peek()).toBe(-1);
  expect(() => reader.u8()).toThrow(malformed("it ends at 50000"));
  expect(() => reader.seek(FILE.length + 1)).toThrow(malformed("outside of the file"));
  expect(() => reader.skip(-FILE.length - 1)).toThrow(malformed("outside of the file"));
});

test("counts are compared with what is left before anybody believes them", () => {
  const bytes = Buffer.alloc(40);
  const count = (value: bigint, each: number): number => {
    bytes.writeBigUInt64LE(value);
    return new BoundedReader(new MemorySource(bytes), "test").count("n", each);
  };
  expect(count(32n, 1)).toBe(32);
  expect(count(4n, 8)).toBe(4);
  expect(() => count(33n, 1)).toThrow(malformed("not valid test: n 33 cannot fit in 32 bytes"));
  expect(() => count(5n, 8)).toThrow(malformed("n 5 cannot fit"));
  expect(() => count(2n ** 64n - 1n, 1)).toThrow(malformed("n 18446744073709551615 cannot fit"));
  bytes.writeBigUInt64LE(2n ** 53n);
  expect(() => new BoundedReader(new MemorySource(bytes), "test").safeU64("x", "a")).toThrow(
    malformed("x of 'a' is 9007199254740992"),
  );
});

test("no more than PARSE_BYTES_MAX is read", () => {
  const source = new MemorySource(new Uint8Array(0), 2 * PARSE_BYTES_MAX);
  const reader = new BoundedReader(source, "test");
  expect(() => {
    for (;;) reader.bytes(1024 * 1024);
  }).toThrow(malformed(`more than ${PARSE_BYTES_MAX} bytes`));
  expect(source.readBytes).toBeLessThanOrEqual(PARSE_BYTES_MAX);
  expect(() => reader.bytes(5 * 1024 * 1024)).toThrow(malformed("in one piece"));
});

test("a file that shrank while it was read is said to", () => {
  const source = { sizeBytes: 100, read: () => new Uint8Array(10) };
  expect(() => new BoundedReader(source, "test").bytes(11)).toThrow(malformed("while it was read"));
});

test("text is UTF-8 and names are shown, never obeyed", () => {
  expect(decodeUtf8(Buffer.from("schön"))).toBe("schön");
  expect(decodeUtf8(Buffer.from([0xc3]))).toBeUndefined();
  expect(() => new BoundedReader(new MemorySource(Buffer.from([0xff])), "test").text(1, "name")).toThrow(
    malformed("name is not UTF-8"),
  );
  expect(quoted("a\u001b[2J")).toBe(String.raw`'a\x1b[2J'`);
});

test("elementCount() knows no product that a number cannot hold", () => {
  expect(elementCount([])).toBe(1);
  expect(elementCount([3, 0, 5])).toBe(0);
  for (const shape of [[2 ** 32, 2 ** 32], [-1], [1.5], [Number.NaN], Array.from({ length: 65 }, () => 1)])
    expect(elementCount(shape)).toBeUndefined();
});

test("checkedTable() sorts, and refuses overlaps and what lies outside", () => {
  const span = (name: string, offset: number, length: number) => ({
    name,
    dtype: "u8" as const,
    shape: [length],
    offset,
    length,
  });
  const table = checkedTable("test", { tensors: [span("b", 4, 4), span("e", 4, 0), span("a", 0, 4)] }, 8);
  expect(table.tensors.map(({ name }) => name)).toEqual(["a", "e", "b"]);
  for (const bad of [span("a", 4, 5), span("a", -1, 1), span("a", 0, -1), span("a", 2 ** 53, 1)])
    expect(() => checkedTable("test", { tensors: [bad] }, 8)).toThrow(malformed("'a' at .* lies outside"));
  expect(() => checkedTable("test", { tensors: [span("a", 0, 5), span("b", 4, 1)] }, 8)).toThrow(
    malformed("tensors 'a' and 'b' overlap at 4"),
  );
});

test("a table has room for a million tensors", () => {
  assertRoom("test", TENSORS_MAX - 1);
  expect(() => assertRoom("test", TENSORS_MAX)).toThrow(malformed("more than 1000000 tensors"));
  const room = new TableRoom("test");
  for (let count = 0; count < TENSORS_MAX; count += 1) room.take(40, 4);
  expect(() => room.take(40, 4)).toThrow(malformed("more than 1000000 tensors"));
});

test("a table has room for shapes and names of a bounded size", () => {
  const fill = (nameLength: number, rank: number): number => {
    const room = new TableRoom("test");
    for (let count = 0; ; count += 1) {
      try {
        room.take(nameLength, rank);
      } catch (error) {
        expect(error).toEqual(malformed("names and shapes of its tensors take more than"));
        return count;
      }
    }
  };
  expect(fill(10, 64)).toBeLessThan(500_000);
  expect(fill(4096, 1)).toBeLessThan(100_000);
});
