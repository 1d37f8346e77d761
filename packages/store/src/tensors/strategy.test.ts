import { expect, test } from "vitest";
import { joinsTensors, parseStrategies, sideOf } from "./strategy.ts";

test("parseStrategies() reads every strategy, alone and together", () => {
  expect(parseStrategies([])).toEqual({ text: "", prefer: undefined, weight: undefined, takes: [] });
  expect(parseStrategies(["average"])).toMatchObject({ text: "average", weight: 0.5 });
  expect(parseStrategies(["theirs"])).toMatchObject({ prefer: "theirs", weight: undefined });
  expect(parseStrategies(["take=head.*:theirs", "weighted:0.3", "ours"])).toEqual({
    text: "take=head.*:theirs, weighted:0.3, ours",
    prefer: "ours",
    weight: 0.3,
    takes: [{ pattern: "head.*", side: "theirs" }],
  });
});

test.for([
  ["weighted:0", 0],
  ["weighted:1", 1],
  ["weighted:.25", 0.25],
  ["weighted:0.125", 0.125],
  ["weighted:1.0", 1],
] as const)("parseStrategies() reads %s", ([text, weight]) => {
  expect(parseStrategies([text]).weight).toBe(weight);
});

test.for([
  [["recursive"]],
  [["Average"]],
  [["weighted"]],
  [["weighted:"]],
  [["weighted:-0.1"]],
  [["weighted:1.1"]],
  [["weighted:0,3"]],
  [["weighted:1e-3"]],
  [["weighted:NaN"]],
  [["take=head.*"]],
  [["take=head.*:mine"]],
  [["take=:ours"]],
  [[`take=${"x".repeat(1001)}:ours`]],
  [["ours", "theirs"]],
  [["average", "weighted:0.3"]],
  [["average", "average"]],
  [[""]],
  [Array.from({ length: 1001 }, () => "take=a:ours")],
])("parseStrategies() refuses %j", ([texts = []]) => {
  expect(() => parseStrategies(texts)).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
});

test("sideOf() takes the first pattern that matches; a pattern may hold a colon", () => {
  const strategy = parseStrategies(["take=head.*:theirs", "take=layer:0.*:ours", "take=head.bias:ours"]);
  expect(["head.bias", "layer:0.w", "body"].map((name) => sideOf(strategy, name))).toEqual([
    "theirs",
    "ours",
    undefined,
  ]);
});

test("joinsTensors() tells whether files are looked into", () => {
  const joins = (...texts: string[]) => joinsTensors(parseStrategies(texts));
  expect([joins(), joins("ours"), joins("average"), joins("take=a:ours"), joins("weighted:0")]).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
});
