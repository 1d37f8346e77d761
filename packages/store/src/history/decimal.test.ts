import { expect, test } from "vitest";
import { subtractDecimals } from "./decimal.ts";

test.each([
  [0.3, 0.1, 0.2],
  [71.28, 50.66, 20.62],
  [97.63, 98.36, -0.73],
  [0.1, 0.3, -0.2],
  [1, 1, 0],
  [1e-7, 3e-7, -2e-7],
  [1.5e-8, 1e-8, 5e-9],
  [1e21, 1, 1e21],
  [5, 0.001, 4.999],
  [1e300, -1e300, 2e300],
  [3, 10, -7],
])("subtractDecimals(%d, %d) is %d", (to, from, expected) => {
  expect(subtractDecimals(to, from)).toBe(expected);
});

test("subtractDecimals() never answers minus zero", () => {
  expect(Object.is(subtractDecimals(0.1, 0.1), 0)).toBe(true);
  expect(Object.is(subtractDecimals(-0, 0), 0)).toBe(true);
});
