import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../testing/folder.ts";
import { bestEpoch } from "./best-epoch.ts";
import {
  readCurves,
  readHistory,
  readHistoryEnds,
  readHistoryPage,
  readHistoryTail,
  readOutline,
} from "./job-history.ts";

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

test("readHistoryTail() and readCurves() give parts of what readHistory() gives, also of epochs told again", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "history.jsonl");
    expect(await readHistoryTail(path, 5)).toEqual([]);
    expect(await readOutline(path)).toEqual({ names: [], firstEpoch: 0, lastEpoch: 0 });
    const line = (epoch: number, metrics: object): string =>
      `${JSON.stringify({ epoch, atMs: epoch, metrics })}\n`;
    // It was resumed at 900, and did not tell the accuracy of 950 again; what is old comes again at the end.
    const first = Array.from({ length: 1000 }, (_, at) => line(at + 1, { loss: 1, acc: 2 }));
    const again = Array.from({ length: 600 }, (_, at) =>
      line(at + 900, at === 50 ? { loss: 3 } : { loss: 3, acc: 4 }),
    );
    writeFileSync(path, [...first, ...again, line(3, { loss: 9, lr: 0.1 })].join(""));
    const all = await readHistory(path);
    expect(all).toHaveLength(1499);
    for (const count of [1, 7, 600, 5000])
      expect(await readHistoryTail(path, count)).toEqual(all.slice(-count));
    const page = (after: number, count: number): Promise<unknown> => readHistoryPage(path, { after, count });
    expect(await page(-1, 5000)).toEqual({ points: all, hasMore: false });
    expect(await page(-1, 7)).toEqual({ points: all.slice(0, 7), hasMore: true });
    expect(await page(7, 1000)).toEqual({ points: all.slice(7, 1007), hasMore: true });
    expect(await page(1499 - 3, 3)).toEqual({ points: all.slice(-3), hasMore: false });
    expect(await page(1499, 3)).toEqual({ points: [], hasMore: false });
    expect(await readOutline(path)).toEqual({ names: ["loss", "acc", "lr"], firstEpoch: 1, lastEpoch: 1499 });
    const curves = await readCurves(path, ["acc", "lr"]);
    const points = (name: string): unknown =>
      all.flatMap(({ epoch, metrics }) => (metrics[name] === undefined ? [] : [[epoch, metrics[name]]]));
    expect(Object.fromEntries(curves)).toEqual({ acc: points("acc"), lr: points("lr") });
    expect(curves.get("acc")).toHaveLength(1497);
  });
});

test("readHistoryTail() and readHistoryPage() hold fewer epochs where they are long", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "history.jsonl");
    const metrics = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`metric-number-${at}`, at]));
    const lines = Array.from({ length: 1200 }, (_, at) => JSON.stringify({ epoch: at, atMs: 0, metrics }));
    writeFileSync(path, `${lines.join("\n")}\n`);
    const tail = await readHistoryTail(path, 10_000);
    expect(tail.at(-1)?.epoch).toBe(1199);
    expect(tail.length).toBeLessThan(900);
    expect(JSON.stringify(tail).length).toBeGreaterThan(15_000_000);
    let [after, pages] = [-1, 0];
    const epochs: number[] = [];
    for (let hasMore = true; hasMore; pages += 1) {
      const page = await readHistoryPage(path, { after, count: 10_000 });
      expect(JSON.stringify(page.points).length).toBeLessThan(17_000_000);
      epochs.push(...page.points.map(({ epoch }) => epoch));
      [after, hasMore] = [epochs.at(-1) ?? after, page.hasMore];
    }
    expect(pages).toBe(2);
    expect(epochs).toEqual(lines.map((_, at) => at));
  });
});
