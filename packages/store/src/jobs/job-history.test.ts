import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/folder.ts";
import { bestEpoch } from "./best-epoch.ts";
import { readHistory, readHistoryEnds } from "./job-history.ts";

test("readHistoryEnds() gives the last and the best epoch that readHistory() gives, also of epochs told again", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "history.jsonl");
    expect(await readHistoryEnds(path)).toEqual({ last: undefined, best: undefined });
    const line = (epoch: number, loss: number): string =>
      `${JSON.stringify({ epoch, atMs: epoch, metrics: { loss, filler: 1 } })}\n`;
    // More than one piece of the file, and its best epoch told again, worse.
    const lines = Array.from({ length: 30_000 }, (_, at) =>
      line(at + 1, at === 6 ? 0.001 : 1 + 1 / (at + 1)),
    );
    writeFileSync(path, `${lines.join("")}{"cut off\n${line(7, 5)}${line(30_000, 0.5)}`);
    const all = await readHistory(path);
    const ends = await readHistoryEnds(path);
    expect(ends).toEqual({ last: all.at(-1), best: bestEpoch(all) });
    expect(ends.best).toEqual({ epoch: 30_000, metric: "loss", value: 0.5 });
  });
});
