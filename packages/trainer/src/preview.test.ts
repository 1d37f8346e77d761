import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PNG } from "pngjs";
import { expect, test } from "vitest";
import { previewBackbone, previewBatch } from "./preview.ts";
import { BARS, bars, refusal, type Scene, withScene } from "./testing/scene.ts";

const { signal } = new AbortController();

test("S2.10 previewBackbone() lists the layers with what comes out of them and what they learn", () => {
  const { layers, weights } = previewBackbone({ name: "tiny-cnn" }, { inputShape: [28, 28, 1], outputs: 10 });
  expect(layers).toEqual([
    { kind: "conv", name: "block1.conv", shape: [28, 28, 16], weights: 9 * 16 + 16 },
    { kind: "maxPool", name: "", shape: [14, 14, 16], weights: 0 },
    { kind: "conv", name: "block2.conv", shape: [14, 14, 32], weights: 9 * 16 * 32 + 32 },
    { kind: "maxPool", name: "", shape: [7, 7, 32], weights: 0 },
    { kind: "flatten", name: "", shape: [1568], weights: 0 },
    { kind: "dense", name: "hidden", shape: [64], weights: 1568 * 64 + 64 },
    { kind: "dropout", name: "", shape: [64], weights: 0 },
    { kind: "dense", name: "output", shape: [10], weights: 650 },
  ]);
  expect(weights).toBe(105_866);
  const residual = previewBackbone({ name: "resnet-tiny" }, { inputShape: [32, 32, 3], outputs: 2 });
  expect(residual.layers.map(({ name }) => name)).toContain("block2.short");
  expect(residual.layers.find(({ name }) => name === "block3.secondNorm")).toMatchObject({
    shape: [8, 8, 64],
    weights: 128,
  });
});

test("S2.5 previewBackbone() refuses a wrong number and an input that is too small", async () => {
  const options = { inputShape: [8, 8, 3], outputs: 2 };
  expect((await refusal(() => previewBackbone({ name: "tiny-cnn", layers: -1 }, options))).message).toContain(
    "backbone.layers: must be >= 1",
  );
  expect((await refusal(() => previewBackbone({ name: "tiny-cnn", layers: 4 }, options))).message).toContain(
    "an input of 8x8x3 is too small",
  );
  const rows = { inputShape: [8], outputs: 2 };
  expect((await refusal(() => previewBackbone({ name: "tiny-cnn" }, rows))).message).toContain(
    "takes images",
  );
});

function preview(scene: Scene, spec: Record<string, unknown>, count = 4): ReturnType<typeof previewBatch> {
  const { inputDir, outputDir } = scene;
  return previewBatch({ data: BARS, ...spec }, { inputDir, outputDir, signal, count });
}

test("S1.3 previewBatch() writes images of the first batch; the same seed gives the same bytes", async () => {
  await withScene(async (scene) => {
    await scene.write("bars.npz", bars(20, 8));
    const augment = { rotateDegrees: 20, cropPixels: 1 };
    const written = await preview(scene, { augment });
    expect(readdirSync(scene.outputDir).sort()).toEqual(
      [1, 2, 3, 4].map((number) => `preview-000${number}.png`),
    );
    expect(written[0]).toMatchObject({ path: "preview-0001.png", label: expect.stringMatching(/^[01]$/) });
    const files = (): Buffer[] => written.map(({ path }) => readFileSync(join(scene.outputDir, path)));
    const first = files();
    await preview(scene, { augment });
    expect(files()).toEqual(first);
    await preview(scene, { augment, seed: 2 });
    expect(files()).not.toEqual(first);
    // Unchanged, the pixels are those of the sample.
    const [plain] = await preview(scene, {}, 1);
    const image = PNG.sync.read(readFileSync(join(scene.outputDir, "preview-0001.png")));
    const lit = [...image.data].filter((value, at) => at % 4 === 0 && value >= 200);
    expect([image.width, image.height, lit.length]).toEqual([8, 8, 8]);
    expect(plain?.sample).toBeLessThan(20);
  });
});

test("previewBatch() refuses rows of numbers, and no images", async () => {
  await withScene(async (scene) => {
    await scene.write("n.csv", "a,label\n1,x\n2,y\n3,x\n4,y\n");
    const data = { kind: "csv", path: "n.csv" };
    expect((await refusal(() => preview(scene, { data, validation: 0 }))).message).toContain("no images");
    expect((await refusal(() => preview(scene, {}, 0))).code).toBe("ARGUMENT_INVALID");
    expect(readdirSync(scene.outputDir)).toEqual([]);
  });
});
