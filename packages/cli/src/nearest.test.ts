import { expect, test } from "vitest";
import { distance, nearest } from "./nearest.ts";

test("distance() counts edits, a swap of neighbours as one", () => {
  expect(distance("", "abc")).toBe(3);
  expect(distance("commit", "commit")).toBe(0);
  expect(distance("comit", "commit")).toBe(1);
  expect(distance("stauts", "status")).toBe(1);
  expect(distance("kitten", "sitting")).toBe(3);
});

test("nearest() offers near words and the ends of a beginning, never far ones", () => {
  const known = ["commit", "config", "checkout", "log"];
  expect(nearest("comit", known)[0]).toBe("commit");
  expect(nearest("check", known)).toEqual(["checkout"]);
  expect(nearest("frobnicate", known)).toEqual([]);
  expect(nearest("x".repeat(100_000), known)).toEqual([]);
});
