import { expect, test } from "vitest";
import { suggest } from "./suggest.ts";

test("suggest() finds the nearest names first", () => {
  expect(suggest("v1.0.2", ["main", "v1.0.0", "v1.0.1", "release/v1"])).toEqual(["v1.0.0", "v1.0.1"]);
  expect(suggest("mian", ["main", "train", "fix"])).toEqual(["main"]);
  expect(suggest("Main", ["main"])).toEqual(["main"]);
  expect(suggest("exp", ["experiment/one", "main"])).toEqual(["experiment/one"]);
});

test("suggest() says nothing when nothing is near, or the text is too long to compare", () => {
  expect(suggest("zebra", ["main", "v1"])).toEqual([]);
  expect(suggest("", ["a"])).toEqual([]);
  expect(suggest("x".repeat(200), ["x".repeat(200)])).toEqual([]);
});
