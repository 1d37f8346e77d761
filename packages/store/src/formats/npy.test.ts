import { expect, test } from "vitest";
import { parseTensors } from "./formats.ts";
import { npy } from "./npy.ts";
import { assertSound, lines, MemorySource } from "./testing/memory-source.ts";
import { F4, npyFile } from "./testing/npy-writer.ts";
import { NPZ, NPZ_PACKED } from "./testing/real-files.ts";
import { zip } from "./testing/zip-writer.ts";
import type { TensorTable } from "./table.ts";

const parse = (bytes: Buffer, name = "folder/w.npy"): TensorTable => npy.parse(new MemorySource(bytes), name);
const parseZip = (bytes: Buffer): TensorTable => {
  const table = parseTensors(new MemorySource(bytes), "arrays");
  if (table === undefined) throw new Error("no format");
  assertSound(table, bytes.length);
  return table;
};
const malformed = (problem: string) =>
  expect.objectContaining({ code: "FILE_MALFORMED", message: expect.stringMatching(problem) });
const header = (descr: string, shape = "(2,)", order = "False"): string =>
  `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;
const dtype = (descr: string): string => {
  const [span] = parse(npyFile({ header: header(descr, "(1,)"), data: Buffer.alloc(64) })).tensors;
  return `${span?.dtype} ${span?.length}`;
};

test.for([1, 2, 3] as const)("an array of version %i lies behind its header", (version) => {
  const bytes = npyFile({ version });
  const table = parse(bytes);
  expect(lines(table)).toEqual([`w f32 [2,3] ${bytes.length - 24}+24`]);
  expect(table.risk).toBe("data-only");
  expect(npy.matches(bytes, "anything")).toBe(true);
  expect(npy.matches(Buffer.from("NUMPY"), "w.npy")).toBe(false);
});

test("types keep their names when the machine is little endian and they have one", () => {
  const known = [
    "'<f2'",
    "'<f4'",
    "'<f8'",
    "'|i1'",
    "'<i2'",
    "'<i4'",
    "'<i8'",
    "'|u1'",
    "'<u2'",
    "'<u4'",
    "'<u8'",
  ];
  expect(known.map(dtype)).toEqual([
    "f16 2",
    "f32 4",
    "f64 8",
    "i8 1",
    "i16 2",
    "i32 4",
    "i64 8",
    "u8 1",
    "u16 2",
    "u32 4",
    "u64 8",
  ]);
  expect(["'|b1'", "'<c8'", "'<c16'", "('<f4', {'a': 1})"].map(dtype)).toEqual([
    "bool 1",
    "c64 8",
    "c128 16",
    "f32 4",
  ]);
  const opaque = ["'>f4'", "'<f16'", "'|V2'", "'|S5'", "'<U3'", "'<M8[ns]'", "'<m8'", "'=f4'"];
  expect(opaque.map(dtype)).toEqual([4, 16, 2, 5, 12, 8, 8, 4].map((bytes) => `opaque ${bytes}`));
  expect(
    dtype("[('a', '<f4'), ('b', '<i2', (3,)), ('', '|V2'), ('c', [('d', '|u1')]), (('t', 'e'), '<f8', 2)]"),
  ).toBe("opaque 29");
});

test("an array in column order is a span of bytes, unless the order says nothing", () => {
  const table = parse(npyFile({ header: F4.replace("False", "True") }));
  expect(table.tensors).toMatchObject([{ name: "w#storage", shape: [6], length: 24 }]);
  expect(table.scattered).toEqual([{ name: "w", dtype: "f32", shape: [2, 3] }]);
  const row = parse(npyFile({ header: header("'<f4'", "(1, 6, 1)", "True") }));
  expect(row.tensors).toMatchObject([{ name: "w", shape: [1, 6, 1] }]);
});

test("objects are a pickle: no span, and executable", () => {
  for (const descr of ["'|O'", "[('a', '<f4'), ('b', '|O')]", "[('a', [('b', '|O8')])]"]) {
    const table = parse(npyFile({ header: header(descr) }));
    expect(table).toMatchObject({
      tensors: [],
      risk: "executable",
      scattered: [{ name: "w", dtype: "opaque" }],
    });
  }
});

test("scalars, empty arrays and bytes behind the array are taken", () => {
  expect(parse(npyFile({ header: header("'<f8'", "()"), data: Buffer.alloc(8) })).tensors).toMatchObject([
    { shape: [], length: 8 },
  ]);
  expect(parse(npyFile({ header: header("'<f8'", "(0, 4)") })).tensors).toMatchObject([
    { shape: [0, 4], length: 0 },
  ]);
  expect(parse(npyFile({ header: header("'<i8'", "(3L,)") })).tensors).toMatchObject([
    { shape: [3], length: 24 },
  ]);
});

test.for<[string, Buffer, string]>([
  ["version 4", Buffer.from("\u0093NUMPY\u0004\0", "latin1"), "version 4.0"],
  ["version 1.1", Buffer.from("\u0093NUMPY\u0001\u0001", "latin1"), "version 1.1"],
  ["a header of 4 GiB", npyFile({ version: 2, length: 0xffffffff }), "a header of 4294967295 bytes"],
  ["a header longer than the file", npyFile({ length: 5000 }), "it ends at"],
  ["a call", npyFile({ header: header("__import__('os')") }), "no literal at 10"],
  ["a sum", npyFile({ header: header("'<f4'", "(1+1,)") }), "no comma at"],
  ["a name", npyFile({ header: header("None") }), "no literal at"],
  ["something behind the literal", npyFile({ header: `${F4}; import os` }), "something after the literal"],
  ["a literal that never ends", npyFile({ header: F4.slice(0, -1) }), "no literal at|no comma at|no key"],
  ["no dict", npyFile({ header: "(1, 2)" }), "its header has other fields"],
  ["a field twice", npyFile({ header: `${F4.slice(0, -1)}'shape': (1,)}` }), "a key that is there twice"],
  ["one more field", npyFile({ header: `${F4.slice(0, -1)}'more': 1}` }), "its header has other fields"],
  [
    "no shape",
    npyFile({ header: "{'descr': '<f4', 'fortran_order': False}" }),
    "its header has other fields",
  ],
  ["an order that is a number", npyFile({ header: F4.replace("False", "0") }), "its header has other fields"],
  ["a shape that is a number", npyFile({ header: header("'<f4'", "(3)") }), "its header has other fields"],
  ["a negative dimension", npyFile({ header: header("'<f4'", "(-1,)") }), "its shape cannot be"],
  ["a text as dimension", npyFile({ header: header("'<f4'", "('2',)") }), "its shape cannot be"],
  [
    "a dimension of 2^63",
    npyFile({ header: header("'<f4'", "(9223372036854775808,)") }),
    "its shape cannot be",
  ],
  [
    "a product that overflows",
    npyFile({ header: header("'<f4'", "(4294967296, 4294967296)") }),
    "its shape cannot be",
  ],
  ["100 dimensions", npyFile({ header: header("'<f4'", `(${"1,".repeat(100)})`) }), "its shape cannot be"],
  ["bytes that overflow", npyFile({ header: header("'<f8'", "(9007199254740991,)") }), "array 'w' needs"],
  [
    "an element that is missing",
    npyFile({ data: Buffer.alloc(23) }),
    "array 'w' needs 24 bytes where 23 are left",
  ],
  ["an unknown type", npyFile({ header: header("'<z4'") }), "type '<z4'"],
  ["a type that is a number", npyFile({ header: header("4") }), "its descr is no type"],
  ["a field that is no pair", npyFile({ header: header("['a']") }), "a field of its descr is no pair"],
  ["lists in lists in lists", npyFile({ header: header("[".repeat(5000)) }), "nested deeper than 32"],
  [
    "pairs in pairs",
    npyFile({ header: header(`${"[('a', ".repeat(17)}'<f4'${")]".repeat(17)}`) }),
    "nested deeper than",
  ],
])("an array with %s is refused", ([, bytes, problem]) => {
  expect(() => parse(bytes)).toThrow(malformed(`^not valid NPY: .*(?:${problem})`));
});

test("an array is refused wherever it is cut short", () => {
  const bytes = npyFile();
  for (let length = 6; length < bytes.length; length++)
    expect(() => parse(bytes.subarray(0, length)), `${length} bytes`).toThrow(malformed("not valid NPY"));
});

test("numpy's archives have spans when they are stored", () => {
  const table = parseZip(NPZ);
  expect(table).toMatchObject({ format: "NPZ", risk: "data-only" });
  expect(lines(table)).toEqual(["w f32 [2,3] 183+24", "block.0/k f16 [] 398+2", "f#storage f64 [6] 583+48"]);
  expect(table.scattered).toEqual([{ name: "f", dtype: "f64", shape: [2, 3] }]);
  expect([...new Float32Array(Uint8Array.from(NPZ.subarray(183, 207)).buffer)]).toEqual([0, 1, 2, 3, 4, 5]);
});

test("numpy's deflated archives have types and shapes only", () => {
  expect(parseZip(NPZ_PACKED)).toMatchObject({
    tensors: [],
    scattered: [
      { name: "w", dtype: "f32", shape: [100, 30] },
      { name: "o", dtype: "opaque", shape: [2] },
    ],
    risk: "executable",
  });
  const long = `{'descr': [${Array.from({ length: 900 }, (_, index) => `('f${Math.sin(index)}', '<f4'), `).join("")}], 'fortran_order': False, 'shape': (1,), }`;
  const packed = zip([
    { name: "r.npy", bytes: npyFile({ version: 2, header: long, data: Buffer.alloc(3600) }), deflate: true },
  ]);
  expect(parseZip(packed).scattered).toEqual([{ name: "r", dtype: "opaque", shape: [1] }]);
  expect(parseZip(zip([]))).toMatchObject({ format: "NPZ", tensors: [], scattered: [] });
});

test.for<[string, Buffer, string]>([
  [
    "an array larger than its member",
    zip([{ name: "w.npy", bytes: npyFile({ data: Buffer.alloc(23) }) }]),
    "array 'w' needs 24 bytes where 23 are left",
  ],
  [
    "a deflated array larger than its member",
    zip([{ name: "w.npy", bytes: npyFile({ data: Buffer.alloc(23) }), deflate: true }]),
    "array 'w' needs 24 bytes where 23 are left",
  ],
  ["a member without a header", zip([{ name: "w.npy", bytes: Buffer.from("x") }]), "it ends at 1"],
  [
    "a deflated member without a header",
    zip([{ name: "w.npy", bytes: Buffer.alloc(5000), deflate: true }]),
    "wrong magic",
  ],
  [
    "a member that does not inflate",
    zip([{ name: "w.npy", bytes: Buffer.alloc(50, 0xff), method: 8 }]),
    "it ends at 0",
  ],
])("an archive with %s is refused", ([, bytes, problem]) => {
  expect(() => parseZip(bytes)).toThrow(malformed(`^not valid NPZ: .*${problem}`));
});

test("an archive of bombs is read a little", () => {
  const bomb = npyFile({ header: header("'|u1'", "(200000000,)"), data: Buffer.alloc(20_000_000) });
  const packed = zip(
    Array.from({ length: 3 }, (_, index) => ({
      name: `${index}.npy`,
      bytes: bomb,
      deflate: true,
      size: 200_000_100,
    })),
  );
  const source = new MemorySource(packed);
  expect(parseTensors(source, "a.npz")?.scattered).toHaveLength(3);
  expect(source.readBytes).toBeLessThan(200_000);
});
