import { expect, test } from "vitest";
import { resolveSpec } from "../spec.ts";
import { npy, npz, refusal, type Scene, withScene } from "../testing/scene.ts";
import { type Dataset, digestOf } from "./dataset.ts";
import { loadData, splitData } from "./load.ts";

function load(scene: Scene, data: Record<string, unknown>): Promise<Dataset> {
  const { inputDir } = scene;
  return loadData(resolveSpec({ data }), { inputDir, signal: new AbortController().signal });
}

const CSV = { kind: "csv", path: "d.csv" };
const NPZ = { kind: "npz", path: "d.npz" };

test("a CSV file gives numbers and a class for each row, sorted by name", async () => {
  await withScene(async (scene) => {
    await scene.write("d.csv", '\ufeffa,label,b\r\n1,yes,2\r\n3.5,"no",-4e2\r\n\r\n0,yes,7\r\n');
    const data = await load(scene, CSV);
    expect(data).toMatchObject({ shape: [2], classes: ["no", "yes"], count: 3 });
    expect([...data.features]).toEqual([1, 2, 3.5, -400, 0, 7]);
    expect([...data.labels]).toEqual([1, 0, 1]);
    expect((await load(scene, { ...CSV, samples: 2 })).count).toBe(2);
    expect(digestOf(data)).not.toBe(digestOf(await load(scene, { ...CSV, samples: 2 })));
    expect(digestOf(data)).toBe(digestOf(await load(scene, CSV)));
  });
});

test("a CSV file gives numbers to predict", async () => {
  await withScene(async (scene) => {
    await scene.write("d.csv", "a,price\n1,10\n2,20.5\n");
    const data = await load(scene, { ...CSV, task: "regress", label: "price" });
    expect(data).toMatchObject({ shape: [1], classes: [], count: 2 });
    expect([...data.labels]).toEqual([10, 20.5]);
  });
});

test.for([
  ["a,label\n1,x\nNaN,y\n", "'d.csv', line 3, column 'a': 'NaN' is no finite number"],
  ["a,label\n1,x\n,y\n", "'d.csv', line 3, column 'a': '' is no finite number"],
  ["a,label\n1,x\nbig,y\n", "'d.csv', line 3, column 'a': 'big' is no finite number"],
  ["a,label\n1,x\n2,\n", "'d.csv', line 3: the label is empty"],
  ["a,label\n1,x\n2,y,3\n", "line 3"],
  ["a,b\n1,x\n", "no column 'label'; it has a, b"],
  ["label\nx\n", "no column beside 'label'"],
  ["", "is empty"],
  ["a,label\n", "has no samples"],
  ["a,label\n1,x\n2,x\n", "one class only, 'x'"],
] as const)("the CSV text %j is refused: %s", async ([text, why]) => {
  await withScene(async (scene) => {
    await scene.write("d.csv", text);
    const error = await refusal(() => load(scene, CSV));
    expect(error.code).toBe("FILE_MALFORMED");
    expect(error.message).toContain(why);
  });
});

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const longs = (...values: number[]): Uint8Array =>
  new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer);
const LABELS = npy("<i8", [2], longs(0, 1));

test("an NPZ file gives images of bytes and rows of numbers", async () => {
  await withScene(async (scene) => {
    const bytes = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
    await scene.write("d.npz", npz({ x: npy("|u1", [2, 2, 2], bytes), y: LABELS }));
    const images = await load(scene, NPZ);
    expect(images).toMatchObject({ shape: [2, 2, 1], classes: ["0", "1"], features: bytes });
    const rows = npy("<f4", [2, 3], floats(1, 2, 3, 4, 5, 6));
    await scene.write("d.npz", npz({ rows, y: LABELS, other: LABELS }));
    const numbers = await load(scene, { ...NPZ, x: "rows", classes: 4 });
    expect(numbers).toMatchObject({ shape: [3], classes: ["0", "1", "2", "3"], count: 2 });
    expect([...numbers.features]).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

const ROWS = npy("<f4", [2, 2], floats(1, 2, 3, 4));

test.for([
  ["a NaN", { x: npy("<f4", [2, 2], floats(1, 2, 3, Number.NaN)), y: LABELS }, "array 'x', row 1: NaN"],
  [
    "a label out of range",
    { x: ROWS, y: npy("<i8", [2], longs(0, 12)) },
    "row 1: the label 12 is out of range",
  ],
  [
    "a label below zero",
    { x: ROWS, y: npy("<i8", [2], longs(-1, 0)) },
    "row 0: the label -1 is out of range",
  ],
  ["half a label", { x: ROWS, y: npy("<f4", [2], floats(0, 0.5)) }, "row 1: the label 0.5 is out of range"],
  ["one class", { x: ROWS, y: npy("<i8", [2], longs(1, 1)) }, "one class only"],
  ["too few labels", { x: ROWS, y: npy("<i8", [1], longs(1)) }, "one label for each of 2 samples"],
  ["no labels", { x: ROWS }, "no array 'y'; it has x"],
  ["no samples", { x: npy("<f4", [0, 2], floats()), y: npy("<i8", [0], longs()) }, "has no samples"],
  ["columns first", { x: npy("<f4", [2, 2], floats(1, 2, 3, 4), "True"), y: LABELS }, "Fortran order"],
  ["objects", { x: npy("|O", [2, 2], floats(1, 2, 3, 4)), y: LABELS }, 'numbers of type "|O" are not read'],
  ["too few bytes", { x: npy("<f4", [2, 2], floats(1, 2, 3)), y: LABELS }, "it has 12 bytes instead of 16"],
  ["one dimension", { x: LABELS, y: LABELS }, "it needs samples and 1 to 3 more"],
  ["no array", { x: Buffer.from("hello, hello, hello"), y: LABELS }, "it is no NPY array"],
] as const)("an NPZ file with %s is refused", async ([, arrays, why]) => {
  await withScene(async (scene) => {
    await scene.write("d.npz", npz(arrays));
    const error = await refusal(() => load(scene, { ...NPZ, classes: 10 }));
    expect(error.code).toBe("FILE_MALFORMED");
    expect(error.message).toContain(why);
    expect(error.details).toMatchObject({ step: "data.check" });
  });
});

test("an NPZ file that is cut off is refused", async () => {
  await withScene(async (scene) => {
    const whole = npz({ x: ROWS, y: LABELS });
    await scene.write("d.npz", whole.subarray(0, whole.length - 30));
    expect((await refusal(() => load(scene, NPZ))).message).toContain("truncated or no NPZ file");
  });
});

test("the digits are 28 x 28 pixels of ten classes in turn", async () => {
  await withScene(async (scene) => {
    const data = await load(scene, { kind: "digits", samples: 25 });
    expect(data).toMatchObject({ shape: [28, 28, 1], count: 25 });
    expect([...data.labels.subarray(0, 12)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    expect(Math.max(...data.features)).toBeGreaterThan(250);
  });
});

test("splitData() keeps the same share of each class aside, by the seed", async () => {
  await withScene(async (scene) => {
    const data = await load(scene, { kind: "digits", samples: 100 });
    const spec = resolveSpec({ data: { kind: "digits" }, validation: 0.3 });
    const { train, validation } = splitData(data, spec);
    expect([...train, ...validation].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    const counts = Array.from(
      { length: 10 },
      (_, digit) => [...validation].filter((at) => data.labels[at] === digit).length,
    );
    expect(counts).toEqual(Array.from({ length: 10 }, () => 3));
    expect(splitData(data, spec).validation).toEqual(validation);
    expect(splitData(data, { ...spec, seed: 2 }).validation).not.toEqual(validation);
    expect(splitData(data, { ...spec, validation: 0 }).validation).toHaveLength(0);
    const few = await load(scene, { kind: "digits", samples: 10 });
    expect((await refusal(() => splitData(few, spec))).message).toContain("too few");
  });
});
