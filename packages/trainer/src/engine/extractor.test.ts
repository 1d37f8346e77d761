import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { png } from "../testing/images.ts";
import { DOUBLE, externalModel, flatModel, HALF, halfModel, meansModel } from "../testing/onnx.ts";
import { refusal, type Scene, trainIn, withScene } from "../testing/scene.ts";
import type { Dataset } from "../data/dataset.ts";
import { type ExtractorSpec, extractFeatures } from "./extractor.ts";

const SPEC: ExtractorSpec = {
  file: "m.onnx",
  output: undefined,
  layout: "auto",
  pixels: "unit",
  inputSize: undefined,
};
const { signal } = new AbortController();

/** Two samples of 2 × 1 pixels in three channels. */
const COLORS: Dataset = {
  shape: [1, 2, 3],
  features: Uint8Array.from([255, 0, 0, 255, 0, 0, 0, 51, 102, 0, 153, 204]),
  labels: Int32Array.from([0, 1]),
  classes: ["a", "b"],
  count: 2,
};

async function featuresIn(scene: Scene, more: Partial<ExtractorSpec>, data = COLORS): Promise<number[]> {
  const made = await extractFeatures(data, { ...SPEC, ...more }, { inputDir: scene.inputDir, signal });
  expect(made.data).toMatchObject({ labels: data.labels, classes: data.classes, count: data.count });
  return [...made.data.features].map((value) => Math.round(value * 1e4) / 1e4);
}

test("extractFeatures() gives an output, or any value inside of the graph, maps as their means", async () => {
  await withScene(async (scene) => {
    await scene.write("m.onnx", meansModel());
    expect(await featuresIn(scene, {})).toEqual([1, 0, 0.6, 1]);
    for (const output of ["flat", "mean"])
      expect(await featuresIn(scene, { output })).toEqual([1, 0, 0, 0, 0.4, 0.6]);
    expect(await featuresIn(scene, { output: "flat", pixels: "signed" })).toEqual([1, -1, -1, -1, -0.2, 0.2]);
    expect(await featuresIn(scene, { output: "flat", pixels: "raw" })).toEqual([255, 0, 0, 0, 102, 153]);
    const grey = { ...COLORS, shape: [1, 2, 1], features: Uint8Array.from([255, 0, 51, 51]) };
    expect(await featuresIn(scene, { output: "flat" }, grey)).toEqual([0.5, 0.5, 0.5, 0.2, 0.2, 0.2]);
  });
});

test("extractFeatures() reads size and order of the channels from the model, and takes rows as they are", async () => {
  await withScene(async (scene) => {
    await scene.write("m.onnx", flatModel([undefined, 3, 1, 2]));
    expect(await featuresIn(scene, {})).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0.2, 0.6, 0.4, 0.8]);
    await scene.write("m.onnx", flatModel([1, 1, 2, 3]));
    expect(await featuresIn(scene, { layout: "nhwc" })).toEqual([1, 0, 0, 1, 0, 0, 0, 0.2, 0.4, 0, 0.6, 0.8]);
    // Brought to the one pixel that the model takes.
    await scene.write("m.onnx", flatModel([undefined, 3, 1, 1]));
    expect(await featuresIn(scene, {})).toEqual([1, 0, 0, 0, 0.4, 0.6]);
    await scene.write("m.onnx", flatModel([undefined, 2]));
    const rows = { ...COLORS, shape: [2], features: Float32Array.from([1.5, -2, 300, 4]) };
    expect(await featuresIn(scene, {}, rows)).toEqual([1.5, -2, 300, 4]);
  });
});

test("extractFeatures() refuses models that cannot be run, that take other samples, or that give no numbers", async () => {
  await withScene(async (scene) => {
    const refused = async (bytes: Uint8Array, more: Partial<ExtractorSpec> = {}): Promise<string> => {
      await scene.write("m.onnx", bytes);
      const { code, message } = await refusal(() => featuresIn(scene, more));
      expect(message).toContain("nothing was trained");
      return `${code} ${message}`;
    };
    const whole = meansModel();
    const cut = await refused(whole.subarray(0, 60));
    expect(cut).toMatch(/^FILE_MALFORMED the backbone 'm.onnx': it is truncated/);
    expect(await refused(whole.subarray(0, 60), { output: "flat" })).toContain("it is truncated");
    expect(await refused(Buffer.from("no model"))).toContain("FILE_MALFORMED");
    const strange = Buffer.from(whole.toString("latin1").replace("MatMul", "MatMux"), "latin1");
    expect(await refused(strange)).toMatch(/^FILE_MALFORMED the backbone 'm.onnx': it cannot be run: /);
    expect(await refused(whole, { output: "x" })).toContain('no node of it gives "x"');
    expect(await refused(meansModel([Number.NaN, 0, 0, 0, 0, 0]))).toContain("it gives NaN for sample 0");
    expect(await refused(flatModel([undefined, 3, 1, 2], 2))).toContain(
      "it takes uint8; float32, float16, float64 are possible",
    );
    expect(await refused(flatModel([undefined, 7]))).toMatch(
      /^CONFIG_INVALID .* takes samples of 7, the data have 1 x 2 x 3/,
    );
    expect(await refused(flatModel([4, 3, 1, 2]))).toContain("it takes 4 samples at once");
    expect((await refusal(() => featuresIn(scene, { file: "../out" }))).code).toBe("UNSAFE_PATH");
    expect((await refusal(() => featuresIn(scene, { file: "none.onnx" }))).code).toBe("PATH_NOT_FOUND");
  });
});

test("extractFeatures() takes models of half and of double precision: inputs, weights and outputs", async () => {
  await withScene(async (scene) => {
    await scene.write("m.onnx", halfModel());
    const near = (await featuresIn(scene, {})).map((value) => Math.round(value * 1e3) / 1e3);
    expect(near).toEqual([1, 0, 0.6, 1]);
    expect(await featuresIn(scene, { output: "flat", pixels: "raw" })).toEqual([255, 0, 0, 0, 102, 153]);
    for (const type of [HALF, DOUBLE]) {
      await scene.write("m.onnx", flatModel([1, 3, 1, 1], type));
      expect(await featuresIn(scene, { pixels: "raw" })).toEqual([255, 0, 0, 0, 102, 153]);
    }
  });
});

test("extractFeatures() takes weights from files beside the model, and refuses those that are not there", async () => {
  await withScene(async (scene) => {
    const { model, weights } = externalModel("w/m.data", 12);
    await scene.write("models/m.onnx", model);
    const refused = async (): Promise<{ code: string; message: string }> =>
      refusal(() => featuresIn(scene, { file: "models/m.onnx" }));
    expect(await refused()).toMatchObject({
      code: "PATH_NOT_FOUND",
      message: expect.stringContaining("'models/w/m.data' of backbone.file") as string,
    });
    await scene.write("models/w/m.data", weights);
    expect(await featuresIn(scene, { file: "models/m.onnx" })).toEqual([1, 0, 0.6, 1]);
    expect(await featuresIn(scene, { file: "models/m.onnx", output: "flat" })).toEqual([
      1, 0, 0, 0, 0.4, 0.6,
    ]);
    await scene.write("models/w/m.data", weights.subarray(0, -1));
    expect((await refused()).message).toContain("its weights 'models/w/m.data' are truncated");
    await scene.write("models/m.onnx", externalModel("../../out", 0).model);
    expect((await refused()).code).toBe("UNSAFE_PATH");
    await scene.write("models/m.onnx", externalModel("", 0).model);
    expect((await refused()).message).toContain('it does not say where the weights "w" are');
  });
});

test("S2.2 a head is learned on frozen features, the same for a seed, and goes on only with that model", async () => {
  await withScene(async (scene) => {
    await scene.write("m.onnx", meansModel());
    for (const at of Array.from({ length: 10 }, (_, index) => index)) {
      await scene.write(`d/warm/${at}.png`, png(4, 4, [200 + at, 20, at]));
      await scene.write(`d/cold/${at}.png`, png(4, 4, [at, 20, 200 + at]));
    }
    const backbone = { name: "onnx", file: "m.onnx" };
    const spec = {
      data: { kind: "images", path: "d" },
      backbone,
      epochs: 8,
      lr: 0.1,
      augment: { mixup: 0.1 },
    };
    const digests: unknown[] = [];
    for (const name of ["one", "two"]) {
      const outputDir = join(scene.inputDir, "..", name);
      mkdirSync(outputDir);
      const { result } = await trainIn(scene, spec, { outputDir });
      expect(result.metrics.val_acc).toBe(1);
      digests.push(result.modelDigest);
      const { extractor, inputShape } = JSON.parse(
        readFileSync(join(outputDir, "architecture.json"), "utf8"),
      );
      expect(inputShape).toEqual([2]);
      expect(extractor).toMatchObject({
        file: "m.onnx",
        output: "y",
        layout: "nchw",
        inputShape: [3, 4, 4],
        features: 2,
      });
    }
    expect(digests[0]).toBe(digests[1]);
    const outputDir = join(scene.inputDir, "..", "one");
    const again = { ...spec, epochs: 9 };
    await scene.write("m.onnx", meansModel([1, 0, 0, 1, 1, 2]));
    const changed = await refusal(() => trainIn(scene, again, { outputDir, resume: true }));
    expect(changed.message).toContain("the data are not the same");
    await scene.write("m.onnx", meansModel());
    expect((await trainIn(scene, again, { outputDir, resume: true })).result.epochs).toBe(9);
  });
});

test("what does not go together with features that are computed once is refused with all else", async () => {
  await withScene(async (scene) => {
    const wrong = { data: { kind: "digits" }, backbone: { name: "onnx" }, augment: { flip: true } };
    const { code, message } = await refusal(() => trainIn(scene, wrong));
    expect(code).toBe("CONFIG_INVALID");
    expect(message).toContain("backbone.file: 'onnx' needs a model");
    expect(message).toContain("augment: features are computed once; only mixup works on them");
    const other = { data: { kind: "digits" }, backbone: { name: "mlp", file: "m.onnx" } };
    expect((await refusal(() => trainIn(scene, other))).message).toContain(
      "backbone.file: only 'onnx' takes it",
    );
  });
});
