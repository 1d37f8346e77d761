import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { BACKBONES } from "../engine/backbones.ts";
import { decodeTensors, encodeTensors } from "../safetensors.ts";
import { readSavedModel } from "../saved-model.ts";
import { openModelBytes } from "../onnx/embed.ts";
import { branchModel, flatModel, halfModel, meansModel } from "../testing/onnx.ts";
import { BARS, bars, npy, npz, refusal, type Scene, trainIn, withScene } from "../testing/scene.ts";
import {
  compareOnnx,
  DIFFERENCE_MAX,
  type ExportFormat,
  exportModel,
  type ExportReport,
} from "./export-model.ts";
import { onnxModel } from "./onnx-model.ts";

function exported(
  { inputDir, outputDir }: Scene,
  { given = null, formats = ["onnx", "tfjs"] }: { given?: object | null; formats?: ExportFormat[] } = {},
): Promise<ExportReport> {
  const { signal } = new AbortController();
  return exportModel(given, {
    inputDir,
    modelDir: outputDir,
    outputDir: join(outputDir, "exported"),
    formats,
    signal,
  });
}

const filesIn = (scene: Scene): string[] => {
  const folder = join(scene.outputDir, "exported");
  return existsSync(folder) ? (readdirSync(folder, { recursive: true }) as string[]).sort() : [];
};

test.for([...BACKBONES])(
  "exportModel() of %s gives ONNX and TF.js that compute what the trainer computes",
  async (name) => {
    await withScene(async (scene) => {
      // An odd size, so that padding and pooling have an edge.
      await scene.write("bars.npz", bars(48, 9));
      const data = { ...BARS, normalize: "standard" };
      // A channel less or more than a power of two; trained for long enough that moments have moved.
      await trainIn(scene, {
        data,
        epochs: 2,
        batch: 16,
        lr: 0.01,
        backbone: { name, width: 0.3, dropout: 0.2 },
      });
      const before = tf.memory().numTensors;
      const report = await exported(scene);
      expect(tf.memory().numTensors).toBe(before);
      expect(report).toMatchObject({
        samples: 32,
        areReal: true,
        formats: [{ format: "onnx" }, { format: "tfjs" }],
      });
      for (const { difference } of report.formats) expect(difference).toBeLessThan(DIFFERENCE_MAX / 4);
      expect(filesIn(scene)).toEqual(["model.onnx", "tfjs", "tfjs/group1-shard1of1.bin", "tfjs/model.json"]);
    });
  },
);

test("exportModel() of a model that predicts numbers keeps their scaling, and of colours their channels", async () => {
  await withScene(async (scene) => {
    const lines = Array.from({ length: 40 }, (_, at) => `${at},${1000 + at * at},${at * 2 + 1}`);
    await scene.write("line.csv", ["x,y,label", ...lines].join("\n"));
    const data = { kind: "csv", path: "line.csv", task: "regress" };
    await trainIn(scene, { data, epochs: 3, backbone: { name: "mlp", layers: 1, width: 0.1 } });
    expect((await exported(scene)).areReal).toBe(true);
    const other = { ...scene, outputDir: join(scene.outputDir, "colours") };
    await other.write("../out/colours/keep", "");
    const x = Uint8Array.from({ length: 20 * 75 }, (_, at) => (at * 7919) % 251);
    const y = Uint8Array.from({ length: 20 }, (_, at) => at % 2);
    await scene.write("colours.npz", npz({ x: npy("|u1", [20, 5, 5, 3], x), y: npy("|u1", [20], y) }));
    const colours = { kind: "npz", path: "colours.npz" };
    await trainIn(other, { data: colours, epochs: 1, backbone: { name: "tiny-cnn", width: 0.2 } });
    expect(await exported(other)).toMatchObject({ samples: 20, areReal: true });
  });
});

test("exportModel() compares on made-up samples where the data are gone, unless some were named", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(20, 8));
    await trainIn(scene, { data: BARS, epochs: 1, backbone: { name: "mlp", layers: 1, width: 0.1 } });
    await scene.write("bars.npz", "gone");
    expect(await exported(scene)).toMatchObject({ samples: 32, areReal: false });
    expect((await refusal(() => exported(scene, { given: { data: BARS } }))).code).toBe("FILE_MALFORMED");
  });
});

test("exportModel() leaves no file of a model that differs from the trained one", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(20, 8));
    await trainIn(scene, { data: BARS, epochs: 1, backbone: { name: "mlp", layers: 1, width: 0.1 } });
    const path = join(scene.outputDir, "model.safetensors");
    const { tensors, metadata } = decodeTensors(readFileSync(path), "model");
    const saved = await readSavedModel(scene.outputDir);
    const values = new Float32Array(64).fill(100);
    const bytes = onnxModel(saved);
    const bias = tensors.get("output.bias")?.values ?? new Float32Array(0);
    bias[0] = (bias[0] ?? 0) + 0.01;
    const wrong = { values, count: 1, logits: Float32Array.of(7, 7) };
    expect(await refusal(() => compareOnnx(bytes, saved, wrong))).toMatchObject({
      code: "EXPORT_DIFFERS",
      exit: 4,
      message: expect.stringMatching(/a number is off by [\d.]+, more than 0.0007/),
    });
    expect((await refusal(() => compareOnnx(bytes.subarray(0, -9), saved, wrong))).code).toBe(
      "EXPORT_DIFFERS",
    );
    bias.fill(Number.NaN);
    writeFileSync(path, encodeTensors({ tensors, metadata }));
    expect((await refusal(() => exported(scene))).code).toBe("EXPORT_DIFFERS");
    expect(filesIn(scene)).toEqual([]);
  });
});

/** A head on this model, learned from images of 2 × 2 pixels in colours. */
async function trainHead(
  scene: Scene,
  { bytes, numbers = "|u1", ...more }: { bytes: Uint8Array; numbers?: "|u1" | "<f4"; [key: string]: unknown },
): Promise<void> {
  const values = Array.from({ length: 20 * 12 }, (_, at) => (at * 31) % 256);
  const x = numbers === "|u1" ? Uint8Array.from(values) : Float32Array.from(values, (value) => value / 300);
  const y = Uint8Array.from({ length: 20 }, (_, at) => at % 2);
  const pixels = new Uint8Array(x.buffer);
  await scene.write("colours.npz", npz({ x: npy(numbers, [20, 2, 2, 3], pixels), y: npy("|u1", [20], y) }));
  await scene.write("m.onnx", bytes);
  await scene.write("../out/onnx/model.onnx", bytes);
  const backbone = { name: "onnx", file: "m.onnx", layers: 1, ...more };
  await trainIn(scene, { data: { kind: "npz", path: "colours.npz" }, epochs: 2, lr: 0.05, backbone });
}

test.for<[string, () => Parameters<typeof trainHead>[1]]>([
  ["features as rows", () => ({ bytes: meansModel(), pixels: "imagenet" })],
  ["a map in front of the classes", () => ({ bytes: meansModel(), output: "mean" })],
  ["half precision", () => ({ bytes: halfModel(), pixels: "signed" })],
  ["one sample at a time, channels last", () => ({ bytes: flatModel([1, 2, 2, 3]), layout: "nhwc" })],
  ["numbers that are no bytes", () => ({ bytes: flatModel([undefined, 3, 2, 2]), numbers: "<f4" })],
  ["names that its own are, and graphs inside of nodes", () => ({ bytes: branchModel() })],
])("S1.14 exportModel() writes a frozen backbone with %s and its head as one ONNX file", async ([, made]) => {
  await withScene(async (scene) => {
    await trainHead(scene, made());
    const report = await exported(scene, { formats: ["onnx"] });
    expect(report).toMatchObject({ samples: 20, areReal: true });
    expect(report.formats[0]?.difference).toBeLessThan(DIFFERENCE_MAX / 4);
    const bytes = readFileSync(join(scene.outputDir, "exported", "model.onnx"));
    const { input, outputs, metadata } = openModelBytes(bytes, (why) => new Error(why));
    expect(input).toMatchObject({ name: "input", element: 1 });
    expect(input.shape.slice(1)).toEqual([3, 2, 2]);
    expect(outputs).toEqual(["probabilities", "logits"]);
    expect(metadata.get("classes")).toBe('["0","1"]');
  });
});

test("exportModel() of a head is refused as TF.js, on another backbone, and where nobody knows its numbers", async () => {
  await withScene(async (scene) => {
    await trainHead(scene, { bytes: meansModel() });
    expect(await refusal(() => exported(scene))).toMatchObject({ code: "FILE_UNSUPPORTED", exit: 5 });
    const onnx = (): Promise<ExportReport> => exported(scene, { formats: ["onnx"] });
    await scene.write("../out/onnx/model.onnx", meansModel([1, 0, 0, 1, 1, 2]));
    expect((await refusal(onnx)).message).toContain("is not the model that it was trained on");
    await scene.write("colours.npz", "gone");
    expect((await refusal(onnx)).message).toContain("may hold bytes or other numbers");
    expect(filesIn(scene)).toEqual([]);
  });
});
