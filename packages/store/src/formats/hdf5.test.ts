import { expect, test } from "vitest";
import { parseTensors } from "./formats.ts";
import { hdf5 } from "./hdf5.ts";
import { assertSound, lines, MemorySource } from "./testing/memory-source.ts";
import { HDF5_NEW, HDF5_OLD, KERAS, KERAS_LAMBDA } from "./testing/real-files.ts";
import { zip } from "./testing/zip-writer.ts";
import type { TensorTable } from "./table.ts";

function parse(bytes: Buffer): TensorTable {
  const table = parseTensors(new MemorySource(bytes), "weights");
  if (table === undefined) throw new Error("no format");
  assertSound(table, bytes.length);
  return table;
}
const malformed = (problem: string) =>
  expect.objectContaining({ code: "FILE_MALFORMED", message: expect.stringMatching(problem) });
const bytesOf = (file: Buffer, name: string): Buffer => {
  const { offset = 0, length = 0 } = parse(file).tensors.find((span) => span.name === name) ?? {};
  return Buffer.from(file.subarray(offset, offset + length));
};
const floats = (bytes: Buffer): number[] => [...new Float32Array(Uint8Array.from(bytes).buffer)];
const shorts = (bytes: Buffer): number[] => [...new Int16Array(Uint8Array.from(bytes).buffer)];

test.for([
  ["of before 2012", HDF5_OLD],
  ["of today", HDF5_NEW],
] as const)("a file in the layout %s has its datasets where they are", ([, file]) => {
  const table = parse(file);
  expect(table).toMatchObject({ format: "HDF5", risk: "unknown", external: [] });
  const kinds = table.tensors.map(
    ({ name, dtype, shape, length }) => `${name} ${dtype} [${shape.join()}] ${length}`,
  );
  expect(kinds.filter((line) => !line.startsWith("layers/")).sort()).toEqual([
    "a/h f16 [3] 6",
    "a/w f32 [2,3] 24",
    "b bool [2] 2",
    "big opaque [3] 12",
    "c c64 [1] 8",
    "chunks#0 i16 [2,2] 8",
    "chunks#1 i16 [2,2] 8",
    "chunks#2 i16 [2,2] 8",
    "chunks#3 i16 [2,2] 8",
    "compact f32 [2] 8",
    "none f32 [0,4] 0",
    "scalar i64 [] 8",
    "whole u8 [4] 4",
  ]);
  expect(table.scattered).toEqual([
    { name: "chunks", dtype: "i16", shape: [3, 4] },
    { name: "packed", dtype: "f64", shape: [4, 4] },
  ]);
  expect(floats(bytesOf(file, "a/w"))).toEqual([0, 1, 2, 3, 4, 5]);
  expect(floats(bytesOf(file, "compact"))).toEqual([1, 2]);
  expect(shorts(bytesOf(file, "chunks#0"))).toEqual([0, 1, 4, 5]);
  expect(shorts(bytesOf(file, "chunks#1"))).toEqual([2, 3, 6, 7]);
  expect(shorts(bytesOf(file, "chunks#3")).slice(0, 2)).toEqual([10, 11]);
  for (let layer = 0; layer < 10; layer++)
    expect(floats(bytesOf(file, `layers/layer_${layer}`))).toEqual([layer]);
});

test("a Keras file has the datasets of its weights, at their places in the archive", () => {
  const table = parse(KERAS);
  expect(table).toMatchObject({ format: "Keras", risk: "data-only", external: [], scattered: [] });
  expect(lines(table)).toEqual([
    "layers/dense/vars/0 f32 [3,2] 10723+24",
    "layers/dense/vars/1 f32 [2] 11347+8",
  ]);
  expect(floats(bytesOf(KERAS, "layers/dense/vars/1"))).toEqual([0, 0]);
  expect(parse(KERAS_LAMBDA)).toMatchObject({ format: "Keras", risk: "executable", tensors: [] });
});

const keras = (config: unknown, weights?: Buffer): Buffer =>
  zip([
    { name: "metadata.json", bytes: Buffer.from("{}") },
    { name: "config.json", bytes: Buffer.from(typeof config === "string" ? config : JSON.stringify(config)) },
    ...(weights === undefined ? [] : [{ name: "model.weights.h5", bytes: weights, deflate: true }]),
  ]);

test.for<[string, unknown, string]>([
  ["nothing", {}, "data-only"],
  ["layers of Keras", { module: "keras.layers", class_name: "Dense", registered_name: null }, "data-only"],
  ["models of Keras", [{ module: "keras.src.models.functional", class_name: "Functional" }], "data-only"],
  ["a Lambda", { a: [{ module: "keras.layers", class_name: "Lambda" }] }, "executable"],
  ["a Lambda without a module", { class_name: "__lambda__", config: { value: "4wEA" } }, "executable"],
  ["a layer of TensorFlow", { module: "keras.layers", class_name: "TFSMLayer" }, "executable"],
  ["a function by name", { module: "builtins", class_name: "function", config: "eval" }, "executable"],
  ["another module", { module: "os", class_name: "system" }, "executable"],
  [
    "a part of Keras that does more than layers",
    { module: "keras.utils", class_name: "get_file" },
    "executable",
  ],
  ["a module below a name of ours", { module: "keras.layers;os", class_name: "x" }, "executable"],
  ["a registered class", { module: null, class_name: "Mine", registered_name: "my>Mine" }, "executable"],
  ["a class that is no name", { class_name: 7 }, "executable"],
])("a Keras file with %s is told apart", ([, config, risk]) => {
  expect(parse(keras(config))).toMatchObject({ format: "Keras", risk, tensors: [] });
});

test("a Keras file with deflated weights has no tensors, and one without a readable configuration is refused", () => {
  expect(parse(keras({}, HDF5_NEW))).toMatchObject({ risk: "data-only", tensors: [] });
  expect(() => parse(keras("{"))).toThrow(malformed("not valid Keras: config.json is not JSON"));
  expect(() => parse(keras(" ".repeat(17 * 1024 * 1024)))).toThrow(
    malformed("'config.json' of 17825792 bytes is larger"),
  );
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  expect(parse(keras(deep)).risk).toBe("data-only");
  expect(parse(HDF5_NEW).risk).toBe("unknown");
});

/** The file with one 8-byte number at `offset` replaced. */
function patched(file: Buffer, offset: number, value: bigint): Buffer {
  const copy = Buffer.from(file);
  copy.writeBigUInt64LE(BigInt.asUintN(64, value), offset);
  return copy;
}

test("numbers that cannot be are refused or lead nowhere, wherever they stand", { timeout: 60_000 }, () => {
  for (const file of [HDF5_OLD, HDF5_NEW]) {
    for (let offset = 0; offset + 8 <= file.length; offset += 4) {
      if (file.readUInt32LE(offset) === 0 && file.readUInt32LE(offset + 4) === 0) continue;
      for (const value of [-1n, 2n ** 63n, 2n ** 53n, BigInt(file.length), 96n, BigInt(offset)]) {
        const bytes = patched(file, offset, value);
        try {
          assertSound(hdf5.parse(new MemorySource(bytes), "a.h5"), bytes.length);
        } catch (error) {
          expect(error, `${value} at ${offset}`).toMatchObject({ code: "FILE_MALFORMED" });
        }
      }
    }
  }
});

test("a file is refused wherever it is cut short before its metadata ends", () => {
  for (const file of [HDF5_OLD, HDF5_NEW]) {
    for (let length = 8; length < file.length; length += 7) {
      const bytes = file.subarray(0, length);
      try {
        assertSound(hdf5.parse(new MemorySource(bytes), "a.h5"), bytes.length);
      } catch (error) {
        expect(error, `${length} bytes`).toMatchObject({ code: "FILE_MALFORMED" });
      }
    }
    for (let length = 0; length < 2000; length += 13)
      expect(() => hdf5.parse(new MemorySource(file.subarray(0, length)), "a.h5"), `${length} bytes`).toThrow(
        malformed("not valid HDF5"),
      );
  }
});
