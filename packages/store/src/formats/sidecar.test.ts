import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/folder.ts";
import { FileSource } from "./file-source.ts";
import { describeBySibling, tableOf } from "./sidecar.ts";
import type { TensorTable } from "./table.ts";
import { lines } from "./testing/memory-source.ts";

const model = (paths: string[], ...shapes: number[][]): string =>
  JSON.stringify({
    modelTopology: {},
    weightsManifest: [
      { paths, weights: shapes.map((shape, index) => ({ name: `w${index}`, shape, dtype: "float32" })) },
    ],
  });
const bytes = (field: number, value: Buffer | string): Buffer =>
  Buffer.concat([Buffer.from([field * 8 + 2, value.length]), Buffer.from(value)]);
/** An ONNX model of one tensor in another file. */
const onnxModel = (location: string): Buffer => {
  const entry = bytes(13, Buffer.concat([bytes(1, "location"), bytes(2, location)]));
  const tensor = Buffer.concat([Buffer.from([8, 4, 16, 1]), bytes(8, "w"), entry, Buffer.from([14 * 8, 1])]);
  return bytes(7, bytes(5, tensor));
};
const describe = (folder: string, name: string, sizeBytes: number): string[] | undefined => {
  const table = describeBySibling(join(folder, name), sizeBytes);
  return table === undefined ? undefined : [table.format, ...lines(table)];
};

test("describeBySibling() finds a shard in model.json, cut where the files end", async () => {
  await withFolder(async (folder) => {
    const shards = ["group1-shard1of2.bin", "group1-shard2of2.bin"];
    writeFileSync(join(folder, "model.json"), model(shards, [3], [2, 2]));
    writeFileSync(join(folder, shards[0] ?? ""), Buffer.alloc(18));
    writeFileSync(join(folder, shards[1] ?? ""), Buffer.alloc(10));
    expect(describe(folder, "group1-shard1of2.bin", 18)).toEqual([
      "TensorFlow.js data",
      "w0 f32 [3] 0+12",
      "w1#1 f32 [1] 12+4",
    ]);
    expect(describe(folder, "group1-shard2of2.bin", 10)).toEqual(["TensorFlow.js data", "w1#2 f32 [2] 2+8"]);
    expect(describe(folder, "group1-shard2of2.bin", 9)).toBeUndefined();
    expect(describe(folder, "other.bin", 28)).toBeUndefined();
    expect(describe(folder, "notes.txt", 28)).toBeUndefined();
    // The description changed: what was read before counts no more.
    writeFileSync(join(folder, "model.json"), model(shards, [7]));
    expect(describe(folder, "group1-shard1of2.bin", 18)).toEqual(["TensorFlow.js data", "w0#1 f32 [4] 0+16"]);
  });
});

test.for([
  ["model.onnx", "model.onnx_data"],
  ["model.onnx", "model.onnx.data"],
  ["big.onnx", "weights.bin"],
  ["net.onnx", "net.data"],
])("describeBySibling() finds that %s describes %s", async ([description = "", name = ""]) => {
  await withFolder(async (folder) => {
    writeFileSync(join(folder, description), onnxModel(name));
    expect(describe(folder, name, 100)).toEqual(["ONNX data", "w f32 [4] 0+16"]);
  });
});

test("describeBySibling() looks for the manifest of the same name among many", async () => {
  await withFolder(async (folder) => {
    for (let index = 0; index < 20; index += 1)
      writeFileSync(join(folder, `a${index}-weights_manifest.json`), model([`a${index}.bin`], [4]));
    expect(describe(folder, "a19.bin", 16)).toEqual(["TensorFlow.js data", "w0 f32 [4] 0+16"]);
  });
});

test("describeBySibling() passes over what is no model, is a link or a fifo, or may not be read", async () => {
  await withFolder(async (folder) => {
    mkdirSync(join(folder, "elsewhere"));
    writeFileSync(join(folder, "elsewhere", "model.json"), model(["weights.bin"], [4]));
    symlinkSync(join("elsewhere", "model.json"), join(folder, "model.json"));
    execFileSync("mkfifo", [join(folder, "a.onnx")]);
    mkdirSync(join(folder, "b.onnx"));
    writeFileSync(join(folder, "c.onnx"), "not a model");
    writeFileSync(join(folder, "d-model.json"), "{");
    expect(describe(folder, "weights.bin", 16)).toBeUndefined();
    writeFileSync(join(folder, "e-model.json"), model(["weights.bin"], [4]));
    expect(describe(folder, "weights.bin", 16)).toEqual(["TensorFlow.js data", "w0 f32 [4] 0+16"]);
    expect(describe(join(folder, "absent"), "weights.bin", 16)).toBeUndefined();
  });
});

test("tableOf() keeps the first of tensors that overlap and nothing beyond the file", () => {
  const span = (name: string, offset: number, length: number, file = "f") => ({
    name,
    dtype: "u8" as const,
    shape: [length],
    offset,
    length,
    file,
  });
  const table = (...external: ReturnType<typeof span>[]): TensorTable | undefined =>
    tableOf({ format: "ONNX", external }, "f", 100);
  const spans = table(
    span("b", 50, 50),
    span("a", 0, 50),
    span("tied", 0, 50),
    span("part", 40, 20),
    span("x", 0, 9, "g"),
  );
  expect(spans?.tensors.map(({ name }) => name)).toEqual(["a", "b"]);
  expect(spans?.tensors[0]).not.toHaveProperty("file");
  expect(table(span("a", 51, 50))).toBeUndefined();
  expect(table(span("x", 0, 9, "g"))).toBeUndefined();
});

test("FileSource reads where it is asked, and regular files only", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a");
    writeFileSync(path, "0123456789");
    symlinkSync("a", join(folder, "link"));
    using source = FileSource.open(path);
    const text = (offset: number, length: number) => Buffer.from(source.read(offset, length)).toString();
    expect([source.sizeBytes, text(3, 4), text(8, 4), text(20, 4), text(0, 10)]).toEqual([
      10,
      "3456",
      "89",
      "",
      "0123456789",
    ]);
    expect(() => FileSource.open(join(folder, "link"))).toThrow(
      expect.objectContaining({ code: "UNSAFE_PATH" }),
    );
    expect(() => FileSource.open(join(folder, "absent"))).toThrow(
      expect.objectContaining({ code: "PATH_NOT_FOUND" }),
    );
    expect(() => FileSource.open(folder)).toThrow(expect.objectContaining({ code: "FILE_UNSUPPORTED" }));
    expect(() => FileSource.open("/dev/zero")).toThrow(expect.objectContaining({ code: "FILE_UNSUPPORTED" }));
  });
});
