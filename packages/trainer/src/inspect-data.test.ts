import { expect, test } from "vitest";
import { inspectData, type InspectedData } from "./inspect-data.ts";
import { jpg, png } from "./testing/images.ts";
import { npy, npz, refusal, type Scene, trainIn, withScene } from "./testing/scene.ts";

const { signal } = new AbortController();

function look(
  scene: Scene,
  data: Record<string, unknown>,
  { show = 0, ...more }: { show?: number; validation?: number } = {},
): Promise<InspectedData> {
  return inspectData({ data, ...more }, { inputDir: scene.inputDir, signal, show });
}

test("S1.17 inspectData() names every bad image, an empty class, and counts what is left", async () => {
  await withScene(async (scene) => {
    for (const name of ["a/1", "a/2", "a/3", "b/1", "b/2"])
      await scene.write(`${name}.png`, png(6, 6, [9, 9, 9]));
    await scene.write("a/4.png", png(5, 6, [9, 9, 9]));
    await scene.write("b/3.jpg", jpg(32, 32, [9, 9, 9]).subarray(0, 300));
    await scene.write("c/notes.txt", "none");
    const found = await look(scene, { kind: "images" });
    expect(found.problems).toEqual([
      "the class 'c' has no PNG or JPEG files",
      expect.stringMatching(/^'b\/3\.jpg' is truncated or no image: /),
      "'a/4.png' has 5 x 6 pixels, 'a/1.png' 6 x 6",
    ]);
    expect(found).toMatchObject({
      problemCount: 3,
      badSamples: 2,
      samples: 5,
      shape: [6, 6, 3],
      digest: null,
    });
    expect(found.classes).toEqual([
      { name: "a", samples: 3 },
      { name: "b", samples: 2 },
      { name: "c", samples: 0 },
    ]);
  });
});

test("S1.17 inspectData() names every bad row of a CSV file, with its column", async () => {
  await withScene(async (scene) => {
    await scene.write("d.csv", "x,y,label\n1,2,a\nNaN,2,a\n1,,b\n1,2,\n1,2\n3,4,b\n5,6,a\n1,inf,b\n7,8,b\n");
    const found = await look(scene, { kind: "csv", path: "d.csv" }, { validation: 0 });
    expect(found.problems).toEqual([
      "'d.csv', line 3, column 'x': 'NaN' is no finite number",
      "'d.csv', line 4, column 'y': '' is no finite number",
      "'d.csv', line 5: the label is empty",
      "'d.csv', line 6: it has 2 cells instead of 3",
      "'d.csv', line 9, column 'y': 'inf' is no finite number",
    ]);
    expect(found).toMatchObject({ samples: 4, badSamples: 5, split: { train: 4 } });
    const { code, message } = await refusal(() => trainIn(scene, { data: { kind: "csv", path: "d.csv" } }));
    expect(code).toBe("FILE_MALFORMED");
    expect(message).toBe("'d.csv', line 3, column 'x': 'NaN' is no finite number; nothing was trained");
  });
});

test("S1.17 inspectData() names every row of an array that is out of range or no number, once", async () => {
  await withScene(async (scene) => {
    const values = new Float32Array([0, 1, 2, Number.NaN, 4, 5, 6, 7, Infinity, Number.NaN, 1, 1]);
    const x = npy("<f4", [6, 2], new Uint8Array(values.buffer));
    await scene.write("d.npz", npz({ x, y: npy("|i1", [6], new Uint8Array([0, 1, 1, 9, 255, 0])) }));
    const found = await look(scene, { kind: "npz", path: "d.npz", classes: 2 }, { validation: 0 });
    expect(found.problems).toEqual([
      "'d.npz', array 'x', row 1: NaN is no finite number",
      "'d.npz', array 'y', row 3: the label 9 is out of range: it must be a whole number from 0 to 1",
      "'d.npz', array 'x', row 4: Infinity is no finite number",
    ]);
    expect(found).toMatchObject({ samples: 3, badSamples: 3 });
    expect(found.classes).toEqual([
      { name: "0", samples: 2 },
      { name: "1", samples: 1 },
    ]);
  });
});

test("inspectData() tells of one class only, of a broken file as a whole, and of no more than 100 rows", async () => {
  await withScene(async (scene) => {
    await scene.write("one.csv", "x,label\n1,a\n2,a\n3,a\n");
    expect((await look(scene, { kind: "csv", path: "one.csv" })).problems).toEqual([
      "'one.csv' has samples of one class only, 'a': there is nothing to tell apart",
    ]);
    await scene.write("d.npz", "no zip");
    const broken = await look(scene, { kind: "npz", path: "d.npz" });
    expect(broken.problems).toEqual([expect.stringMatching(/^'d\.npz' is truncated or no NPZ file: /)]);
    expect(broken.problems[0]).not.toContain("trained");
    const rows = Array.from({ length: 300 }, (_, row) => (row < 250 ? "x,a" : `${row},${row % 2}`));
    await scene.write("many.csv", ["x,label", ...rows].join("\n"));
    const many = await look(scene, { kind: "csv", path: "many.csv" });
    expect(many).toMatchObject({ problemCount: 250, badSamples: 250, samples: 50 });
    expect(many.problems).toHaveLength(100);
    expect((await refusal(() => look(scene, { kind: "csv", path: "none.csv" }))).code).toBe("PATH_NOT_FOUND");
    expect((await refusal(() => look(scene, { kind: "csv", path: ".." }))).code).toBe("UNSAFE_PATH");
  });
});

test("inspectData() reads two .npy files of a folder, and has the digest that a training tells", async () => {
  await withScene(async (scene) => {
    const x = new Uint8Array(Array.from({ length: 40 }, (_, at) => at));
    await scene.write("d/x.npy", npy("|u1", [10, 4], x));
    await scene.write("d/y.npy", npy("|u1", [10], x.map((at) => at % 2).subarray(0, 10)));
    const data = { kind: "npz", path: "d" };
    const found = await look(scene, data);
    expect(found).toMatchObject({
      problemCount: 0,
      samples: 10,
      shape: [4],
      split: { train: 8, validation: 2 },
    });
    const { result } = await trainIn(scene, { data, epochs: 1 });
    expect(result.data.digest).toBe(found.digest);
  });
});

test("inspectData() shows one sample of each class in turn, images made small, rows cut short", async () => {
  await withScene(async (scene) => {
    await scene.write("i/a/1.png", png(64, 64, [255, 0, 0]));
    await scene.write("i/a/2.png", png(64, 64, [255, 0, 0]));
    await scene.write("i/b/1.png", png(64, 64, [0, 0, 255]));
    const { shown } = await look(scene, { kind: "images", path: "i" }, { show: 2 });
    expect(shown.map(({ label, shape }) => [label, shape])).toEqual([
      ["a", [64, 64, 3]],
      ["b", [64, 64, 3]],
    ]);
    const [, blue] = shown.map(({ image }) => Buffer.from(image?.bytesBase64 ?? "", "base64"));
    expect(shown[1]?.image).toMatchObject({ width: 32, height: 32 });
    expect([...(blue?.subarray(0, 3) ?? [])]).toEqual([0, 0, 255]);
    const columns = Array.from({ length: 20 }, (_, at) => at);
    await scene.write(
      "r.csv",
      [
        ["y", ...columns.map((at) => `c${at}`)],
        [1.5, ...columns],
        [2, ...columns],
      ].join("\n"),
    );
    const rows = await look(scene, { kind: "csv", path: "r.csv", label: "y", task: "regress" }, { show: 1 });
    expect(rows.shown).toEqual([
      { sample: 0, label: 1.5, shape: [20], image: null, numbers: columns.slice(0, 16) },
    ]);
  });
});

test("a data set keeps the same samples aside for every seed where it has a splitSeed", async () => {
  await withScene(async (scene) => {
    const rows = Array.from({ length: 40 }, (_, row) => `${row},${row % 2}`);
    await scene.write("d.csv", ["x,label", ...rows].join("\n"));
    const aside = async (seed: number, splitSeed?: number): Promise<number[]> => {
      const spec = { data: { kind: "csv", path: "d.csv" }, seed, splitSeed, epochs: 1 };
      const outputDir = `${scene.outputDir}-${seed}-${splitSeed}`;
      await scene.write(`../out-${seed}-${splitSeed}/keep`, "");
      const { events } = await trainIn(scene, spec, { outputDir });
      const last = events.findLast((event) => event.type === "epoch");
      return (last?.predictions ?? []).map(({ sample }) => sample);
    };
    expect(await aside(1, 7)).toEqual(await aside(2, 7));
    expect(await aside(1)).not.toEqual(await aside(2));
  });
});
