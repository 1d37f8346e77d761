import { expect, test } from "vitest";
import { addNote } from "../registry/notes.ts";
import { type History, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { compare, type CompareOptions } from "./compare.ts";

async function withTwo(
  run: (
    history: History,
    side: (options: Partial<CompareOptions>) => ReturnType<typeof compare>,
  ) => Promise<void>,
): Promise<void> {
  await withHistory(async (history) => {
    const first = await history.commit({
      files: { "a.bin": "1", "w/b.bin": "22", same: "s" },
      message: "first",
      meta: {
        metrics: { mag: 98.36, azi: 50.66, loss: 1, same: 1 },
        params: { lr: 0.001, seed: 1 },
        data: { rows: 5 },
      },
    });
    const second = await history.commit({
      files: { "a.bin": "1111", c: "new", same: "s" },
      parents: [first],
      meta: {
        metrics: { mag: 97.63, azi: 71.28, loss: 2, same: 1 },
        params: { lr: 0.0005, seed: 1 },
        data: { rows: 9 },
      },
    });
    await history.point("refs/tags/v1.0.0", first);
    await history.point("refs/tags/v1.0.1", second);
    const revisions = ["1.0.0", "v1.0.1"];
    await run(history, (options) => compare(history.repository, { revisions, ...options }, QUIET));
  });
}

test("compare() tells differences of metrics and which side is better", async () => {
  await withTwo(async (_, side) => {
    const { versions, metrics, params, meta } = await side({});
    expect(versions).toMatchObject([
      { label: "v1.0.0", subject: "first", tags: ["v1.0.0"], sizeBytes: 4 },
      { label: "v1.0.1", tags: ["v1.0.1"] },
    ]);
    expect(metrics).toEqual([
      {
        name: "azi",
        lowerIsBetter: false,
        values: [50.66, 71.28],
        deltas: [0, 20.62],
        best: [1],
        isSame: false,
      },
      { name: "loss", lowerIsBetter: true, values: [1, 2], deltas: [0, 1], best: [0], isSame: false },
      {
        name: "mag",
        lowerIsBetter: false,
        values: [98.36, 97.63],
        deltas: [0, -0.73],
        best: [0],
        isSame: false,
      },
      { name: "same", lowerIsBetter: false, values: [1, 1], deltas: [0, 0], best: [], isSame: true },
    ]);
    expect(params.map(({ name, isSame }) => [name, isSame])).toEqual([
      ["lr", false],
      ["seed", true],
    ]);
    expect(meta).toEqual([{ name: "data.rows", values: [5, 9], has: [true, true], isSame: false }]);
  });
});

test("compare() tells files that differ, with all also the equal ones", async () => {
  await withTwo(async (_, side) => {
    const sizes = async (options: Partial<CompareOptions>) =>
      (await side(options)).files.rows.map(({ path, values }) => [
        path,
        ...values.map((value) => value?.sizeBytes),
      ]);
    const changed = [
      ["a.bin", 1, 4],
      ["c", undefined, 3],
      ["w/b.bin", 2, undefined],
    ];
    expect(await sizes({})).toEqual(changed);
    expect(await sizes({ all: true })).toEqual([changed[0], changed[1], ["same", 1, 1], changed[2]]);
    const three = await side({ revisions: ["v1.0.0", "v1.0.1", "v1.0.0"] });
    expect(three.files.rows[1]).toMatchObject({ path: "c", values: [null, { sizeBytes: 3 }, null] });
  });
});

test("compare() counts tensors when asked, and knows what notes say", async () => {
  await withTwo(async (history, side) => {
    expect((await side({ tensors: true })).tensors).toMatchObject([null, { changed: 0 }]);
    const { versions } = await side({});
    const commit = versions[0]?.commit;
    if (commit === undefined) throw new Error("no version");
    const note = { commit, kind: "evaluation", text: "again", metrics: { azi: 80, site: 3 } } as const;
    await addNote(history.repository, note, QUIET);
    const { metrics } = await side({});
    expect(metrics.find(({ name }) => name === "azi")?.values).toEqual([80, 71.28]);
    expect(metrics.find(({ name }) => name === "site")).toMatchObject({
      values: [3, null],
      deltas: [0, null],
    });
  });
});

test("compare() refuses one version, and what is not there", async () => {
  await withTwo(async (_, side) => {
    await expect(side({ revisions: ["v1.0.0"] })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(side({ revisions: ["v1.0.0", "v9"] })).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    const many = Array.from({ length: 51 }, () => "v1.0.0");
    await expect(side({ revisions: many })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});
