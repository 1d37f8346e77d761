import { expect, test } from "vitest";
import { parseMetrics, parseScalars } from "./pairs.ts";

test("parseMetrics() reads decimal numbers", () => {
  expect(parseMetrics(["a=1", "b=-0.5", "c=1e-3"])).toEqual({ a: 1, b: -0.5, c: 0.001 });
});

test.each(["a", "=1", "a=", "a=x", "a=NaN", "a=1e999", "a=0x10", "__proto__=1"])(
  "parseMetrics() refuses %j",
  (word) => {
    expect(() => parseMetrics([word])).toThrow(/--metric/);
  },
);

test("parseMetrics() refuses a name twice", () => {
  expect(() => parseMetrics(["a=1", "a=2"])).toThrow(/'a' is given twice/);
});

test("parseScalars() keeps text that a number would change", () => {
  expect(
    parseScalars("--param", [
      "lr=0.001",
      "on=true",
      "no=null",
      "id=007",
      "big=12345678901234567890",
      "t=a=b",
      "e=",
    ]),
  ).toEqual({ lr: 0.001, on: true, no: null, id: "007", big: "12345678901234567890", t: "a=b", e: "" });
});
