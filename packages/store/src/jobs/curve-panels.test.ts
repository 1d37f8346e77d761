import { expect, test } from "vitest";
import { drawnPanel, planPanels, thinned } from "./curve-panels.ts";

test("planPanels() takes loss and accuracy with their validation, or what is named", () => {
  const names = ["lr", "acc", "val_acc", "loss"];
  expect(planPanels(names)).toEqual([
    { name: "loss", lines: ["loss"] },
    { name: "acc", lines: ["acc", "val_acc"] },
  ]);
  expect(planPanels(names, ["val_acc", "acc", "lr"]).map(({ name }) => name)).toEqual(["acc", "lr"]);
  expect(planPanels([])).toEqual([]);
  expect(() => planPanels(names, ["f1"])).toThrow("no epoch of the job has the metric 'f1'");
});

test("thinned() keeps the ends and every peak of a long curve, in their order", () => {
  const curve = Array.from({ length: 100_000 }, (_, epoch) => [epoch, Math.sin(epoch / 9000)] as const);
  curve[31_337] = [31_337, 50];
  curve[77_777] = [77_777, -50];
  const drawn = thinned(curve);
  expect(drawn.length).toBeLessThanOrEqual(2000);
  const epochs = drawn.map(([epoch]) => epoch);
  expect(epochs).toEqual([...epochs].sort((a, b) => a - b));
  for (const epoch of [0, 31_337, 77_777, 99_999]) expect(epochs).toContain(epoch);
  const short = curve.slice(0, 2000);
  expect(thinned(short)).toEqual(short);
  const ends = { firstEpoch: 0, lastEpoch: 99_999 };
  const panel = drawnPanel({ name: "loss", lines: ["loss"] }, new Map([["loss", curve]]), ends);
  expect(panel).toMatchObject({ low: -50, high: 50, ...ends });
});
