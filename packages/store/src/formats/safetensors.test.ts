import fc from "fast-check";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { parseTensors } from "./formats.ts";
import { safetensors, safetensorsIndex } from "./safetensors.ts";
import { TENSORS_MAX } from "./table.ts";
import { assertSound, lines, MemorySource } from "./testing/memory-source.ts";

/** A header (an object, or text as it is) and so many bytes of data. */
function file(header: object | string | Uint8Array, dataBytes = 0, headerBytes?: bigint): Buffer {
  const text =
    header instanceof Uint8Array
      ? header
      : Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerBytes ?? BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

const parse = (bytes: Uint8Array) => safetensors.parse(new MemorySource(bytes), "a.safetensors");
const tensor = (from: unknown, to: unknown, dtype = "U8", shape?: unknown) => ({
  dtype,
  shape: shape ?? [Number(to) - Number(from)],
  data_offsets: [from, to],
});
const malformed = (message: string) =>
  expect.objectContaining({ code: "FILE_MALFORMED", message: `not valid safetensors: ${message}` });

test("tensors are where the header says, in the order of their offsets", () => {
  const bytes = file(
    {
      __metadata__: { format: "pt" },
      "layer.1": tensor(24, 30, "BF16", [3]),
      "layer.0": tensor(0, 24, "F32", [2, 3]),
      empty: tensor(24, 24, "I64", [0, 7]),
      scalar: tensor(30, 31, "F8_E4M3", []),
    },
    31,
  );
  const start = bytes.length - 31;
  const table = parse(bytes);
  expect(lines(table)).toEqual([
    `layer.0 f32 [2,3] ${start}+24`,
    `empty i64 [0,7] ${start + 24}+0`,
    `layer.1 bf16 [3] ${start + 24}+6`,
    `scalar f8e4m3 [] ${start + 30}+1`,
  ]);
  expect(table).toMatchObject({ format: "safetensors", external: [], scattered: [] });
});

test("every dtype that safetensors writes has its size, and an unknown one is opaque", () => {
  const bits = new Map([
    ...["F64", "I64", "U64", "C64"].map((dtype) => [dtype, 64] as const),
    ...["F32", "I32", "U32"].map((dtype) => [dtype, 32] as const),
    ...["F16", "BF16", "I16", "U16"].map((dtype) => [dtype, 16] as const),
    ...["F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"].map((dtype) => [dtype, 8] as const),
    ...["F6_E2M3", "F6_E3M2"].map((dtype) => [dtype, 6] as const),
    ["F4", 4] as const,
  ]);
  for (const [dtype, width] of bits) {
    expect(parse(file({ a: tensor(0, width, dtype, [8]) }, width)).tensors[0]?.length, dtype).toBe(width);
    expect(() => parse(file({ a: tensor(0, width + 1, dtype, [8]) }, width + 1)), dtype).toThrow(
      malformed(`tensor 'a' of ${dtype} and shape [8] needs ${width} bytes and has ${width + 1}`),
    );
  }
  expect(lines(parse(file({ a: tensor(0, 3, "Q3", [8]) }, 3)))).toEqual([`a opaque [8] 61+3`]);
});

test("a header may be padded, escaped and in any order of keys", () => {
  const text = String.raw` {"a\u0301\ud83d\ude00\n":{"data_offsets":[0,2],"more":[{"x":[true,null,-1.5e3,"\""]}],"shape":[2],"dtype":"U8"}}   `;
  const bytes = file(text.trimStart(), 2);
  expect(parse(bytes).tensors[0]?.name).toBe("a\u0301\u{1f600}\n");
});

// Bad headers.
test.for<[string, Uint8Array, string]>([
  ["0 bytes", Buffer.alloc(0), "0 bytes are too few for a header"],
  ["7 bytes", Buffer.alloc(7), "7 bytes are too few for a header"],
  ["length 0", file("{}", 0, 0n), 'header length 0 is too short for "{}"'],
  ["length 1", file("{}", 0, 1n), 'header length 1 is too short for "{}"'],
  ["length 2^63", file("{}", 110, 2n ** 63n), "header length 9223372036854775808 exceeds file size 120"],
  ["length beyond the file", file("{}", 0, 3n), "header length 3 exceeds file size 10"],
  ["no object", file("[]"), 'the header does not begin with "{"'],
  ["zip", Buffer.from("PK\u0003\u0004 and so on"), "header length 7236828441365138256 exceeds file size 14"],
  ["not JSON", file("{nonsense}"), "expected a string in the JSON at 9"],
  ["cut JSON", file(`{"a":`), "the JSON ends in the middle"],
  ["junk after JSON", file("{} x"), "something follows the JSON at 11"],
  ["not UTF-8", file(Buffer.from([0x7b, 0x22, 0xff, 0x22])), "a string before 12 is not UTF-8"],
  [
    "a lone surrogate",
    file(String.raw`{"\ud800":1}`),
    "expected the other half of a surrogate pair in the JSON at 16",
  ],
  ["two of a name", file(`{"a":${JSON.stringify(tensor(0, 0))},"a":{}}`), "key 'a' stands twice"],
  ["two of a key", file(`{"a":{"dtype":"U8","dtype":"U8"}}`), "tensor 'a' has 'dtype' twice"],
  ["metadata of numbers", file({ __metadata__: { a: 1 } }), "expected a string in the JSON at 29"],
  ["deep", file(`{"a":{"x":${"[".repeat(100_000)}`), "values nested deeper than 128"],
  ["a long name", file({ ["a".repeat(4097)]: tensor(0, 0) }), "a string of more than 4096 bytes before 4107"],
])("a header is refused: %s", ([, bytes, message]) => {
  expect(() => parse(bytes)).toThrow(malformed(message));
});

// Bad tensors in a file of 256 bytes of data.
test.for<[string, object, string]>([
  ["negative offset", tensor(-1, 255), "tensor 'a' begins at -1"],
  ["end before begin", tensor(9, 3), "tensor 'a' ends at 3 before it begins at 9"],
  ["beyond the file", tensor(0, 257), "tensor 'a' ends at 257 of 256 bytes"],
  ["not from 0", tensor(8, 256), "tensor 'a' leaves a hole at 0"],
  ["not to the end", tensor(0, 128), "the tensors end at 128, but there are 256 bytes of them"],
  ["three offsets", { ...tensor(0, 1), data_offsets: [0, 1, 2] }, "tensor 'a' does not have two offsets"],
  ["one offset", { ...tensor(0, 1), data_offsets: [0] }, "tensor 'a' does not have two offsets"],
  ["text as offset", tensor("0", "256", "U8", [256]), "expected a whole number in the JSON at 57"],
  ["a fraction as offset", tensor(0.5, 256, "U8", [256]), "expected a whole number in the JSON at 58"],
  ["no dtype", { shape: [256], data_offsets: [0, 256] }, "tensor 'a' has no dtype"],
  ["no shape", { dtype: "U8", data_offsets: [0, 256] }, "tensor 'a' has no shape of at most 64 dimensions"],
  [
    "2^32 squared",
    tensor(0, 256, "U8", [2 ** 32, 2 ** 32]),
    "tensor 'a' has shape [4294967296,4294967296], which no file can hold",
  ],
  ["negative shape", tensor(0, 256, "U8", [-256]), "tensor 'a' has shape [-256], which no file can hold"],
  ["shape of fractions", tensor(0, 256, "U8", [1.5]), "expected a whole number in the JSON at 37"],
  [
    "10^5 dimensions",
    tensor(0, 256, "U8", Array(100_000).fill(1)),
    "tensor 'a' has no shape of at most 64 dimensions",
  ],
  ["bits that are no bytes", tensor(0, 256, "F4", [511]), "tensor 'a' of 511 × 4 bits has no whole bytes"],
  [
    "bits beyond 2^53",
    tensor(0, 256, "F64", [2 ** 52]),
    "tensor 'a' of 4503599627370496 × 64 bits has no whole bytes",
  ],
  ["no object", [1], "expected an object in the JSON at 13"],
])("a tensor is refused: %s", ([, value, message]) => {
  expect(() => parse(file({ a: value }, 256))).toThrow(malformed(message));
});

test("offsets that JavaScript would round are refused", () => {
  const bytes = file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,9007199254740993]}}`, 1);
  expect(() => parse(bytes)).toThrow(malformed("expected a number below 2^53 in the JSON at 72"));
});

test("holes and overlaps between tensors are refused", () => {
  expect(() => parse(file({ z: tensor(0, 128), a: tensor(136, 256) }, 256))).toThrow(
    malformed("tensor 'a' leaves a hole at 128"),
  );
  expect(() => parse(file({ z: tensor(0, 128), a: tensor(120, 256) }, 256))).toThrow(
    malformed("tensor 'a' overlaps the one before it at 120"),
  );
  expect(() => parse(file({ z: tensor(0, 256), a: tensor(0, 256) }, 256))).toThrow(
    malformed("tensor 'a' overlaps the one before it at 0"),
  );
});

test("bytes after the last tensor are refused, also when they are a zip file", () => {
  const whole = file({ a: tensor(0, 8) }, 8);
  expect(() => parse(Buffer.concat([whole, Buffer.from("PK\u0005\u0006")]))).toThrow(
    malformed("the tensors end at 8, but there are 12 bytes of them"),
  );
});

test("names that mean something to JavaScript or a terminal are names", () => {
  const table = parse(
    file(`{"__proto__":${JSON.stringify(tensor(0, 1))},"constructor":${JSON.stringify(tensor(1, 2))}}`, 2),
  );
  expect(table.tensors.map(({ name }) => name)).toEqual(["__proto__", "constructor"]);
  expect(() => parse(file({ "../\u001b[2J": tensor(1, 2) }, 2))).toThrow(
    malformed(String.raw`tensor '../\x1b[2J' leaves a hole at 0`),
  );
});

test("a file cut at any byte is refused, and read only as far as it goes", () => {
  const whole = file({ a: tensor(0, 4, "F32", [1]), b: tensor(4, 8, "I16", [2]) }, 8);
  for (let length = 0; length < whole.length; length += 1) {
    expect(() => parse(whole.subarray(0, length)), `${length}`).toThrow(
      expect.objectContaining({ code: "FILE_MALFORMED" }),
    );
  }
});

test("a million tensors are read within seconds", { timeout: 60_000 }, () => {
  const rows: string[] = [];
  for (let index = 0; index < TENSORS_MAX; index += 1)
    rows.push(`"layers.${index}":{"dtype":"U8","shape":[1],"data_offsets":[${index},${index + 1}]}`);
  const bytes = file(`{${rows.join()}}`, TENSORS_MAX);
  const started = performance.now();
  expect(parse(bytes).tensors.length).toBe(TENSORS_MAX);
  expect(performance.now() - started).toBeLessThan(40_000);
});

test("any header gives a sound table or FILE_MALFORMED", () => {
  const whole = file(
    { a: tensor(0, 4, "F32", [1]), b: tensor(4, 8, "I16", [2]), "c\u00e9": tensor(8, 8) },
    8,
  );
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(...Buffer.from(`"{}[],:-0123456789eE.\\u`)),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), byte), { maxLength: 6 }),
      fc.nat(40),
      (changes, cut) => {
        const bytes = Buffer.from(whole.subarray(0, cut > 20 ? whole.length : whole.length - cut));
        for (const [at, value] of changes) bytes[at] = value;
        try {
          assertSound(parse(bytes), bytes.length);
        } catch (error) {
          if (!isSmcError(error, "FILE_MALFORMED")) throw error;
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test("an index names the files of a sharded model, and never one outside of its folder", () => {
  const index = (map: unknown) =>
    safetensorsIndex.parse(
      new MemorySource(Buffer.from(JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }))),
      "model.safetensors.index.json",
    );
  const { external } = index({ a: "model-00001-of-00002.safetensors", b: "./sub/x.safetensors" });
  expect(external.map(({ name, file }) => `${name} ${file}`)).toEqual([
    "a model-00001-of-00002.safetensors",
    "b sub/x.safetensors",
  ]);
  for (const bad of ["../x", "a/../b", "/etc/passwd", "", ".", "C:\\x", "c:x", "a\\b", "a\u0000b", 7, null])
    expect(() => index({ a: bad }), String(bad)).toThrow(expect.objectContaining({ code: "FILE_MALFORMED" }));
  expect(() => index(undefined)).toThrow('it has no "weight_map"');
});

test("files are known by name or by their first bytes", () => {
  const whole = file({ a: tensor(0, 1) }, 1);
  expect(parseTensors(new MemorySource(whole), "weights")?.format).toBe("safetensors");
  expect(() => parseTensors(new MemorySource(Buffer.from("x")), "A.SAFETENSORS")).toThrow(
    expect.objectContaining({ code: "FILE_MALFORMED" }),
  );
  expect(parseTensors(new MemorySource(Buffer.from("{ some text }")), "notes.txt")).toBeUndefined();
  expect(
    parseTensors(new MemorySource(Buffer.from('{"weight_map":{}}')), "m.safetensors.index.json")?.format,
  ).toBe("safetensors index");
});
