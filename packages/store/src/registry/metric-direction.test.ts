import { expect, test } from "vitest";
import { isLowerBetter, parseLower } from "./metric-direction.ts";

test.each([
  ["loss", true],
  ["val_loss", true],
  ["valLoss", true],
  ["train/box_loss", true],
  ["latency_ms", true],
  ["error-rate", true],
  ["RMSE", true],
  ["accuracy", false],
  ["metrics/mAP50(B)", false],
  ["f1", false],
  ["lossless", false],
  ["terms", false],
])("isLowerBetter(%s) is %s", (name, expected) => {
  expect(isLowerBetter(name)).toBe(expected);
});

test("isLowerBetter() follows the setting", () => {
  expect(isLowerBetter("azi", parseLower(" mag , a*"))).toBe(true);
  expect(isLowerBetter("b", parseLower(""))).toBe(false);
  expect(() => parseLower("x".repeat(300))).toThrow(/longer/);
});
