import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { evaluateModel, type EvaluationReport } from "./evaluate.ts";
import { decodeTensors, encodeTensors } from "./safetensors.ts";
import { meansModel } from "./testing/onnx.ts";
import { BARS, bars, npy, npz, refusal, type Scene, trainIn, withScene } from "./testing/scene.ts";

const QUICK = {
  data: BARS,
  epochs: 4,
  batch: 16,
  lr: 0.01,
  backbone: { name: "tiny-cnn", layers: 1, width: 0.25 },
};

function evaluate(
  { inputDir, outputDir }: Scene,
  given: object = { data: BARS },
  split: "all" | "validation" = "validation",
): Promise<EvaluationReport> {
  return evaluateModel(given, { inputDir, modelDir: outputDir, split, signal: new AbortController().signal });
}

test("evaluateModel() gives on the samples that were kept aside what the training has measured on them", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(90, 8));
    const { result } = await trainIn(scene, { ...QUICK, seed: 3 });
    const report = await evaluate(scene);
    expect(report).toMatchObject({ digest: result.data.digest, isTrainingData: true, samples: 18 });
    expect(report.metrics["acc"]).toBe(result.metrics.val_acc);
    expect(report.metrics["loss"]).toBeCloseTo(result.metrics.val_loss ?? Number.NaN, 6);
    const right = report.classes.reduce((sum, row) => sum + row.right, 0);
    expect(right / 18).toBeCloseTo(report.metrics["acc"] ?? Number.NaN, 12);
    expect(report.classes.map(({ name, samples }) => [name, samples])).toEqual([
      ["0", 9],
      ["1", 9],
    ]);
    expect(report.confusion.reduce((sum, { samples }) => sum + samples, 0)).toBe(18);
    expect(await evaluate(scene, { data: BARS }, "all")).toMatchObject({ samples: 90 });
    await scene.write("bars.npz", bars(80, 8));
    expect(await evaluate(scene, { data: BARS }, "all")).toMatchObject({
      samples: 80,
      isTrainingData: false,
    });
  });
});

test("evaluateModel() takes classes by their names, and names those that the model does not know", async () => {
  await withScene(async (scene) => {
    const rows = (names: readonly string[]): string =>
      [
        "a,b,label",
        ...Array.from({ length: 40 }, (_, at) => `${at % 2},${1 - (at % 2)},${names[at % 2] ?? ""}`),
      ].join("\n");
    await scene.write("rows.csv", rows(["cat", "dog"]));
    const data = { kind: "csv", path: "rows.csv" };
    await trainIn(scene, { data, epochs: 20, lr: 0.05, backbone: { name: "mlp", layers: 1, width: 0.1 } });
    // A sample fewer of the first class, so that the order in which they are met changes.
    await scene.write("other.csv", `a,b,label\n1,0,dog\n${rows(["cat", "dog"]).slice(10)}`);
    const report = await evaluate(scene, { data: { kind: "csv", path: "other.csv" } }, "all");
    expect(report.metrics).toMatchObject({ acc: 1, balanced_acc: 1 });
    expect(report.confusion.every(({ expected, predicted }) => expected === predicted)).toBe(true);
    await scene.write("more.csv", rows(["cat", "emu"]));
    expect(await refusal(() => evaluate(scene, { data: { kind: "csv", path: "more.csv" } }))).toMatchObject({
      code: "FILE_MALFORMED",
      message: "the data have the class 'emu', which the model does not know; nothing was computed",
    });
    await scene.write("wide.csv", rows(["cat", "dog"]).replace("a,b", "a,b,c").replaceAll(/^\d/gm, "1,$&"));
    expect((await refusal(() => evaluate(scene, { data: { kind: "csv", path: "wide.csv" } }))).message).toBe(
      "the data have samples of 3, the model takes 2; nothing was computed",
    );
    expect((await refusal(() => evaluate(scene, { data: { kind: "csv", path: "none.csv" } }))).code).toBe(
      "PATH_NOT_FOUND",
    );
  });
});

test("evaluateModel() of a model that predicts numbers tells how far they are off", async () => {
  await withScene(async (scene) => {
    const lines = Array.from({ length: 40 }, (_, at) => `${at},${at * 2 + 1}`);
    await scene.write("line.csv", ["x,label", ...lines].join("\n"));
    const data = { kind: "csv", path: "line.csv", task: "regress" };
    const spec = { data, epochs: 3, backbone: { name: "mlp", layers: 1, width: 0.1 } };
    const { result } = await trainIn(scene, spec);
    const { metrics, classes } = await evaluate(scene, { data: { kind: "csv", path: "line.csv" } });
    expect(metrics["mae"]).toBeCloseTo(result.metrics.val_mae ?? Number.NaN, 5);
    expect(metrics["rmse"]).toBeCloseTo(Math.sqrt(result.metrics.val_loss ?? Number.NaN), 5);
    expect(classes).toEqual([]);
  });
});

test("evaluateModel() computes the features of a frozen backbone again, and only with that very model", async () => {
  await withScene(async (scene) => {
    const x = Uint8Array.from({ length: 20 * 12 }, (_, at) => (Math.floor(at / 12) % 2 === at % 3 ? 250 : 5));
    const y = Uint8Array.from({ length: 20 }, (_, at) => at % 2);
    await scene.write("colours.npz", npz({ x: npy("|u1", [20, 2, 2, 3], x), y: npy("|u1", [20], y) }));
    await scene.write("means.onnx", meansModel());
    const data = { kind: "npz", path: "colours.npz" };
    const { result } = await trainIn(scene, {
      data,
      epochs: 3,
      backbone: { name: "onnx", file: "means.onnx" },
    });
    const backbone = join(scene.outputDir, "onnx", "model.onnx");
    mkdirSync(dirname(backbone));
    copyFileSync(join(scene.inputDir, "means.onnx"), backbone);
    expect((await evaluate(scene, { data })).metrics["loss"]).toBeCloseTo(
      result.metrics.val_loss ?? Number.NaN,
      6,
    );
    writeFileSync(backbone, meansModel([1, 0, 0, 1, 1, 2]));
    expect((await refusal(() => evaluate(scene, { data }))).message).toContain(
      "is not the model that it was trained on",
    );
  });
});

test("evaluateModel() refuses files that no run has left, and weights that give no numbers", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(20, 8));
    await trainIn(scene, { ...QUICK, epochs: 1 });
    const path = (name: string): string => join(scene.outputDir, name);
    const text = readFileSync(path("architecture.json"), "utf8");
    const architecture = JSON.parse(text) as { layers: object[]; scaling: object };
    const nested = '{"kind":"residual","activation":"relu","shortcut":[],"body":['.repeat(2000);
    for (const broken of [
      "{",
      "[]",
      JSON.stringify({ ...architecture, layers: [{ kind: "attention" }] }),
      JSON.stringify({ ...architecture, layers: [{ kind: "flatten" }, ...architecture.layers] }),
      JSON.stringify({ ...architecture, scaling: { mean: [0, 0], deviation: [1, 1] } }),
      JSON.stringify({ ...architecture, classes: ["0"] }),
      JSON.stringify({ ...architecture, layers: [] }).replace("[]", `[${nested}${"]}".repeat(2000)}]`),
    ]) {
      writeFileSync(path("architecture.json"), broken);
      expect((await refusal(() => evaluate(scene))).code, broken.slice(0, 200)).toBe("FILE_MALFORMED");
    }
    writeFileSync(path("architecture.json"), text);
    const bytes = readFileSync(path("model.safetensors"));
    const { tensors, metadata } = decodeTensors(bytes, "model");
    tensors.get("output.bias")?.values.fill(Number.NaN);
    writeFileSync(path("model.safetensors"), encodeTensors({ tensors, metadata }));
    expect((await refusal(() => evaluate(scene))).message).toMatch(/^the model gives NaN for sample \d+;/);
    writeFileSync(path("model.safetensors"), bytes.subarray(0, -1));
    expect((await refusal(() => evaluate(scene))).code).toBe("FILE_MALFORMED");
  });
});
