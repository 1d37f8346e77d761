import fc from "fast-check";
import { expect, test } from "vitest";
import { isSmcError } from "../errors.ts";
import { parseTensors } from "./formats.ts";
import { parseTfjs, tfjs } from "./tfjs.ts";
import { assertSound, MemorySource } from "./testing/memory-source.ts";

const source = (model: unknown): MemorySource => new MemorySource(Buffer.from(JSON.stringify(model)));
const model = (...weightsManifest: unknown[]): unknown => ({
  format: "layers-model",
  modelTopology: { config: [{ nested: [1, -2.5e-3, null, true, "text"] }] },
  weightsManifest,
});
const weight = (name: string, shape: unknown, dtype = "float32", quantization?: unknown) => ({
  name,
  shape,
  dtype,
  ...(quantization === undefined ? {} : { quantization }),
});
const malformed = (message: string) =>
  expect.objectContaining({
    code: "FILE_MALFORMED",
    message: expect.stringMatching(`^not valid TensorFlow.js: ${message}`),
  });
type Table = ReturnType<typeof parseTfjs>;
const places = ({ external }: Table) =>
  external.map(
    ({ name, dtype, shape, file, offset, length }) =>
      `${name} ${dtype} [${shape.join()}] ${file} ${offset}+${length}`,
  );

test("weights lie one after the other in the file of their group", () => {
  const table = tfjs.parse(
    source(
      model(
        {
          paths: ["group1-shard1of1.bin"],
          weights: [
            weight("conv/kernel", [3, 3]),
            weight("step", [], "int32"),
            weight("mask", [5], "bool"),
            weight("half", [2], "float32", { dtype: "float16", original_dtype: "float32" }),
          ],
        },
        { weights: [weight("z", [1], "complex64"), weight("empty", [0])], paths: ["./g2.bin"] },
      ),
    ),
    "model.json",
  );
  expect(places(table)).toEqual([
    "conv/kernel f32 [3,3] group1-shard1of1.bin 0+36",
    "step i32 [] group1-shard1of1.bin 36+4",
    "mask bool [5] group1-shard1of1.bin 40+5",
    "half f16 [2] group1-shard1of1.bin 45+4",
    "z c64 [1] g2.bin 0+8",
    "empty f32 [0] g2.bin 8+0",
  ]);
  expect(table).toMatchObject({ format: "TensorFlow.js", tensors: [], scattered: [] });
});

test("a quantised weight says scale and zero point", () => {
  const affine = (quantization: object) =>
    parseTfjs(source([{ paths: ["w"], weights: [weight("w", [9], "float32", quantization)] }])).external[0];
  const of = "w";
  expect(affine({ dtype: "uint8", scale: 0.5, min: -64 })).toMatchObject({
    dtype: "u8",
    length: 9,
    affine: { of, scale: 0.5, zeroPoint: 128 },
  });
  expect(affine({ dtype: "uint8", scale: 0.1, min: 0 })?.affine).toEqual({ of, scale: 0.1, zeroPoint: 0 });
  expect(affine({ dtype: "uint8", scale: 0.003_921, min: -0.501_888 })?.affine).toMatchObject({
    zeroPoint: 128,
  });
  for (const bad of [
    { scale: 1, min: 0.5 },
    { scale: 0, min: 0 },
    { scale: 1, min: 9 },
    { scale: 1, min: -256 },
    {},
  ])
    expect(affine({ dtype: "uint8", ...bad })?.affine).toBeUndefined();
  expect(affine({ dtype: "uint16", scale: 1, min: 0 })).toMatchObject({ dtype: "u16", length: 18 });
});

const MIB = 1024 * 1024;

test("a weight in several shards is several tensors of whole elements", () => {
  const group = {
    paths: ["a", "b", "c"],
    weights: [weight("odd", [3], "uint8"), weight("w", [9 * 256, 1024])],
  };
  expect(places(parseTfjs(source(model(group))))).toEqual([
    "odd u8 [3] a 0+3",
    `w#1 f32 [${MIB - 1}] a 3+${4 * MIB - 4}`,
    `w#2 f32 [${MIB - 1}] b 3+${4 * MIB - 4}`,
    `w#3 f32 [${MIB / 4}] c 3+${MIB}`,
  ]);
  const sizes = new Map([
    ["a", 3],
    ["b", 9 * MIB],
    ["c", 0],
  ]);
  expect(places(parseTfjs(source(model(group)), (file) => sizes.get(file)))).toEqual([
    "odd u8 [3] a 0+3",
    `w f32 [2304,1024] b 0+${9 * MIB}`,
  ]);
});

test("weights of which nobody can say where they are are scattered", () => {
  const names = (group: unknown, sizes: number[] = []) => {
    const table = parseTfjs(source(model(group)), (file) => sizes["abc".indexOf(file)]);
    return [places(table).map((line) => line.split(" ")[0]), table.scattered.map(({ name }) => name)];
  };
  const two = [weight("v", [2]), weight("w", [2])];
  expect(names({ paths: ["a", "b"], weights: two })).toEqual([[], ["v", "w"]]);
  expect(names({ paths: ["a", "b"], weights: two }, [8, 8])).toEqual([["v", "w"], []]);
  expect(names({ paths: ["a", "b"], weights: two }, [8, 9])).toEqual([[], ["v", "w"]]);
  const text = [weight("v", [2]), weight("text", [2], "string"), weight("w", [2])];
  expect(names({ paths: ["a"], weights: text })).toEqual([["v"], ["text", "w"]]);
});

test("every byte of every shard is in one tensor, but for elements that are cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom("float32", "uint8", "float16", "complex64"), fc.nat(20)), {
        maxLength: 8,
      }),
      fc.array(fc.nat(40), { maxLength: 5 }),
      (weights, cuts) => {
        const widths: Record<string, number> = { float32: 4, uint8: 1, float16: 2, complex64: 8 };
        const total = weights.reduce((sum, [dtype, count]) => sum + (widths[dtype] ?? 0) * count, 0);
        const ends = [...cuts.map((cut) => Math.min(cut, total)).sort((a, b) => a - b), total];
        const sizes = ends.map((end, index) => end - (ends[index - 1] ?? 0));
        const group = {
          paths: sizes.map((_, index) => `f${index}`),
          weights: weights.map(([dtype, count], index) => weight(`w${index}`, [count], dtype)),
        };
        const { external } = parseTfjs(source(model(group)), (file) => sizes[Number(file.slice(1))]);
        const starts = sizes.map((size, index) => (ends[index] ?? 0) - size);
        for (const { file, offset, length, dtype, name } of external) {
          expect(offset + length).toBeLessThanOrEqual(sizes[Number(file.slice(1))] ?? 0);
          // Elements begin where whole elements of the weight begin.
          const at = (starts[Number(file.slice(1))] ?? 0) + offset;
          const before = weights.slice(0, Number(name.slice(1).split("#")[0]));
          const start = before.reduce((sum, [kind, count]) => sum + (widths[kind] ?? 0) * count, 0);
          const width = dtype === "f32" ? 4 : dtype === "f16" ? 2 : dtype === "c64" ? 8 : 1;
          expect((at - start) % width).toBe(0);
        }
        const covered = external.reduce((sum, { length }) => sum + length, 0);
        expect(total - covered).toBeLessThanOrEqual(8 * cuts.length);
      },
    ),
    { numRuns: 500 },
  );
});

test.for<[string, unknown, string]>([
  ["text", "model", "expected an object"],
  ["a manifest that is no list", { weightsManifest: {} }, "expected a list"],
  ["weights without files", model({ weights: [weight("w", [1])] }), "a group has weights and no files"],
  ["a file twice", model({ paths: ["a", "a"], weights: [] }), "a group names a file twice"],
  ["a file elsewhere", model({ paths: ["../a"], weights: [] }), "'../a' is no file in the folder"],
  ["no shape", model({ paths: ["a"], weights: [{ name: "w", dtype: "bool" }] }), "weight 'w' has no shape"],
  [
    "a negative shape",
    model({ paths: ["a"], weights: [weight("w", [-1])] }),
    String.raw`weight 'w' has shape \[-1\]`,
  ],
  [
    "2^52 floats",
    model({ paths: ["a"], weights: [weight("w", [2 ** 52])] }),
    String.raw`weight 'w' has shape`,
  ],
  ["a fraction", model({ paths: ["a"], weights: [weight("w", [1.5])] }), "expected a whole number"],
  [
    "65 dimensions",
    model({ paths: ["a"], weights: [weight("w", Array(65).fill(1))] }),
    "a weight has more than 64",
  ],
])("refused: %s", ([, value, message]) => {
  expect(() => parseTfjs(source(value))).toThrow(malformed(message));
});

test("a manifest that stands twice and one nested too deep are refused", () => {
  const parse = (text: string) => parseTfjs(new MemorySource(Buffer.from(text)));
  expect(() => parse('{"weightsManifest":[],"weightsManifest":[]}')).toThrow(
    malformed("key .* stands twice"),
  );
  expect(() => parse(`{"modelTopology":${"[".repeat(1e6)}`)).toThrow(
    malformed("values nested deeper than 128"),
  );
  expect(() => parse(`[${"{},".repeat(1e6)}{}]`)).toThrow(malformed("more than 1000000 tensors"));
  expect(() => parse('{"modelTopology":"\u0000"}')).toThrow(malformed("expected no control character"));
});

test("any JSON gives a sound table or FILE_MALFORMED", () => {
  const whole = JSON.stringify(
    model({ paths: ["a", "b"], weights: [weight("w", [2, 3]), weight("v", [1], "bool")] }),
  );
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from(`"{}[],:-0123456789eE.\\u`)));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), byte), { maxLength: 6 }),
      fc.nat(20),
      (changes, cut) => {
        const bytes = Buffer.from(whole).subarray(0, whole.length - (cut > 10 ? 0 : cut));
        for (const [at, value] of changes) bytes[at] = value;
        try {
          assertSound(
            parseTfjs(new MemorySource(bytes), () => 14),
            bytes.length,
          );
        } catch (error) {
          if (!isSmcError(error, "FILE_MALFORMED")) throw error;
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test("models are known by their keys, and manifests by their name", () => {
  expect(parseTensors(source(model()), "vision.json")?.format).toBe("TensorFlow.js");
  expect(parseTensors(source([]), "tiny-weights_manifest.json")?.format).toBe("TensorFlow.js");
  expect(parseTensors(source({ name: "package" }), "package.json")).toBeUndefined();
});
