import { expect, test } from "vitest";
import { withDesk, withHistory, START_MS } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { log, type LogOptions } from "./log.ts";

test("log() tells what every commit is and which refs name it", async () => {
  await withHistory(async (history) => {
    const first = await history.commit({ message: "first\n\nbody\n", meta: { params: { lr: 0.1 } } });
    const second = await history.commit({
      files: { a: "12345" },
      parents: [first],
      message: "\n second ",
      meta: { metrics: { azi: 71.28 }, data: "set-1" },
    });
    await history.point("refs/heads/main", second);
    await history.point("refs/heads/other", second);
    await history.point("refs/tags/v1.0.1", second);
    await history.point("refs/registry/champion", second);
    await history.point("refs/remotes/origin/main", first);
    await history.point(`refs/worktrees/${"ab".repeat(16)}/HEAD`, first);
    const rows = await log(history.repository, { sizes: true }, QUIET);
    expect(rows).toEqual([
      {
        digest: second,
        tree: expect.stringMatching(/^[0-9a-f]{64}$/),
        parents: [first],
        author: "Ada <ada@example.org>",
        date: "2026-01-01T00:00:02+00:00",
        committer: "Ada <ada@example.org>",
        committed: "2026-01-01T00:00:02+00:00",
        subject: "second",
        message: "\n second ",
        refs: ["HEAD", "refs/heads/main", "refs/registry/champion", "refs/tags/v1.0.1", "refs/heads/other"],
        decorations: ["HEAD -> main", "champion", "tag: v1.0.1", "other"],
        metrics: { azi: 71.28 },
        params: {},
        meta: { data: "set-1" },
        sizeBytes: 5,
      },
      expect.objectContaining({
        digest: first,
        refs: ["refs/remotes/origin/main"],
        params: { lr: 0.1 },
        sizeBytes: 0,
      }),
    ]);
    expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
  });
});

test("log() takes ranges, limits, dates, authors", async () => {
  await withHistory(async (history) => {
    const day = 86_400_000;
    const bo = { name: "Bo", email: "bo@example.org" };
    const a = await history.commit({ ms: START_MS });
    const b = await history.commit({ ms: START_MS + day, parents: [a], author: bo });
    const c = await history.commit({ ms: START_MS + 2 * day, parents: [b] });
    const d = await history.commit({ ms: START_MS + 3 * day, parents: [b] });
    await history.point("refs/heads/main", c);
    await history.point("refs/heads/side", d);
    const run = async (options: LogOptions) =>
      (await log(history.repository, options, QUIET)).map((row) => row.digest);
    expect(await run({})).toEqual([c, b, a]);
    expect(await run({ limit: 2 })).toEqual([c, b]);
    expect(await run({ limit: 0 })).toEqual([]);
    expect(await run({ skip: 1, limit: 1 })).toEqual([b]);
    expect(await run({ revisions: ["side"] })).toEqual([d, b, a]);
    expect(await run({ revisions: ["main..side"] })).toEqual([d]);
    expect(await run({ revisions: ["main...side"] })).toEqual([d, c]);
    expect(await run({ revisions: ["side", "^main~1"] })).toEqual([d]);
    expect(await run({ all: true })).toEqual([d, c, b, a]);
    expect(await run({ since: "2026-01-02T00:00:00Z" })).toEqual([c, b]);
    expect(await run({ until: "2026-01-02T00:00:00Z" })).toEqual([b, a]);
    expect(await run({ author: "BO@" })).toEqual([b]);
    await expect(run({ since: "soon" })).rejects.toMatchObject({ code: "DATE_INVALID" });
    for (const limit of [-1, 1.5, Number.NaN]) {
      await expect(run({ limit })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    }
  });
});

test("log() of one metric gives its series and the best of it", async () => {
  await withHistory(async (history) => {
    const a = await history.commit({ meta: { metrics: { azi: 50.66, val_loss: 0.2 } } });
    const b = await history.commit({ parents: [a] });
    const c = await history.commit({ parents: [b], meta: { metrics: { azi: 71.28, val_loss: 0.4 } } });
    await history.point("refs/heads/main", c);
    const run = async (metric: string) =>
      (await log(history.repository, { metric }, QUIET)).map((row) => row.metric);
    expect(await run("azi")).toEqual([
      { name: "azi", value: 71.28, change: 20.62, best: true },
      { name: "azi", value: 50.66, change: null, best: false },
    ]);
    expect((await run("val_loss")).map((point) => point?.best)).toEqual([false, true]);
    expect(await run("constructor")).toEqual([]);
  });
});

test("log() of paths gives the commits that change them", async () => {
  await withHistory(async (history) => {
    const a = await history.commit({ files: { "w/a": "1", b: "1" } });
    const b = await history.commit({ files: { "w/a": "1", b: "2" }, parents: [a] });
    const c = await history.commit({ files: { "w/a": "2", b: "2" }, parents: [b] });
    const side = await history.commit({ files: { "w/a": "1", b: "3" }, parents: [b] });
    const merged = await history.commit({ files: { "w/a": "2", b: "3" }, parents: [c, side] });
    const gone = await history.commit({ files: { b: "3" }, parents: [merged] });
    await history.point("refs/heads/main", gone);
    const run = async (...paths: string[]) =>
      (await log(history.repository, { paths }, QUIET)).map((row) => row.digest);
    expect(await run("w/a")).toEqual([gone, c, a]);
    expect(await run("w")).toEqual([gone, c, a]);
    expect(await run("b")).toEqual([side, b, a]);
    expect(await run("nothing")).toEqual([]);
    const drawn = await log(history.repository, { paths: ["b"], graph: true }, QUIET);
    expect(drawn.flatMap((row) => row.graph)).toEqual(["*", "*", "*"]);
  });
});

test("log() draws merges", async () => {
  await withHistory(async (history) => {
    const r = await history.commit({ message: "r" });
    const a = await history.commit({ parents: [r], message: "a" });
    const b = await history.commit({ parents: [r], message: "b" });
    const m = await history.commit({ parents: [a, b], message: "m" });
    await history.point("refs/heads/main", m);
    const rows = await log(history.repository, { graph: true }, QUIET);
    const lines = rows.flatMap(({ graph, subject }) => [
      `${graph?.[0]} ${subject}`,
      ...(graph?.slice(1) ?? []),
    ]);
    expect(lines).toEqual(["* m", "|\\", "| * b", "* | a", "|/", "* r"]);
    const last = await log(history.repository, { graph: true, limit: 1 }, QUIET);
    expect(last[0]?.graph?.[0]).toBe("*");
  });
});

test("log() sees paths from where the user stands", async () => {
  await withDesk(async (desk) => {
    const first = await desk.commit({ "weights/a": "1", b: "1" });
    await desk.commit({ b: "2" });
    const { worktree } = desk.repository;
    if (worktree === undefined) throw new Error("no worktree");
    const below = { ...desk.repository, worktree: { ...worktree, prefix: "weights" } };
    expect((await log(below, { paths: ["a"] }, QUIET)).map((row) => row.digest)).toEqual([first]);
    expect(await log(below, { paths: ["../b"] }, QUIET)).toHaveLength(2);
    await expect(log(below, { paths: ["../../b"] }, QUIET)).rejects.toMatchObject({ code: "UNSAFE_PATH" });
  });
});

test("log() before the first commit says so", async () => {
  await withHistory(async ({ repository }) => {
    await expect(log(repository, {}, QUIET)).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    await expect(log(repository, { all: true }, QUIET)).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  });
});
