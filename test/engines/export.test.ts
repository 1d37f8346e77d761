/** The real checker of ONNX takes exported models, and ONNX Runtime for Python computes what the trainer computes. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BACKBONES } from "../../packages/trainer/src/engine/backbones.ts";
import { DIFFERENCE_MAX, expectedOf, exportModel } from "../../packages/trainer/src/export/export-model.ts";
import { extractAgain, readSavedModel } from "../../packages/trainer/src/saved-model.ts";
import { halfModel, meansModel } from "../../packages/trainer/src/testing/onnx.ts";
import {
  BARS,
  bars,
  npy,
  npz,
  type Scene,
  trainIn,
  withScene,
} from "../../packages/trainer/src/testing/scene.ts";
import { runEngine } from "./write-files.ts";

const SIZE = 9;
const SAMPLES = 4;

test("S1.14 exported ONNX passes the checker and gives the same numbers in Python, for every backbone, and for heads", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(40, SIZE));
    const cases: object[] = [];
    for (const name of BACKBONES) {
      const outputDir = join(scene.outputDir, name);
      await scene.write(`../out/${name}/keep`, "");
      const spec = { data: BARS, epochs: 2, batch: 16, lr: 0.01, backbone: { name, width: 0.3 } };
      await trainIn({ ...scene, outputDir }, spec);
      const folders = {
        inputDir: scene.inputDir,
        modelDir: outputDir,
        outputDir: join(outputDir, "exported"),
      };
      const { signal } = new AbortController();
      await exportModel(null, { ...folders, formats: ["onnx"], signal });
      copyFileSync(join(outputDir, "exported", "model.onnx"), join(scene.inputDir, `${name}.onnx`));
      // One channel: first or last is the same.
      const values = Float32Array.from({ length: SAMPLES * SIZE * SIZE }, (_, at) => (at * 7919) % 256);
      const { logits } = expectedOf(await readSavedModel(outputDir), values);
      cases.push({
        file: `${name}.onnx`,
        classes: ["0", "1"],
        inputs: [...values],
        shape: [SAMPLES, 1, SIZE, SIZE],
        logits: [...logits],
        difference_max: DIFFERENCE_MAX,
      });
    }
    for (const [name, bytes] of [
      ["head", meansModel()],
      ["half", halfModel()],
    ] as const)
      cases.push(await headCase(scene, name, bytes));
    writeFileSync(join(scene.inputDir, "cases.json"), JSON.stringify(cases));
    expect(() => runEngine("files", ["run_onnx.py", scene.inputDir])).not.toThrow();
  });
});

/** A head on a frozen model, both in one file. */
async function headCase(scene: Scene, name: string, model: Uint8Array): Promise<object> {
  const modelDir = join(scene.outputDir, name);
  await scene.write(`../out/${name}/onnx/model.onnx`, model);
  await scene.write(`${name}-backbone.onnx`, model);
  // Of one pixel: channels first or last is the same.
  const x = Uint8Array.from({ length: 20 * 3 }, (_, at) => (at * 7919) % 256);
  const y = Uint8Array.from({ length: 20 }, (_, at) => at % 2);
  await scene.write("pixels.npz", npz({ x: npy("|u1", [20, 1, 1, 3], x), y: npy("|u1", [20], y) }));
  const data = { kind: "npz", path: "pixels.npz" };
  const backbone = { name: "onnx", file: `${name}-backbone.onnx`, pixels: "imagenet", layers: 1 };
  await trainIn({ ...scene, outputDir: modelDir }, { data, epochs: 2, lr: 0.05, backbone });
  const { signal } = new AbortController();
  const outputDir = join(modelDir, "exported");
  const folders = { inputDir: scene.inputDir, modelDir, outputDir };
  await exportModel(null, { ...folders, formats: ["onnx"], signal });
  copyFileSync(join(outputDir, "model.onnx"), join(scene.inputDir, `${name}.onnx`));
  const saved = await readSavedModel(modelDir);
  const samples = {
    shape: [1, 1, 3],
    features: x,
    labels: Int32Array.from(y),
    classes: ["0", "1"],
    count: 20,
  };
  if (saved.extractor === undefined) throw new Error("the head has no frozen model");
  const extracted = await extractAgain(samples, saved.extractor, { extractorDir: modelDir, signal });
  const { logits } = expectedOf(saved, Float32Array.from(extracted.data.features));
  return {
    file: `${name}.onnx`,
    classes: ["0", "1"],
    inputs: [...x],
    shape: [20, 3, 1, 1],
    logits: [...logits],
    // Half precision is computed in another order by another build of the runtime.
    difference_max: name === "half" ? 0.01 : DIFFERENCE_MAX,
  };
}
