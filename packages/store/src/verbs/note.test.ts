import { expect, test } from "vitest";
import { readNotesOf, storeNote } from "../registry/notes.ts";
import { readKnown } from "../registry/known.ts";
import { ADA, START_MS, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { fsck } from "./fsck.ts";
import { log } from "./log.ts";
import { note } from "./note.ts";
import { refs } from "./refs.ts";
import { show } from "./show.ts";

test("note() adds, never replaces; show and log tell what notes say", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    const commit = await history.commit({ meta: { metrics: { azi: 1 } } });
    await history.point("refs/heads/main", commit);
    const run = (options: Parameters<typeof note>[1]) => note(repository, options, QUIET);
    expect(await run({})).toEqual({ action: "list", commit, notes: [] });
    await run({ message: "works on site 3" });
    const added = await run({ revision: "main", message: "again", metrics: { azi: 5, f1: 0.5 } });
    expect(added).toMatchObject({
      action: "add",
      commit,
      notes: [{ kind: "evaluation", author: "Ada <ada@example.org>" }],
    });
    expect((await run({})).notes.map(({ text, kind }) => [text, kind])).toEqual([
      ["works on site 3", "text"],
      ["again", "evaluation"],
    ]);
    const shown = await show(repository, {}, QUIET);
    expect(shown.notes).toHaveLength(2);
    expect(shown.commit?.metrics).toEqual({ azi: 5, f1: 0.5 });
    expect(await log(repository, { all: true, metric: "f1" }, QUIET)).toMatchObject([
      { digest: commit, metrics: { azi: 5, f1: 0.5 } },
    ]);
    expect((await log(repository, { all: true }, QUIET)).map(({ digest }) => digest)).toEqual([commit]);
    expect((await refs(repository, {}, QUIET)).map(({ name }) => name)).toEqual(["refs/heads/main"]);
    expect(await refs(repository, { prefix: "refs/notes/" }, QUIET)).toHaveLength(1);
  });
});

test("note() of two at once keeps both", async () => {
  await withHistory(async (history) => {
    await history.point("refs/heads/main", await history.commit());
    const texts = ["a", "b", "c", "d"];
    await Promise.all(texts.map((message) => note(history.repository, { message }, QUIET)));
    const { notes } = await note(history.repository, {}, QUIET);
    expect(notes.map(({ text }) => text).sort()).toEqual(texts);
  });
});

test("note() refuses no words, no number and no version", async () => {
  await withHistory(async (history) => {
    await history.point("refs/heads/main", await history.commit());
    const run = (options: Parameters<typeof note>[1]) => note(history.repository, options, QUIET);
    await expect(run({ message: " " })).rejects.toMatchObject({ code: "MESSAGE_INVALID" });
    await expect(run({ metrics: { a: Number.NaN } })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(run({ revision: "v9", message: "x" })).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    expect((await run({})).notes).toEqual([]);
  });
});

test("readKnown() takes what other programs wrote into notes as far as it is what it should be", async () => {
  await withHistory(async (history) => {
    const { repository, store } = history;
    const commit = await history.commit({ meta: { metrics: { azi: 1 }, gpu: "A100" } });
    const moment = { ms: START_MS, offsetMinutes: 0 };
    const persons = { author: ADA, authored: moment, committer: ADA, committed: moment };
    const meta = {
      note: {
        kind: 7,
        metrics: { azi: "high", mag: 2 },
        set: { "params.lr": [1], "metrics.x": "y", gpu: "H100" },
      },
    };
    const tip = await storeNote(store, { parents: [], ...persons, message: "odd", meta }, QUIET);
    await history.point(`refs/notes/${commit}`, tip);
    const known = await readKnown(repository, commit, QUIET);
    expect(known.meta).toEqual({ metrics: { azi: 1, mag: 2 }, gpu: "H100" });
    expect(known.origins.get("gpu")).toBe(tip);
    expect(await readNotesOf(repository, commit, QUIET)).toMatchObject([{ kind: "text", text: "odd" }]);
    const checked = await fsck(store as never, { full: true }, QUIET);
    expect(checked).toMatchObject({ problems: [] });
  });
});
