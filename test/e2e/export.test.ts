/** Models for other programs, of real digits. */
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import type { ExportResult, InspectResult } from "@smc/store";
import { createSandbox } from "./sandbox.ts";

const box = await createSandbox();
afterAll(() => box[Symbol.asyncDispose]());

test(
  "S1.14 smc export HEAD --format onnx,tfjs writes both, compared with the trainer on real samples",
  { timeout: 180_000 },
  async () => {
    await box.commit("begin", { "notes.txt": "digits" });
    const data = ["--data", "digits", "--set", "data.samples=200"];
    await box.ok(
      "train",
      "--engine",
      "tfjs",
      ...data,
      "--backbone",
      "tiny-cnn",
      "--epochs",
      "1",
      "--name",
      "cnn",
    );
    await box.ok("switch", "jobs/cnn");
    const told = await box.ok("export", "HEAD", "--format", "onnx,tfjs", "-o", "dist");
    expect(told).toMatch(/^FORMAT +FILE +SIZE +DIFFERENCE\nonnx +model\.onnx +[\d.]+ KiB +\d\.\de-\d+\n/);
    expect(told).toMatch(/^Same as the trainer on 32 samples; the largest difference is \d\.\de-\d+$/m);
    const { format, modelTopology, weightsManifest } = JSON.parse(box.read("dist/tfjs/model.json"));
    expect({ format, paths: weightsManifest[0].paths }).toEqual({
      format: "layers-model",
      paths: ["group1-shard1of1.bin"],
    });
    expect(modelTopology.config.layers[0].config.batch_input_shape).toEqual([null, 28, 28, 1]);
    const { tensors } = await box.json<InspectResult & { tensors: { name: string }[] }>(
      "inspect",
      "dist/model.onnx",
    );
    expect(tensors.map(({ name }) => name)).toContain("block1.conv.weight");
    const onnx = readFileSync(box.path("dist/model.onnx"));
    expect(await box.refused("export", "-o", "dist")).toMatchObject({ code: "WOULD_OVERWRITE", exit: 5 });
    const again = await box.json<ExportResult>(
      "export",
      "--format",
      "onnx",
      "-o",
      "dist",
      "--force",
      "--data",
      "digits",
    );
    expect(again).toMatchObject({ samples: 32, areReal: true });
    expect(readFileSync(box.path("dist/model.onnx")).equals(onnx)).toBe(true);
  },
);

test("S1.14 smc export refuses a version without a model of the trainer, and writes nothing", async () => {
  expect(await box.refused("export", "main", "-o", "other")).toMatchObject({
    code: "FILE_UNSUPPORTED",
    exit: 5,
  });
  expect(await box.refused("export", "--format", "h5")).toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
  expect(() => box.read("other/model.onnx")).toThrow("ENOENT");
});
