import { execFileSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/testing.ts";
import { readProgress } from "./job-progress.ts";

test.each([
  ["no JSON", '{"epoch":1'],
  ["no object", "[1]"],
  ["too long", `"${"x".repeat(70_000)}"`],
])("readProgress() takes a file that is %s for nothing", (_what, text) =>
  withFolder(async (folder) => {
    const path = join(folder, "progress.json");
    expect(await readProgress(path)).toBeUndefined();
    writeFileSync(path, text);
    expect(await readProgress(path)).toBeUndefined();
  }),
);

test("S2.11 readProgress() takes the layers of a network, without those that are none", () =>
  withFolder(async (folder) => {
    const path = join(folder, "progress.json");
    const whole = { kind: "dense", name: "output", shape: [10], weights: 130 };
    const unnamed = { kind: "flatten", shape: [4, 4] };
    const layers = [whole, unnamed, 7, { kind: 3, shape: [] }, { kind: "x", shape: ["y"] }, { kind: "x" }];
    writeFileSync(path, JSON.stringify({ epoch: 0, layers }));
    expect((await readProgress(path))?.layers).toEqual([whole, { ...unnamed, name: "", weights: 0 }]);
    writeFileSync(path, JSON.stringify({ layers: Array.from({ length: 600 }, () => whole) }));
    expect((await readProgress(path))?.layers).toHaveLength(500);
  }));

test("readProgress() leaves out what is no number, no sample or too much, and does not wait for a pipe", () =>
  withFolder(async (folder) => {
    const path = join(folder, "progress.json");
    const prediction = { sample: 1, expected: "x".repeat(500), predicted: 2, probability: 7 };
    const predictions = [
      3,
      { sample: -1, expected: 1, predicted: 1 },
      ...Array.from({ length: 99 }, () => prediction),
    ];
    const metrics = { loss: 1, text: "x", none: null };
    writeFileSync(
      path,
      JSON.stringify({ epoch: -1, epochs: "7", step: 3, steps: 9.5, metrics, predictions }),
    );
    const read = await readProgress(path);
    expect(read).toMatchObject({ epoch: 0, epochs: null, step: 3, steps: null, metrics: { loss: 1 } });
    expect(read).toMatchObject({ layers: [] });
    expect(read?.predictions).toHaveLength(30);
    expect(read?.predictions[0]).toEqual({ sample: 1, expected: "x".repeat(200), predicted: 2 });
    symlinkSync(path, join(folder, "link"));
    execFileSync("mkfifo", [join(folder, "pipe")]);
    for (const name of ["pipe", "link"]) expect(await readProgress(join(folder, name))).toBeUndefined();
  }));
