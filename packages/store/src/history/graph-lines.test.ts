import { expect, test } from "vitest";
import { graphLines } from "./graph-lines.ts";

function draw(...commits: string[]): string {
  const rows = commits.map((text) => {
    const [digest = "", ...parents] = text.split(" ");
    return { digest, parents };
  });
  return graphLines(rows).flat().join("\n");
}

test("graphLines() draws a line of commits as stars", () => {
  expect(draw("c b", "b a", "a")).toBe("*\n*\n*");
});

test("graphLines() draws a merge and closes its column where the branches part", () => {
  expect(draw("m a b", "b r", "a r", "r")).toBe(["*", "|\\", "| *", "* |", "|/", "*"].join("\n"));
});

test("graphLines() draws two tips that never meet", () => {
  expect(draw("b", "a")).toBe("*\n*");
  expect(draw("x y", "b a", "y", "a")).toBe(["*", "| *", "* |", " /", "*"].join("\n"));
});

test("graphLines() draws an octopus and a criss-cross", () => {
  expect(draw("m a b c", "c r", "b r", "a r", "r")).toBe(
    ["*", "|\\", "|\\ \\", "| | *", "| * |", "| |/", "* |", "|/", "*"].join("\n"),
  );
  const crossed = draw("x a b", "y b a", "a r", "b r", "r").split("\n");
  expect(crossed.filter((line) => line.includes("*"))).toHaveLength(5);
  expect(crossed.at(-1)).toBe("*");
});

test("graphLines() reaches over the columns between", () => {
  expect(draw("p 1", "q 2", "s 1", "1", "2").split("\n").slice(0, 4)).toEqual(["*", "| *", "| | *", "|_|/"]);
});
