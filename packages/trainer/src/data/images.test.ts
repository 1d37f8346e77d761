import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { expect, test } from "vitest";
import { type Color, jpg, png } from "../testing/images.ts";
import { refusal, type Scene, withScene } from "../testing/scene.ts";
import { resolveSpec } from "../spec.ts";
import type { Dataset } from "./dataset.ts";
import { ImageThreads } from "./image-threads.ts";
import { loadData } from "./load.ts";

const RED: Color = [255, 0, 0, 255];
const BLUE: Color = [0, 0, 255, 255];

function load(scene: Scene, more: Record<string, unknown> = {}, inputSize?: number): Promise<Dataset> {
  const spec = resolveSpec({
    data: { kind: "images", ...more },
    backbone: inputSize === undefined ? {} : { inputSize },
  });
  return loadData(spec, { inputDir: scene.inputDir, signal: new AbortController().signal });
}

test("a folder of images per class is read in turn, PNG and JPEG, other files and links left alone", async () => {
  await withScene(async (scene) => {
    await scene.write("red/2.jpg", jpg(4, 3, RED));
    await scene.write("red/1.png", png(4, 3, RED));
    await scene.write("blue/a.PNG", png(4, 3, BLUE));
    await scene.write("blue/notes.txt", "no image");
    await symlink(join(scene.inputDir, "red", "1.png"), join(scene.inputDir, "blue", "z.png"));
    const data = await load(scene);
    expect(data).toMatchObject({ shape: [3, 4, 3], classes: ["blue", "red"], count: 3 });
    expect([...data.labels]).toEqual([0, 1, 1]);
    const pixels = data.features as Uint8Array;
    expect([...pixels.subarray(0, 3)]).toEqual([0, 0, 255]);
    expect([...pixels.subarray(36, 39)]).toEqual([255, 0, 0]);
    // A JPEG is not exact.
    expect(pixels[72]).toBeGreaterThan(240);
    expect(pixels[73]).toBeLessThan(16);
  });
});

test("images become grey with one channel, and what is transparent black", async () => {
  await withScene(async (scene) => {
    await scene.write("a/1.png", png(2, 2, RED));
    await scene.write("b/1.png", png(2, 2, [255, 255, 255, 0]));
    const data = await load(scene, { channels: 1 });
    expect(data.shape).toEqual([2, 2, 1]);
    expect([...data.features]).toEqual([76, 76, 76, 76, 0, 0, 0, 0]);
  });
});

test("images of mixed size are refused with both files named, and resized where a size is asked for", async () => {
  await withScene(async (scene) => {
    await scene.write("a/1.png", png(8, 8, RED));
    await scene.write("b/1.png", png(5, 9, BLUE));
    const error = await refusal(() => load(scene));
    expect(error.code).toBe("FILE_MALFORMED");
    expect(error.message).toContain("'b/1.png' has 5 x 9 pixels, 'a/1.png' 8 x 8");
    expect(error.hint).toContain("--set backbone.inputSize=N");
    const data = await load(scene, {}, 4);
    expect(data.shape).toEqual([4, 4, 3]);
    expect([...data.features.subarray(0, 3)]).toEqual([255, 0, 0]);
    expect([...data.features.subarray(48, 51)]).toEqual([0, 0, 255]);
  });
});

test.for([
  ["truncated PNG", png(9, 9, RED).subarray(0, 60)],
  ["PNG cut off inside its head", png(9, 9, RED).subarray(0, 20)],
  ["truncated JPEG", jpg(32, 32, RED).subarray(0, 400)],
  ["text", Buffer.from("hello")],
  ["empty file", Buffer.alloc(0)],
] as const)("a file that is a %s is refused and named", async ([, bytes]) => {
  await withScene(async (scene) => {
    await scene.write("a/1.png", png(9, 9, RED));
    await scene.write("b/broken.png", bytes);
    const error = await refusal(() => load(scene));
    expect(error.code).toBe("FILE_MALFORMED");
    expect(error.message).toContain("'b/broken.png' is truncated or no image");
    expect(error.message).toContain("nothing was trained");
  });
});

test("a PNG that claims more pixels than memory holds is refused before it is unpacked", async () => {
  await withScene(async (scene) => {
    const bytes = png(9, 9, RED);
    bytes.writeUInt32BE(100_000, 16);
    bytes.writeUInt32BE(100_000, 20);
    await scene.write("a/1.png", png(9, 9, RED));
    await scene.write("b/1.png", bytes);
    expect((await refusal(() => load(scene))).message).toContain("it claims 10000000000 pixels");
  });
});

test("one class only, a class without images and no classes are refused", async () => {
  await withScene(async (scene) => {
    expect((await refusal(() => load(scene))).message).toContain("has no folders");
    await scene.write("cats/1.png", png(4, 4, RED));
    expect((await refusal(() => load(scene))).message).toContain("one class only, 'cats'");
    await mkdir(join(scene.inputDir, "dogs"));
    expect((await refusal(() => load(scene))).message).toContain("'dogs' has no PNG or JPEG files");
  });
});

test("data.path may not lead out of the folder of inputs", async () => {
  await withScene(async (scene) => {
    await symlink("/", join(scene.inputDir, "root"));
    for (const path of ["..", "/etc", "root/etc"]) {
      expect((await refusal(() => load(scene, { path }))).code).toBe("UNSAFE_PATH");
    }
    expect((await refusal(() => load(scene, { path: "none" }))).code).toBe("PATH_NOT_FOUND");
  });
});

test("S1.16 --workers: threads decode, and the samples are the same in the same order", async () => {
  await withScene(async (scene) => {
    for (const at of Array.from({ length: 12 }, (_, index) => index)) {
      await scene.write(`a/${at}.png`, png(8 + at, 6, [at * 20, 9, 200, 255]));
      await scene.write(`b/${at}.jpg`, jpg(9, 8 + at, [9, at * 20, 90, 255]));
    }
    const alone = await load(scene, { workers: 1 }, 8);
    const together = await load(scene, { workers: 3 }, 8);
    expect(together).toEqual(alone);
    await scene.write("a/5.png", Buffer.from("no picture"));
    const told = async (workers: number): Promise<string> =>
      (await refusal(() => load(scene, { workers }, 8))).message;
    expect(await told(3)).toContain("'a/5.png' is truncated or no image");
    expect(await told(3)).toBe(await told(1));
  });
});

test("S1.16 ImageThreads decodes in as many threads as it has, more than one at a time", async () => {
  await using threads = new ImageThreads(3);
  const form = { channels: 3, inputSize: 16 };
  const bytes = png(200, 200, RED);
  const answers = await Promise.all(Array.from({ length: 9 }, () => threads.decode({ bytes, form })));
  expect(new Set(answers.map(({ thread }) => thread)).size).toBe(3);
  expect(answers.every(({ thread }) => thread !== threadId)).toBe(true);
  for (const { pixels } of answers) expect(pixels).toMatchObject({ width: 16, height: 16, channels: 3 });
  expect(await threads.decode({ bytes: Buffer.from("x"), form })).toMatchObject({
    why: expect.any(String) as string,
  });
});
