import type { CompareResult } from "@smc/store";
import { expect, test } from "vitest";
import { compareSections } from "./compare-text.ts";

function compared(meta: Readonly<Record<string, readonly [unknown, unknown]>>): CompareResult {
  const rows = Object.entries(meta).map(([name, values]) => ({
    name,
    values,
    has: [true, true],
    isSame: values[0] === values[1],
  }));
  return {
    versions: [],
    metrics: [],
    params: [],
    meta: rows,
    files: { rows: [], leftOut: 0 },
  } as CompareResult;
}

const TWO_TRAININGS = compared({
  "data.digest": ["abc", "abc"],
  "lineage.job": ["1", "2"],
  "training.durationMs": [700, 900],
  "training.endedMs": [10, 20],
  "training.history": ["x", "y"],
  "training.job": ["1", "2"],
  "training.startedMs": [1, 2],
});

function metadataRows(all: boolean): { names: readonly (string | undefined)[]; foot: string | undefined } {
  const sections = compareSections(TWO_TRAININGS, { onlyChanged: false, all });
  const [metadata] = sections.filter(({ rows }) => rows[0]?.[0] === "Metadata");
  return { names: metadata?.rows.slice(1).map(([name]) => name) ?? [], foot: metadata?.foot };
}

test("what no two trainings have in common is shown with --all only, and counted", () => {
  expect(metadataRows(false)).toEqual({
    names: ["training.durationMs"],
    foot: "6 of 7 other values differ (--all shows all of them)",
  });
  expect(metadataRows(true)).toEqual({ names: TWO_TRAININGS.meta.map(({ name }) => name), foot: undefined });
});
