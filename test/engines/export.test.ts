/** The real checker of ONNX takes exported models, and ONNX Runtime for Python computes what the trainer computes. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BACKBONES } from "../../packages/trainer/src/engine/backbones.ts";
import { DIFFERENCE_MAX, expectedOf, exportModel } from "../../packages/trainer/src/export/export-model.ts";
import { readSavedModel } from "../../packages/trainer/src/saved-model.ts";
import { BARS, bars, trainIn, withScene } from "../../packages/trainer/src/testing/scene.ts";
import { runEngine } from "./write-files.ts";

const SIZE = 9;
const SAMPLES = 4;

test("S1.14 exported ONNX passes the checker and gives the same numbers in Python, for every backbone", async () => {
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
    writeFileSync(join(scene.inputDir, "cases.json"), JSON.stringify(cases));
    expect(() => runEngine("files", ["run_onnx.py", scene.inputDir])).not.toThrow();
  });
});
