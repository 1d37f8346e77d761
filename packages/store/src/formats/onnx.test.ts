import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { parseTensors } from "./formats.ts";
import { onnx } from "./onnx.ts";
import type { TensorTable } from "./table.ts";
import { assertSound, lines, MemorySource } from "./testing/memory-source.ts";

const varint = (value: number | bigint): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
};
const number = (field: number, value: number | bigint): Buffer =>
  Buffer.concat([varint(field * 8), varint(value)]);
const bytes = (field: number, ...parts: (Buffer | string)[]): Buffer => {
  const value = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([varint(field * 8 + 2), varint(value.length), value]);
};
const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);

const F32 = 1;
const U8 = 2;
/** The fields of a TensorProto. */
const tensor = (name: string, type: number, shape: (number | bigint)[], ...more: Buffer[]): Buffer =>
  Buffer.concat([...shape.map((size) => number(1, size)), number(2, type), bytes(8, name), ...more]);
const raw = (length: number): Buffer => bytes(9, Buffer.alloc(length, 1));
const initializer = (...fields: Parameters<typeof tensor>): Buffer => bytes(5, tensor(...fields));
const node = (kind: string, inputs: string[], output: string, ...attributes: Buffer[]): Buffer =>
  bytes(1, ...inputs.map((name) => bytes(1, name)), bytes(2, output), bytes(4, kind), ...attributes);
const model = (...graph: Buffer[]): Buffer =>
  Buffer.concat([number(1, 8), bytes(2, "smc"), bytes(7, ...graph), bytes(8, number(2, 17))]);
const place = (entries: Record<string, string>): Buffer[] => [
  ...Object.entries(entries).map(([key, value]) => bytes(13, bytes(1, key), bytes(2, value))),
  number(14, 1),
];

const parse = (file: Uint8Array): TensorTable => onnx.parse(new MemorySource(file), "a.onnx");
const malformed = (message: string) =>
  expect.objectContaining({
    code: "FILE_MALFORMED",
    message: expect.stringMatching(`^not valid ONNX: ${message}`),
  });
/** Names, dtypes and shapes; offsets are compared with the bytes that are there. */
const found = (table: TensorTable) => lines(table).map((line) => line.replace(/ \d+\+/, " "));

test("initializers have their raw bytes, wherever those are", () => {
  const file = model(
    node("MatMul", ["x", "w"], "y"),
    initializer("w", F32, [2, 2], bytes(9, floats(1, 2, 3, 4))),
    initializer("h", 10, [3], raw(6)),
    initializer("int4", 22, [3], raw(2)),
    bytes(5, raw(8), bytes(8, "late"), number(2, 7), bytes(1, varint(1))),
    initializer("empty", F32, [0, 3], raw(0)),
  );
  const table = parse(file);
  expect(found(table)).toEqual([
    "w f32 [2,2] 16",
    "h f16 [3] 6",
    "int4 opaque [3] 2",
    "late i64 [1] 8",
    "empty f32 [0,3] 0",
  ]);
  expect(table.tensors[0]?.offset).toBe(file.indexOf(floats(1, 2, 3, 4)));
});

test("values of other fields are places where they are packed, and raw bytes where they are as wide", () => {
  const table = parse(
    model(
      initializer("floats", F32, [2], bytes(4, floats(1, 2))),
      initializer("doubles", 11, [1], bytes(10, Buffer.alloc(8))),
      initializer("numbers", 6, [3], bytes(5, varint(1), varint(-1), varint(300))),
      initializer("longs", 7, [1], bytes(7, varint(1))),
      initializer("one by one", F32, [1], Buffer.from([4 * 8 + 5, 0, 0, 0, 0])),
      initializer("texts", 8, [1], bytes(6, "text")),
      initializer("in two pieces", U8, [2], raw(1), raw(1)),
      initializer("nothing", F32, [4]),
    ),
  );
  expect(found(table)).toEqual([
    "floats f32 [2] 8",
    "doubles f64 [1] 8",
    "numbers opaque [3] 13",
    "longs opaque [1] 1",
  ]);
  expect(table.scattered).toEqual([
    { name: "one by one", dtype: "f32", shape: [1] },
    { name: "texts", dtype: "opaque", shape: [1] },
    { name: "in two pieces", dtype: "u8", shape: [2] },
    { name: "nothing", dtype: "f32", shape: [4] },
  ]);
});

test("tensors in nodes, in graphs of nodes, in functions and for training are found", () => {
  const value = (name: string, length: number): Buffer =>
    bytes(5, bytes(1, "value"), bytes(5, tensor(name, U8, [length], raw(length))));
  const branch = bytes(
    5,
    bytes(1, "then_branch"),
    bytes(6, node("Constant", [], "inner", value("", 2)), initializer("w", U8, [3], raw(3))),
  );
  const file = Buffer.concat([
    model(
      node("Constant", [], "outer", value("", 1)),
      node("If", ["c"], "y", branch),
      initializer("w", U8, [4], raw(4)),
    ),
    bytes(20, bytes(1, initializer("step", U8, [5], raw(5)))),
    bytes(25, bytes(7, bytes(2, "f"), value("named", 6))),
  ]);
  expect(found(parse(file))).toEqual([
    "outer u8 [1] 1",
    "inner u8 [2] 2",
    "w u8 [3] 3",
    "w#2 u8 [4] 4",
    "step u8 [5] 5",
    "named u8 [6] 6",
  ]);
});

test("sparse initializers are passed over", () => {
  expect(
    found(
      parse(
        model(bytes(15, bytes(1, tensor("values", F32, [2], raw(8)))), initializer("w", U8, [1], raw(1))),
      ),
    ),
  ).toEqual(["w u8 [1] 1"]);
});

const scale = (name: string, value: number): Buffer => initializer(name, F32, [], bytes(4, floats(value)));
const zeroPoint = (name: string, value: number): Buffer => initializer(name, U8, [], bytes(5, varint(value)));

test("a quantised tensor says what it was made of, by its name or by the node that reads it", () => {
  const affine = (...graph: Buffer[]) => {
    const { tensors } = parse(model(...graph));
    return tensors.find(({ shape }) => shape.length === 2)?.affine;
  };
  const weights = (name: string, type = U8): Buffer => initializer(name, type, [2, 2], raw(4));
  const named = [weights("w_quantized"), scale("w_scale", 0.5), zeroPoint("w_zero_point", 131)];
  const expected = { of: "w", scale: 0.5, zeroPoint: 131 };
  expect(affine(...named)).toEqual(expected);
  expect(affine(...named.reverse())).toEqual(expected);
  const others = [weights("w"), scale("a", 0.25), initializer("b", 3, [1], bytes(9, Buffer.from([0xff])))];
  expect(affine(...others)).toBeUndefined();
  expect(affine(...others, node("DequantizeLinear", ["w", "a"], "y"))).toEqual({
    of: "w",
    scale: 0.25,
    zeroPoint: 0,
  });
  expect(
    affine(node("QLinearConv", ["x", "xs", "xz", "w", "a", "b", "ys", "yz"], "y"), ...others),
  ).toBeUndefined();
  const signed = [weights("w", 3), ...others.slice(1)];
  expect(affine(node("QLinearConv", ["x", "xs", "xz", "w", "a", "b", "ys", "yz"], "y"), ...signed)).toEqual({
    of: "w",
    scale: 0.25,
    zeroPoint: -1,
  });
  const half = initializer("w_scale", 10, [], bytes(9, Buffer.from([0x00, 0x38])));
  expect(affine(weights("w_quantized"), half, zeroPoint("w_zero_point", 0))?.scale).toBe(0.5);
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(
      affine(weights("w_quantized"), scale("w_scale", bad), zeroPoint("w_zero_point", 1)),
    ).toBeUndefined();
  expect(affine(weights("w_quantized"), scale("w_scale", 1), zeroPoint("w_zero_point", 256))).toBeUndefined();
  expect(
    affine(weights("w_quantized"), initializer("w_scale", F32, [2], raw(8)), zeroPoint("w_zero_point", 1)),
  ).toBeUndefined();
});

test("bytes in other files are named with their places, and nothing is opened", () => {
  const { tensors, external } = parse(
    model(
      initializer(
        "w",
        F32,
        [2, 2],
        ...place({ location: "./model.onnx_data", offset: "4096", length: "16" }),
      ),
      initializer("rest", 10, [3], ...place({ location: "sub/b.bin", checksum: "x" })),
    ),
  );
  expect(tensors).toEqual([]);
  expect(external).toEqual([
    { name: "w", dtype: "f32", shape: [2, 2], file: "model.onnx_data", offset: 4096, length: 16 },
    { name: "rest", dtype: "f16", shape: [3], file: "sub/b.bin", offset: 0, length: 6 },
  ]);
});

test.for<[string, Record<string, string>]>([
  ["is no file in the folder", { location: "../../etc/passwd" }],
  ["is no file in the folder", { location: "a/../b" }],
  ["is no file in the folder", { location: "/etc/passwd" }],
  ["is no file in the folder", { location: "C:\\x" }],
  ["is no file in the folder", { location: "a\\..\\..\\b" }],
  ["is no file in the folder", { location: "a\u0000b" }],
  ["is no file in the folder", { location: "" }],
  ["is no file in the folder", { offset: "0" }],
  ["tensor 'w' has offset '-1'", { location: "b", offset: "-1" }],
  ["tensor 'w' has offset '9007199254740993'", { location: "b", offset: "9007199254740993" }],
  ["tensor 'w' has length '1e3'", { location: "b", length: "1e3" }],
  ["tensor 'w' needs 4 bytes and has 5 in 'b'", { location: "b", length: "5" }],
  ["tensor 'w' ends beyond", { location: "b", offset: "9007199254740991" }],
])("external data is refused: %s %j", ([message, entries]) => {
  expect(() => parse(model(initializer("w", F32, [1], ...place(entries))))).toThrow(
    malformed(`.*${message}`),
  );
});

const nested = (depth: number): Buffer => {
  let graph = initializer("w", U8, [1], raw(1));
  for (let level = 0; level < depth; level += 1) graph = node("If", [], "y", bytes(5, bytes(6, graph)));
  return model(graph);
};

test.for<[string, Uint8Array, string]>([
  ["nothing", Buffer.alloc(0), "it has no graph"],
  ["no graph", Buffer.concat([number(1, 8), bytes(2, "smc")]), "it has no graph"],
  ["text", Buffer.from("not a model"), "field 13 before 1 has wire type 6"],
  ["a group", Buffer.from([7 * 8 + 3]), "field 7 before 1 has wire type 3"],
  ["the end of a group", Buffer.from([7 * 8 + 4]), "field 7 before 1 has wire type 4"],
  ["field 0", Buffer.from([2]), "field 0 before 1 is no number of a field"],
  ["field 2^29", Buffer.concat([varint(2 ** 32)]), "field 536870912 before 5 is no number of a field"],
  ["a number where the graph is", number(7, 1), "field 7 before 1 has wire type 0 instead of 2"],
  [
    "a length of 2 GiB",
    Buffer.concat([Buffer.from([7 * 8 + 2]), varint(2 ** 31)]),
    "field 7 before 6 has 2147483648 bytes, but 0 are left",
  ],
  [
    "a length of 2^64 - 1",
    Buffer.concat([Buffer.from([7 * 8 + 2]), varint(-1)]),
    "field 7 before 11 has 18446744073709552000 bytes",
  ],
  [
    "a number of 11 bytes",
    Buffer.concat([Buffer.from([8]), Buffer.alloc(11, 0x80)]),
    "field 1 before 11 has a number without an end",
  ],
  [
    "a child longer than its parent",
    Buffer.concat([bytes(7, Buffer.from([5 * 8 + 2, 9, 0])), Buffer.alloc(99)]),
    "field 5 before 4 has 9 bytes, but 1 are left",
  ],
  ["a fixed number that is cut", bytes(7, Buffer.from([3 * 8 + 1, 0])), "field 3 before 3 is cut"],
  ["33 graphs in each other", nested(33), "graphs nested deeper than 32"],
  ["a negative dimension", model(initializer("w", U8, [-1], raw(1))), String.raw`tensor 'w' has shape \[`],
  [
    "2^32 squared",
    model(initializer("w", U8, [2 ** 32, 2 ** 32], raw(1))),
    String.raw`tensor 'w' has shape \[4294967296,4294967296\]`,
  ],
  [
    "10^5 dimensions",
    model(initializer("w", U8, Array(100_000).fill(1), raw(1))),
    "a tensor has more than 64 dimensions",
  ],
  [
    "fewer bytes than the shape",
    model(initializer("w", F32, [2], raw(7))),
    String.raw`tensor 'w' of shape \[2\] needs 8 bytes and has 7`,
  ],
  ["a name that is no text", model(bytes(5, bytes(8, Buffer.from([0xff])))), "field 8 is not UTF-8"],
  [
    "a name of 4097 bytes",
    model(bytes(5, bytes(8, "x".repeat(4097)))),
    "field 8 before .* is a text of more than 4096 bytes",
  ],
])("refused: %s", ([, file, message]) => {
  expect(() => parse(file)).toThrow(malformed(message));
});

test("graphs in each other are followed as deep as real models go", () => {
  expect(found(parse(nested(31)))).toEqual(["w u8 [1] 1"]);
});

test("a million nodes take seconds and little memory", { timeout: 60_000 }, () => {
  const one = node("Add", ["a", "b"], "c");
  const file = model(Buffer.concat(Array.from({ length: 1_000_000 }, () => one)));
  const started = performance.now();
  expect(parse(file).tensors).toEqual([]);
  expect(performance.now() - started).toBeLessThan(40_000);
});

const WHOLE = model(
  node("Constant", [], "c", bytes(5, bytes(1, "value"), bytes(5, tensor("", U8, [2], raw(2))))),
  node("DequantizeLinear", ["w", "s"], "y"),
  initializer("w", U8, [2, 2], raw(4)),
  initializer("s", F32, [], bytes(4, floats(1))),
  initializer("e", F32, [1], ...place({ location: "b", offset: "0", length: "4" })),
);

test("a file cut at any byte is refused", () => {
  const end = WHOLE.length - bytes(8, number(2, 17)).length;
  const isField = new Set([0, 2, 7, end, WHOLE.length]);
  for (let length = 0; length < WHOLE.length; length += 1) {
    if (length >= end && isField.has(length))
      expect(parse(WHOLE.subarray(0, length)).tensors).toHaveLength(3);
    else expect(() => parse(WHOLE.subarray(0, length)), `${length}`).toThrow(malformed(""));
  }
});

test("any bytes give a sound table or FILE_MALFORMED", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(WHOLE.length - 1), fc.nat(255)), { maxLength: 8 }), (changes) => {
      const file = Buffer.from(WHOLE);
      for (const [at, value] of changes) file[at] = value;
      try {
        assertSound(parse(file), file.length);
      } catch (error) {
        if (!isSmcError(error, "FILE_MALFORMED")) throw error;
      }
    }),
    { numRuns: 5000 },
  );
});

/** Real models of a package that the example uses. */
function silero(name: string): Buffer {
  const example = createRequire(new URL("../../../../examples/silero-vad/package.json", import.meta.url));
  return readFileSync(join(dirname(example.resolve("@ricky0123/vad-web")), `${name}.onnx`));
}

test("real models: nearly every byte is in a tensor, and few bytes are read for it", () => {
  const file = silero("silero_vad_v5");
  const source = new MemorySource(file);
  const table = parseTensors(source, "model");
  expect(table?.format).toBe("ONNX");
  expect(source.readBytes).toBeLessThan(file.length / 4);
  const weights = table?.tensors.filter(({ dtype }) => dtype === "f32") ?? [];
  expect(weights.reduce((sum, { length }) => sum + length, 0)).toBe(2_181_152);
  expect(weights[0]).toEqual({
    name: "stft.forward_basis_buffer",
    dtype: "f32",
    shape: [130, 1, 128],
    offset: 340,
    length: 66_560,
  });
  // A window function: it begins with zero and its values are cosines.
  expect(Math.abs(file.readFloatLE(340))).toBeLessThan(1e-6);
  expect(parse(silero("silero_vad_legacy")).tensors).toHaveLength(263);
});

test("other files that begin with a number are not taken for models", () => {
  const take = (head: Buffer, name = "file") => onnx.matches(head, name);
  expect(take(WHOLE)).toBe(true);
  expect(take(Buffer.alloc(0), "A.ONNX")).toBe(true);
  // A saved model of TensorFlow: version 1, then a message.
  expect(take(Buffer.concat([number(1, 1), bytes(2, "text")]))).toBe(false);
  expect(take(Buffer.concat([number(1, 8), bytes(2, "\u0001\u0002")]))).toBe(false);
  expect(take(Buffer.concat([number(1, 8), bytes(2, "")]))).toBe(false);
});
