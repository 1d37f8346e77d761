import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PNG } from "pngjs";
import { expect, test } from "vitest";
import { previewBatch } from "./preview.ts";
import { BARS, bars, refusal, type Scene, withScene } from "./testing/scene.ts";

const { signal } = new AbortController();

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
