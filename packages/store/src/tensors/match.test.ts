import { expect, test } from "vitest";
import type { TensorSpan, TensorTable } from "../formats/table.ts";
import { isSameShape, matchTables, namedTensors } from "./match.ts";

function span(name: string, offset: number): TensorSpan {
  return { name, dtype: "f32", shape: [1], offset, length: 4 };
}

function table(parts: Partial<TensorTable>): TensorTable {
  return { format: "test", tensors: [], external: [], scattered: [], ...parts };
}

function names(rows: readonly { readonly name: string }[]): string[] {
  return rows.map(({ name }) => name);
}

test("matchTables() brings tensors of one name together, in the order of the second file", () => {
  const from = table({ tensors: [span("a", 0), span("b", 4), span("gone", 8)] });
  const to = table({ tensors: [span("b", 0), span("new", 4), span("a", 8)] });
  const { added, removed, pairs } = matchTables(from, to);
  expect(names(added)).toEqual(["new"]);
  expect(names(removed)).toEqual(["gone"]);
  expect(pairs.map((pair) => [pair.from.name, pair.from.place?.offset, pair.to.place?.offset])).toEqual([
    ["b", 4, 0],
    ["a", 0, 8],
  ]);
});

test("matchTables() takes an absent file as one without tensors, and names that stand twice in turn", () => {
  const twice = table({ tensors: [span("w", 0), span("w", 4)] });
  expect(names(matchTables(undefined, twice).added)).toEqual(["w", "w"]);
  expect(names(matchTables(twice, undefined).removed)).toEqual(["w", "w"]);
  const { pairs, removed } = matchTables(twice, table({ tensors: [span("w", 100)] }));
  expect([pairs[0]?.from.place?.offset, removed[0]?.place?.offset]).toEqual([0, 4]);
});

test("namedTensors() tells where a tensor is, when anybody said", () => {
  const external = [
    { ...span("far", 64), file: "model.bin" },
    { name: "listed", dtype: "opaque", shape: [], offset: 0, length: 0, file: "b.safetensors" },
  ] as const;
  const scattered = [{ name: "packed", dtype: "f16", shape: [2] }] as const;
  const found = namedTensors(table({ tensors: [span("here", 8)], external, scattered }));
  expect(found.map(({ name, place, file }) => [name, place?.offset, file])).toEqual([
    ["here", 8, undefined],
    ["far", 64, "model.bin"],
    ["listed", undefined, "b.safetensors"],
    ["packed", undefined, undefined],
  ]);
});

test("isSameShape() tells shapes apart", () => {
  expect(isSameShape([2, 3], [2, 3])).toBe(true);
  expect(isSameShape([2, 3], [3, 2])).toBe(false);
  expect(isSameShape([6], [6, 1])).toBe(false);
});
