import { expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { evaluateModel, type EvaluationReport } from "./evaluate.ts";
import { evaluateOnnx } from "./evaluate-onnx.ts";
import { exportModel } from "./export/export-model.ts";
import { png } from "./testing/images.ts";
import { flatModel, halfModel, meansModel } from "./testing/onnx.ts";
import { npy, npz, refusal, type Scene, trainIn, withScene } from "./testing/scene.ts";

const { signal } = new AbortController();
const PIXELS = { kind: "npz", path: "pixels.npz" };

function evaluated(
  { inputDir, outputDir }: Scene,
  given: object,
  { classes, split = "all" }: { classes?: string[]; split?: "all" | "validation" } = {},
): Promise<EvaluationReport> {
  return evaluateOnnx(given, { inputDir, modelDir: outputDir, split, signal, classes });
}

/** Red pixels are class 0, green ones class 1; one of the red is green. */
async function writePixels(scene: Scene, model: Uint8Array): Promise<void> {
  const x = Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 255, 0, 255, 0, 0]);
  const y = Uint8Array.from([0, 1, 0, 0]);
  await scene.write("pixels.npz", npz({ x: npy("|u1", [4, 1, 1, 3], x), y: npy("|u1", [4], y) }));
  await scene.write("../out/onnx/model.onnx", model);
}

test("evaluateOnnx() of an export gives the numbers of the model that it was made of", async () => {
  await withScene(async (scene) => {
    for (const at of Array.from({ length: 12 }, (_, index) => index)) {
      await scene.write(`d/light/${at}.png`, png(8, 8, [150 + at * 3, 200, 180]));
      await scene.write(`d/dark/${at}.png`, png(8, 8, [20 + at * 9, 90, 10]));
    }
    const data = { kind: "images", path: "d", channels: 1 };
    await trainIn(scene, { data, epochs: 2, backbone: { name: "tiny-cnn", width: 0.2, inputSize: 8 } });
    const folders = { inputDir: scene.inputDir, modelDir: scene.outputDir };
    await exportModel(null, { ...folders, outputDir: join(scene.outputDir, "e"), formats: ["onnx"], signal });
    await scene.write("../out/onnx/model.onnx", readFileSync(join(scene.outputDir, "e", "model.onnx")));
    // Of another size, and in colours: the file says what it takes.
    const given = { data: { kind: "images", path: "d" } };
    const own = await evaluateModel(given, { ...folders, split: "all", signal });
    const told = await evaluated(scene, given);
    const { backend, isTrainingData, ...same } = own;
    expect({ backend, isTrainingData }).toEqual({ backend: "wasm", isTrainingData: true });
    const { metrics, ...rest } = same;
    expect(told).toMatchObject({ ...rest, isTrainingData: null, classesFrom: "model" });
    for (const [name, value] of Object.entries(metrics)) expect(told.metrics[name]).toBeCloseTo(value, 4);
  });
});

test("evaluateOnnx() takes any model: half precision, numbers before shares, classes in their order or another", async () => {
  await withScene(async (scene) => {
    for (const model of [meansModel(), halfModel()]) {
      await writePixels(scene, model);
      const told = await evaluated(scene, { data: PIXELS, backbone: { pixels: "raw" } });
      expect(told).toMatchObject({ samples: 4, metrics: { acc: 0.75 }, classesFrom: "data" });
      // Right ones have 255 against 0, the wrong one 0 against 255.
      expect(told.metrics["loss"]).toBeCloseTo(255 / 4, 3);
      expect(told.metrics["balanced_acc"]).toBeCloseTo((2 / 3 + 1) / 2, 5);
      expect(told.confusion).toContainEqual({ expected: "0", predicted: "1", samples: 1 });
    }
    const other = await evaluated(scene, { data: PIXELS }, { classes: ["1", "0"] });
    expect(other).toMatchObject({ metrics: { acc: 0.25 }, classesFrom: "asked" });
    const few = { data: PIXELS, validation: 0.4 };
    expect((await evaluated(scene, few, { split: "validation" })).samples).toBe(1);
  });
});

test("evaluateOnnx() takes shares as they are, and numbers to predict", async () => {
  await withScene(async (scene) => {
    await scene.write("r.csv", "a,b,label\n0.9,0.1,x\n0.2,0.8,y\n");
    await scene.write("../out/onnx/model.onnx", flatModel([1, 2]));
    const shares = await evaluated(scene, { data: { kind: "csv", path: "r.csv" } });
    expect(shares.metrics["loss"]).toBeCloseTo(-(Math.log(0.9) + Math.log(0.8)) / 2, 5);
    await scene.write("n.csv", "a,label\n1,2\n5,2\n");
    await scene.write("../out/onnx/model.onnx", flatModel([undefined, 1]));
    const numbers = await evaluated(scene, { data: { kind: "csv", path: "n.csv", task: "regress" } });
    expect(numbers).toMatchObject({ metrics: { loss: 5, mae: 2, rmse: Math.sqrt(5) }, classes: [] });
  });
});

test("evaluateOnnx() says what does not fit: shapes, numbers of classes, names", async () => {
  await withScene(async (scene) => {
    await writePixels(scene, meansModel());
    const refused = async (given: object, classes?: string[]): Promise<string> => {
      const asked = classes === undefined ? {} : { classes };
      const { code, message } = await refusal(() => evaluated(scene, given, asked));
      expect(message).toMatch(/; nothing was computed$/);
      return `${code} ${message}`;
    };
    expect(await refused({ data: PIXELS }, ["a", "b", "c"])).toMatch(
      /^CONFIG_INVALID the model gives 2 numbers for each sample, --classes has 3 classes/,
    );
    expect(await refused({ data: PIXELS }, ["0", "2"])).toContain(
      "the class '1', which the model does not know",
    );
    expect(await refused({ data: PIXELS, backbone: { output: "flat" } })).toContain(
      "the data have 2 classes",
    );
    const strange = await refusal(() => evaluated(scene, { data: PIXELS, backbone: { pixels: "x" } }));
    expect(strange.message).toContain("backbone.pixels: must be one of unit, signed, imagenet, raw");
    await scene.write("r.csv", "a,label\n0.9,x\n0.2,y\n");
    expect(await refused({ data: { kind: "csv", path: "r.csv" } })).toMatch(
      /^CONFIG_INVALID the model takes samples of 3 x any x any, the data have 1/,
    );
    await scene.write("../out/onnx/model.onnx", "no model");
    expect(await refused({ data: PIXELS })).toMatch(/^FILE_MALFORMED the model: it is /);
  });
});
