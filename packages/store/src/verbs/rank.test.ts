import { expect, test } from "vitest";
import { withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { rank, type RankOptions } from "./rank.ts";

test("rank() orders by the weighted mean, losses negative, equal scores with equal ranks", async () => {
  await withHistory(async (history) => {
    const names = ["v1.0.0", "v1.0.1", "v1.0.2", "v2.0.0"];
    const metrics = [
      { mag: 98.36, azi: 50.66, loss: 0.1 },
      { mag: 97.63, azi: 71.28, loss: 0.2 },
      { mag: 97.63, azi: 71.28, loss: 0.3 },
      { mag: 99 },
    ];
    for (const [index, name] of names.entries())
      await history.point(
        `refs/tags/${name}`,
        await history.commit({ meta: { metrics: metrics[index] ?? {} } }),
      );
    const run = (options: RankOptions) => rank(history.repository, options, QUIET);
    const both = await run({ weights: { mag: 1, azi: 1 } });
    expect(both.ranked.map((row) => [row.rank, row.version, row.score])).toEqual([
      [1, "v1.0.2", 84.455],
      [1, "v1.0.1", 84.455],
      [3, "v1.0.0", 74.51],
    ]);
    expect(both.unranked).toEqual(["v2.0.0"]);
    expect((await run({ weights: { loss: 1 } })).ranked.map(({ version }) => version)).toEqual([
      "v1.0.0",
      "v1.0.1",
      "v1.0.2",
    ]);
    const some = await run({ weights: { mag: 1 }, revisions: ["v2.0.0", "1.0.0"] });
    expect(some.ranked.map(({ version }) => version)).toEqual(["v2.0.0", "v1.0.0"]);
    await expect(run({ weights: { azy: 1 } })).rejects.toMatchObject({ hint: "did you mean: azi" });
    await expect(run({ weights: { azi: 0 } })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(run({ weights: {} })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(run({ weights: { mag: 1 }, revisions: ["nowhere"] })).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
  });
});
