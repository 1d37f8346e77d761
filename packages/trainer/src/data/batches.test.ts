import { expect, test } from "vitest";
import { randomOf } from "../random.ts";
import { resolveSpec } from "../spec.ts";
import { augment } from "./augment.ts";
import { classWeightsOf, makeBatch, scalingOf } from "./batches.ts";
import type { Dataset } from "./dataset.ts";

const NOTHING = { flip: false, rotateDegrees: 0, cropPixels: 0, color: 0 };

function changed(values: readonly number[], spec: Partial<typeof NOTHING>, seed: number): number[] {
  const side = Math.sqrt(values.length);
  const pixels = Float32Array.from(values);
  augment({ shape: [side, side, 1], pixels }, { ...NOTHING, ...spec }, randomOf(seed, "augment"));
  return [...pixels].map((value) => Math.round(value) + 0);
}

/** All results that some seeds give, as text. */
function outcomes(values: readonly number[], spec: Partial<typeof NOTHING>): Set<string> {
  return new Set(Array.from({ length: 40 }, (_, seed) => changed(values, spec, seed).join(" ")));
}

const SQUARE = [1, 2, 3, 4, 5, 6, 7, 8, 9];

test("augment() mirrors about half of the images", () => {
  expect(outcomes(SQUARE, { flip: true })).toEqual(new Set(["1 2 3 4 5 6 7 8 9", "3 2 1 6 5 4 9 8 7"]));
});

test("augment() shifts by up to so many pixels, and black comes in", () => {
  const all = outcomes(SQUARE, { cropPixels: 1 });
  expect(all.size).toBe(9);
  for (const one of ["1 2 3 4 5 6 7 8 9", "0 0 0 1 2 3 4 5 6", "5 6 0 8 9 0 0 0 0"])
    expect(all).toContain(one);
});

test("augment() turns around the middle", () => {
  const turned = Array.from({ length: 20 }, (_, seed) =>
    changed([0, 0, 0, 90, 90, 90, 0, 0, 0], { rotateDegrees: 90 }, seed),
  );
  for (const image of turned) expect(image[4]).toBe(90);
  // Some of them stand nearly upright.
  expect(turned.some((image) => (image[1] ?? 0) > 60 && (image[3] ?? 0) < 30)).toBe(true);
});

test("augment() recolours within the range of a pixel, and the same generator does the same", () => {
  const values = [0, 100, 200, 255];
  expect(outcomes(values, { color: 0.3 }).size).toBeGreaterThan(30);
  for (const text of outcomes(values, { color: 0.9 })) {
    for (const value of text.split(" ").map(Number)) expect(value >= 0 && value <= 255).toBe(true);
  }
  const all = { flip: true, rotateDegrees: 20, cropPixels: 2, color: 0.2 };
  expect(changed(values, all, 5)).toEqual(changed(values, all, 5));
});

const ROWS: Dataset = {
  shape: [2],
  features: Float32Array.from([0, 5, 2, 5, 4, 5, 100, 5]),
  labels: Int32Array.from([0, 1, 1, 1]),
  classes: ["a", "b"],
  count: 4,
};
const ALL = Uint32Array.from([0, 1, 2, 3]);

test("scalingOf() looks only at what is learned from, and a feature that never changes stays finite", () => {
  const scaling = scalingOf(ROWS, Uint32Array.from([0, 1, 2]), "standard");
  expect(scaling.mean).toEqual([2, 5]);
  expect(scaling.deviation[0]).toBeCloseTo(Math.sqrt(8 / 3), 6);
  expect(scaling.deviation[1]).toBe(1);
  const spec = resolveSpec({ data: { kind: "csv" } });
  const batch = makeBatch(ROWS, Uint32Array.from([2, 0]), { spec, scaling });
  expect(batch).toMatchObject({ shape: [2, 2], count: 2, width: 2 });
  expect(batch.inputs[0]).toBeCloseTo(2 / Math.sqrt(8 / 3), 5);
  expect([...batch.targets]).toEqual([0, 1, 1, 0]);
});

test("makeBatch() mixes samples and their targets alike, and smooths the targets, only while training", () => {
  const spec = resolveSpec({ data: { kind: "csv" }, augment: { mixup: 0.4 }, labelSmoothing: 0.2 });
  const scaling = scalingOf(ROWS, ALL, "none");
  const random = randomOf(1, "mix");
  const batch = makeBatch(ROWS, Uint32Array.from([0, 3]), { spec, scaling, random });
  // Sample 0 is (0, class a), sample 3 is (100, class b).
  const share = (batch.inputs[0] ?? 0) / 100;
  expect(share).toBeGreaterThan(0);
  expect(share).toBeLessThan(1);
  expect(batch.targets[1]).toBeCloseTo(0.1 * (1 - share) + 0.9 * share, 5);
  expect((batch.targets[0] ?? 0) + (batch.targets[1] ?? 0)).toBeCloseTo(1, 5);
  const judged = makeBatch(ROWS, Uint32Array.from([0, 3]), { spec, scaling });
  expect([...judged.targets]).toEqual([1, 0, 0, 1]);
  expect([...judged.inputs]).toEqual([0, 5, 100, 5]);
});

test("classWeightsOf() makes rare classes count as much as frequent ones", () => {
  const balanced = resolveSpec({ data: { kind: "csv" }, balanceClasses: true });
  expect([...(classWeightsOf(ROWS, ALL, balanced) ?? [])].map((weight) => weight.toFixed(3))).toEqual([
    "2.000",
    "0.667",
  ]);
  const given = resolveSpec({ data: { kind: "csv" }, classWeights: { b: 3 } });
  expect([...(classWeightsOf(ROWS, ALL, given) ?? [])]).toEqual([1, 3]);
  expect(classWeightsOf(ROWS, ALL, resolveSpec({ data: { kind: "csv" } }))).toBeUndefined();
});
