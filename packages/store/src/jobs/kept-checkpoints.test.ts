import { expect, test } from "vitest";
import { checkpointUnits, type EpochMark, keptUnits } from "./kept-checkpoints.ts";

/** Losses of epochs 1, 2, …, told a second apart. */
function marksOf(...values: number[]): Map<number, EpochMark> {
  return new Map(values.map((value, at) => [at + 1, { atMs: 1000 * (at + 1), value }]));
}

function unitsOf(names: readonly string[], pattern: string, marks: ReadonlyMap<number, EpochMark>) {
  const files = names.map((path, at) => ({ path, sizeBytes: 1, mtimeMs: 1000 * (at + 1) + 20 }));
  return checkpointUnits(files, { pattern, marks });
}

test("a checkpoint belongs to the epoch of its number, and by time where numbers are no epochs", () => {
  const marks = marksOf(0.9, 0.4, 0.6);
  const epochs = (names: string[], pattern: string) =>
    unitsOf(names, pattern, marks).map(({ epoch }) => epoch);
  // Written in another order than they were learned.
  expect(epochs(["c/e-3.pt", "c/e-1.pt", "c/e-2.pt"], "c/*")).toEqual([3, 1, 2]);
  expect(epochs(["c/resnet50-epoch2-batch-9.pt"], "c/*.pt")).toEqual([2]);
  expect(epochs(["step-2", "step-500", "step-900"], "step-*")).toEqual([1, 2, 3]);
  expect(unitsOf(["a"], "*", new Map())[0]?.epoch).toBeUndefined();
});

test("what lies below one name of the pattern is one checkpoint", () => {
  const names = ["ckpt/1/model.bin", "ckpt/1/optimizer.bin", "ckpt/2/model.bin"];
  const units = unitsOf(names, "ckpt/*", marksOf(1, 2, 3));
  expect(units.map(({ name, files }) => [name, files.length])).toEqual([
    ["ckpt/1", 2],
    ["ckpt/2", 1],
  ]);
  expect(unitsOf(["a/1.pt", "a/2.pt"], "*.pt", marksOf(1, 2))).toHaveLength(2);
});

test("S1.7 ask 8 keptUnits() keeps the best and the last: less of a loss, more of an accuracy", () => {
  const marks = marksOf(0.9, 0.4, 0.6, 0.4, 0.8);
  const units = unitsOf(["1", "2", "3", "4", "5"], "*", marks);
  const kept = (best: number, last: number, metric: string): string[] =>
    keptUnits(units, { kept: { best, last }, metric, marks }).map(({ name }) => name);
  expect(kept(2, 1, "val_loss")).toEqual(["2", "4", "5"]);
  expect(kept(1, 1, "val_loss")).toEqual(["2", "5"]);
  expect(kept(1, 2, "val_acc")).toEqual(["1", "4", "5"]);
  expect(kept(0, 1, "val_loss")).toEqual(["5"]);
  const unknown = unitsOf(["a", "b"], "*", new Map());
  expect(keptUnits(unknown, { kept: { best: 1, last: 1 }, metric: "", marks: new Map() })).toHaveLength(1);
});
