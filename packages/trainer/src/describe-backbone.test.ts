import { expect, test } from "vitest";
import { describeBackbone, type KnownData, listBackbones } from "./describe-backbone.ts";
import { meansModel } from "./testing/onnx.ts";
import { withScene } from "./testing/scene.ts";

const { signal } = new AbortController();

function describe(spec: object, known: KnownData = {}, inputDir = "."): ReturnType<typeof describeBackbone> {
  return describeBackbone(spec, { known, inputDir, signal });
}

test("S2.10 describeBackbone() lists the layers with what comes out of them and what they learn", async () => {
  const data = { kind: "digits" };
  const described = await describe({ data, backbone: { name: "tiny-cnn" } });
  expect(described.layers).toEqual([
    { kind: "conv", name: "block1.conv", shape: [28, 28, 16], weights: 9 * 16 + 16 },
    { kind: "maxPool", name: "", shape: [14, 14, 16], weights: 0 },
    { kind: "conv", name: "block2.conv", shape: [14, 14, 32], weights: 9 * 16 * 32 + 32 },
    { kind: "maxPool", name: "", shape: [7, 7, 32], weights: 0 },
    { kind: "flatten", name: "", shape: [1568], weights: 0 },
    { kind: "dense", name: "hidden", shape: [64], weights: 1568 * 64 + 64 },
    { kind: "dropout", name: "", shape: [64], weights: 0 },
    { kind: "dense", name: "output", shape: [10], weights: 650 },
  ]);
  expect(described).toMatchObject({ weights: 105_866, inputShape: [28, 28, 1], outputs: 10, faults: [] });
  expect(described.backbone).toEqual({ name: "tiny-cnn", layers: 2, width: 1, dropout: 0 });
  const residual = await describe({ backbone: { name: "resnet-tiny" } }, { outputs: 2 });
  expect(residual.layers.map(({ name }) => name)).toContain("block2.short");
  expect(residual.layers.find(({ name }) => name === "block3.secondNorm")).toMatchObject({
    shape: [8, 8, 64],
    weights: 128,
  });
});

test("describeBackbone() takes size and classes from what is known of the data, else from the spec", async () => {
  const backbone = { name: "mlp" };
  const rows = { data: { kind: "csv", path: "a.csv" }, backbone };
  expect(await describe(rows, { shape: [7], outputs: 3 })).toMatchObject({ inputShape: [7], outputs: 3 });
  const sized = { data: { kind: "images", channels: 1 }, backbone: { ...backbone, inputSize: 16 } };
  expect(await describe(sized, { shape: [64, 64, 1] })).toMatchObject({ inputShape: [16, 16, 1] });
  expect(await describe({ backbone })).toMatchObject({ inputShape: [32, 32, 3], outputs: 10 });
});

test("S2.5 describeBackbone() tells every wrong number at once, and an input that is too small", async () => {
  const wrong = await describe({
    backbone: { name: "tiny-cnn", layers: -1, inputSize: 1, pretrained: true },
  });
  expect(wrong.faults.map(({ field }) => field).sort()).toEqual([
    "backbone.inputSize",
    "backbone.layers",
    "backbone.pretrained",
  ]);
  const small = await describe({ backbone: { name: "tiny-cnn", layers: 4, inputSize: 8 } });
  expect(small.faults).toEqual([
    { field: "backbone", message: expect.stringContaining("an input of 8x8x3 is too small") as string },
  ]);
  const rows = await describe({ data: { kind: "npz" }, backbone: { name: "tiny-cnn" } }, { shape: [8] });
  expect(rows.faults[0]?.message).toContain("takes images");
});

test("describeBackbone() asks the model of onnx how many features it has", async () => {
  await withScene(async (scene) => {
    const { inputDir } = scene;
    await scene.write("m.onnx", meansModel());
    const spec = { backbone: { name: "onnx", file: "m.onnx", output: "flat", inputSize: 8 } };
    const { layers, weights, inputShape } = await describe(spec, { outputs: 4 }, inputDir);
    expect(inputShape).toEqual([3, 8, 8]);
    expect(layers.at(-1)).toMatchObject({ kind: "dense", shape: [4] });
    expect(weights).toBe(3 * 4 + 4);
    await scene.write("m.onnx", "no model");
    expect((await describe(spec, {}, inputDir)).faults[0]?.message).toContain("it is no ONNX model");
  });
});

test("S2.1 listBackbones() has each backbone with what it learns, and the model of a file", () => {
  const kinds = listBackbones();
  expect(kinds.map(({ name }) => name)).toEqual([
    "mlp",
    "tiny-cnn",
    "resnet-tiny",
    "mobilenet-tiny",
    "efficientnet-tiny",
    "onnx",
  ]);
  expect(kinds.find(({ name }) => name === "onnx")?.weights).toBeNull();
  for (const { name, weights } of kinds) if (name !== "onnx") expect(weights).toBeGreaterThan(1000);
});
