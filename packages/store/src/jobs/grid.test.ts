import { expect, test } from "vitest";
import { cellsOf, cellScalars, fillWords, GRID_JOBS_MAX, wordFaults } from "./grid.ts";

test("cellsOf() makes all combinations, the last name changing fastest", () => {
  expect(cellsOf({ lr: ["0.1", "0.01"], batch: ["8", "16"] })).toEqual({
    cells: [
      { lr: "0.1", batch: "8" },
      { lr: "0.1", batch: "16" },
      { lr: "0.01", batch: "8" },
      { lr: "0.01", batch: "16" },
    ],
    faults: [],
  });
});

const many = Array.from({ length: 9 }, (_, at) => String(at));
test.each([
  ["an empty value", { a: ["1", ""] }, "grid.a"],
  ["no value", { a: [] }, "grid.a"],
  ["a value twice", { a: ["1", "1"] }, "grid.a"],
  [`more than ${GRID_JOBS_MAX} jobs`, { a: many, b: many }, "grid"],
  ["a thousand values", { a: Array.from({ length: 1000 }, (_, at) => String(at)) }, "grid.a"],
])("cellsOf() refuses %s", (_, grid, key) => {
  const { cells, faults } = cellsOf(grid);
  expect(cells).toEqual([]);
  expect(faults.map((fault) => fault.key)).toContain(key);
});

test("wordFaults() names what is in the words or in the grid alone; other braces are no names", () => {
  expect(wordFaults(["p", '{"a": 1}', "{}", "--lr={lr}"], { lr: ["1"] })).toEqual([]);
  expect(wordFaults(["p", "{lt}"], { lr: ["1"] }).map(({ key }) => key)).toEqual(["argv", "grid.lr"]);
});

test("fillWords() puts values in as they are, cellScalars() reads them", () => {
  const cell = { lr: "0.10", name: "$(x)" };
  expect(fillWords(["{lr}{lr}", "{other}", "{name}", "{toString}"], cell)).toEqual([
    "0.100.10",
    "{other}",
    "$(x)",
    "{toString}",
  ]);
  expect(cellScalars({ lr: "1e-3", flip: "true", name: "adam" })).toEqual({
    lr: 0.001,
    flip: true,
    name: "adam",
  });
});
