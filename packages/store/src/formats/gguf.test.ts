import fc from "fast-check";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { parseTensors } from "./formats.ts";
import { GGML_TYPES } from "./gguf-types.ts";
import { gguf } from "./gguf.ts";
import { assertSound, lines, MemorySource } from "./testing/memory-source.ts";

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const pair = (key: string, kind: number, ...value: Buffer[]): Buffer =>
  Buffer.concat([text(key), u32(kind), ...value]);
const info = (name: string, dimensions: (number | bigint)[], kind: number, offset: number | bigint): Buffer =>
  Buffer.concat([text(name), u32(dimensions.length), ...dimensions.map(u64), u32(kind), u64(offset)]);

interface Parts {
  readonly version?: number;
  readonly pairs?: Buffer[];
  readonly infos?: Buffer[];
  readonly alignment?: number;
  readonly dataBytes?: number;
}

function file({ version = 3, pairs = [], infos = [], alignment = 32, dataBytes = 0 }: Parts): Buffer {
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    u32(version),
    u64(infos.length),
    u64(pairs.length),
    ...pairs,
    ...infos,
  ]);
  const dataStart = Math.ceil(head.length / alignment) * alignment;
  return Buffer.concat([head, Buffer.alloc(dataStart - head.length + dataBytes)]);
}

const parse = (bytes: Uint8Array) => gguf.parse(new MemorySource(bytes), "a.gguf");
const malformed = (message: string) =>
  expect.objectContaining({
    code: "FILE_MALFORMED",
    message: expect.stringMatching(`^not valid GGUF: ${message}`),
  });

const PAIRS = [
  pair("general.architecture", 8, text("llama")),
  pair("number", 12, Buffer.alloc(8)),
  pair("flag", 7, Buffer.from([1])),
  pair("tokens", 9, u32(8), u64(2), text("<s>"), text("")),
  pair("scores", 9, u32(6), u64(3), Buffer.alloc(12)),
  pair("lists", 9, u32(9), u64(2), u32(0), u64(1), Buffer.from([9]), u32(8), u64(1), text("x")),
];

test.for([2, 3])("tensors are where version %i says, whatever the pairs are", (version) => {
  const infos = [
    info("blk.0.w", [64, 3], 2, 128),
    info("norm", [5], 0, 0),
    info("out", [256, 2, 1], 14, 256),
  ];
  const bytes = file({ version, pairs: PAIRS, infos, dataBytes: 256 + 420 });
  const start = bytes.length - 256 - 420;
  const table = parse(bytes);
  expect(lines(table)).toEqual([
    `norm f32 [5] ${start}+20`,
    `blk.0.w q4_0 [3,64] ${start + 128}+108`,
    `out q6_k [1,2,256] ${start + 256}+420`,
  ]);
  expect(table.tensors.map(({ block }) => block)).toEqual([
    undefined,
    { strideBytes: 18, scaleBytes: 2 },
    undefined,
  ]);
});

test("every type has blocks of the size that ggml gives them", () => {
  expect(
    [...GGML_TYPES].map(
      ([id, { dtype, blockElements, blockBytes }]) => `${id} ${dtype} ${blockElements} ${blockBytes}`,
    ),
  ).toMatchInlineSnapshot(`
    [
      "0 f32 1 4",
      "1 f16 1 2",
      "2 q4_0 32 18",
      "3 q4_1 32 20",
      "6 q5_0 32 22",
      "7 q5_1 32 24",
      "8 q8_0 32 34",
      "9 q8_1 32 36",
      "10 q2_k 256 84",
      "11 q3_k 256 110",
      "12 q4_k 256 144",
      "13 q5_k 256 176",
      "14 q6_k 256 210",
      "15 q8_k 256 292",
      "16 iq2_xxs 256 66",
      "17 iq2_xs 256 74",
      "18 iq3_xxs 256 98",
      "19 iq1_s 256 50",
      "20 iq4_nl 32 18",
      "21 iq3_s 256 110",
      "22 iq2_s 256 82",
      "23 iq4_xs 256 136",
      "24 i8 1 1",
      "25 i16 1 2",
      "26 i32 1 4",
      "27 i64 1 8",
      "28 f64 1 8",
      "29 iq1_m 256 56",
      "30 bf16 1 2",
      "34 tq1_0 256 54",
      "35 tq2_0 256 66",
      "39 mxfp4 32 17",
      "40 nvfp4 64 36",
      "41 q1_0 128 18",
    ]
  `);
  for (const [id, { blockElements, blockBytes, scaleBytes, dtype }] of GGML_TYPES) {
    expect(scaleBytes).toBeLessThan(blockBytes);
    const bytes = file({ infos: [info("a", [blockElements, 2], id, 0)], dataBytes: blockBytes * 2 });
    expect(parse(bytes).tensors[0]).toMatchObject({ dtype, length: blockBytes * 2 });
    expect(() => parse(bytes.subarray(0, -1))).toThrow(malformed("tensor 'a' at .* lies outside of"));
  }
});

test("the file may say how data is aligned", () => {
  const pairs = [pair("general.alignment", 4, u32(256))];
  const bytes = file({ pairs, alignment: 256, infos: [info("a", [4], 24, 256)], dataBytes: 260 });
  expect(lines(parse(bytes))).toEqual(["a i8 [4] 512+4"]);
});

const ONE = [info("a", [4], 24, 0)];
const huge = (tensors: bigint, pairs: bigint): Buffer =>
  Buffer.concat([Buffer.from("GGUF"), u32(3), u64(tensors), u64(pairs), Buffer.alloc(4072)]);
const aligned = (value: number): Buffer =>
  file({ pairs: [pair("general.alignment", 4, u32(value))], infos: ONE, dataBytes: 4 });
const list = (depth: number): Buffer[] =>
  Array.from({ length: depth }, () => Buffer.concat([u32(9), u64(1)]));

// Bad numbers before the tensors.
test.for<[string, Buffer, string]>([
  ["nothing", Buffer.alloc(0), "0 bytes are too few"],
  ["another magic", Buffer.concat([Buffer.from("GGML"), Buffer.alloc(60)]), "it begins with 'GGML'"],
  ["swapped magic", Buffer.concat([Buffer.from("FUGG"), Buffer.alloc(60)]), "it is big-endian"],
  ["swapped version", file({ version: 3 * 2 ** 24 }), "it is big-endian"],
  ["version 0", file({ version: 0 }), "version 0 is not known"],
  ["version 1", file({ version: 1 }), "version 1 is not known"],
  ["version 4", file({ version: 4 }), "version 4 is not known"],
  ["version 2^32 - 1", file({ version: 2 ** 32 - 1 }), "version 4294967295 is not known"],
  ["2^64 - 1 tensors", huge(2n ** 64n - 1n, 0n), "n_tensors 18446744073709551615 cannot fit in 4080 bytes"],
  ["2^64 - 1 pairs", huge(0n, 2n ** 64n - 1n), "n_kv 18446744073709551615 cannot fit in 4072 bytes"],
  ["more tensors than bytes", huge(200n, 0n), "n_tensors 200 cannot fit in 4080 bytes"],
  [
    "key of 2^63 bytes",
    file({ pairs: [Buffer.concat([u64(2n ** 63n), Buffer.alloc(99)])] }),
    "the length of a key 9223372036854775808 cannot fit",
  ],
  [
    "key of 65536 bytes",
    file({ pairs: [pair("k".repeat(65_536), 0, Buffer.alloc(1))] }),
    "the length of a key 65536 exceeds 65535",
  ],
  [
    "key that is no text",
    file({ pairs: [Buffer.concat([u64(1), Buffer.from([0xff]), u32(0), Buffer.alloc(1)])] }),
    "a key is not UTF-8",
  ],
  ["key that stands twice", file({ pairs: [PAIRS[2], PAIRS[2]] as Buffer[] }), "key 'flag' stands twice"],
  [
    "value of 16 MiB and one",
    file({ pairs: [pair("k", 8, text("x".repeat(2 ** 24 + 1)))] }),
    "the length of the value of 'k' 16777217 exceeds 16777216",
  ],
  [
    "list longer than the file",
    file({ pairs: [pair("k", 9, u32(0), u64(2n ** 62n))] }),
    "the list of 'k' of 4611686018427387904 cannot fit",
  ],
  [
    "list of texts longer than the file",
    file({ pairs: [pair("k", 9, u32(8), u64(99), Buffer.alloc(80))] }),
    "the list of 'k' of 99 cannot fit",
  ],
  [
    "lists of lists of lists",
    file({ pairs: [pair("k", 9, ...list(5).map((each) => each), Buffer.alloc(99))] }),
    "key 'k' has lists nested deeper than 4",
  ],
  ["type 13", file({ pairs: [pair("k", 13, Buffer.alloc(8))] }), "key 'k' has the unknown type 13"],
  [
    "type 2^32 - 1",
    file({ pairs: [pair("k", 2 ** 32 - 1, Buffer.alloc(8))] }),
    "key 'k' has the unknown type 4294967295",
  ],
  ["alignment 0", aligned(0), "alignment 0 is no power of two"],
  ["alignment 3", aligned(3), "alignment 3 is no power of two"],
  ["alignment 2^31", aligned(2 ** 31), "alignment 2147483648 is no power of two up to"],
  [
    "alignment as text",
    file({ pairs: [pair("general.alignment", 8, text("32"))] }),
    "key 'general.alignment' has type 8",
  ],
])("refused: %s", ([, bytes, message]) => {
  expect(() => parse(bytes)).toThrow(malformed(message));
});

// Bad tensors, with 64 bytes of data.
test.for<[string, Buffer[], string]>([
  ["no dimensions", [info("a", [], 24, 0)], "tensor 'a' has 0 dimensions"],
  ["five dimensions", [info("a", [1, 1, 1, 1, 1], 24, 0)], "tensor 'a' has 5 dimensions"],
  ["a dimension of 0", [info("a", [4, 0], 24, 0)], String.raw`tensor 'a' has shape \[0,4\]`],
  ["a dimension of 2^63", [info("a", [2n ** 63n], 24, 0)], "a dimension of 'a' is 9223372036854775808"],
  [
    "a product beyond 2^53",
    [info("a", [2 ** 32, 2 ** 32], 24, 0)],
    String.raw`tensor 'a' has shape \[4294967296,4294967296\]`,
  ],
  ["bytes beyond 2^53", [info("a", [2 ** 51], 28, 0)], String.raw`tensor 'a' has shape \[2251799813685248\]`],
  ["a row of half a block", [info("a", [48], 2, 0)], "tensor 'a' has rows of 48 elements"],
  ["an end beyond the file", [info("a", [65], 24, 0)], "tensor 'a' at .* lies outside"],
  ["an offset beyond the file", [info("a", [4], 24, 96)], "tensor 'a' at .* lies outside"],
  ["an offset of 2^63", [info("a", [4], 24, 2n ** 63n)], "the offset of 'a' is 9223372036854775808"],
  [
    "an offset that is not aligned",
    [info("a", [4], 24, 4)],
    "tensor 'a' begins at 4, which is no multiple of 32",
  ],
  ["an overlap", [info("a", [33], 24, 0), info("b", [4], 24, 32)], "tensors 'a' and 'b' overlap"],
  ["a type that was given up", [info("a", [32], 4, 0)], "tensor 'a' has the unknown type 4"],
  ["a type of the future", [info("a", [32], 999, 0)], "tensor 'a' has the unknown type 999"],
  ["a name that stands twice", [info("a", [4], 24, 0), info("a", [4], 24, 32)], "tensor 'a' stands twice"],
  [
    "a name of 2^63 bytes",
    [Buffer.concat([u64(2n ** 63n), Buffer.alloc(64)])],
    "the length of the name of a tensor 9223372036854775808 cannot fit",
  ],
])("a tensor is refused: %s", ([, infos, message]) => {
  expect(() => parse(file({ infos, dataBytes: 64 }))).toThrow(malformed(message));
});

test("a file cut at any byte is refused", () => {
  const whole = file({ pairs: PAIRS, infos: [info("a", [4], 0, 0), info("b", [32], 8, 32)], dataBytes: 66 });
  expect(parse(whole).tensors).toHaveLength(2);
  for (let length = 0; length < whole.length; length += 1)
    expect(() => parse(whole.subarray(0, length)), `${length}`).toThrow(malformed(""));
});

test("any header gives a sound table or FILE_MALFORMED", () => {
  const whole = file({ pairs: PAIRS, infos: [info("a", [4], 0, 0), info("b", [32], 8, 32)], dataBytes: 66 });
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 8, 9, 255));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(whole.length - 66), byte), { maxLength: 8 }), (changes) => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      try {
        assertSound(parse(bytes), bytes.length);
      } catch (error) {
        if (!isSmcError(error, "FILE_MALFORMED")) throw error;
      }
    }),
    { numRuns: 5000 },
  );
});

test("files are known by name or by their first bytes", () => {
  expect(parseTensors(new MemorySource(file({ infos: ONE, dataBytes: 4 })), "blob")?.format).toBe("GGUF");
  expect(() => parseTensors(new MemorySource(Buffer.from("FUGG")), "blob")).toThrow(malformed("4 bytes"));
  expect(() => parseTensors(new MemorySource(Buffer.from("x")), "a.gguf")).toThrow(malformed("1 bytes"));
});
