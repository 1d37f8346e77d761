import { expect, test } from "vitest";
import { type History, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { archive } from "./archive.ts";
import { changelog } from "./changelog.ts";
import { note } from "./note.ts";

/** v1.0.0 of two commits, v1.1.0 of a merge of two lines, then one more commit on main. */
async function withReleases(run: (history: History) => Promise<void>): Promise<void> {
  await withHistory(async (history) => {
    const one = await history.commit({ message: "one" });
    const two = await history.commit({
      message: "two",
      parents: [one],
      meta: { metrics: { azi: 50.66, loss: 2 } },
    });
    const side = await history.commit({ message: "side", parents: [one] });
    const meta = { metrics: { azi: 71.28, loss: 1 } };
    const joined = await history.commit({ message: "joined", parents: [two, side], meta });
    const last = await history.commit({ message: "last\n\nmore", parents: [joined] });
    await history.point("refs/tags/v1.0.0", two);
    await history.point("refs/tags/v1.1.0", joined);
    await history.point("refs/heads/main", last);
    await run(history);
  });
}

function subjects({ sections }: Awaited<ReturnType<typeof changelog>>): unknown[] {
  return sections.map(({ version, commits }) => [version, commits.map(({ subject }) => subject)]);
}

test("changelog() gives each commit to the oldest version that has it, and says what is not released", async () => {
  await withReleases(async ({ repository }) => {
    const all = await changelog(repository, { revision: "main" }, QUIET);
    expect(subjects(all)).toEqual([
      [null, ["last"]],
      ["v1.1.0", ["joined", "side"]],
      ["v1.0.0", ["two", "one"]],
    ]);
    expect(subjects(await changelog(repository, { revision: "v1.0.0" }, QUIET))).toEqual([
      ["v1.0.0", ["two", "one"]],
    ]);
  });
});

test("changelog() tells metrics against the version before, notes, and why a version was archived", async () => {
  await withReleases(async ({ repository }) => {
    await note(repository, { revision: "v1.1.0", message: "better at the edges\n" }, QUIET);
    await archive(repository, { revision: "v1.0.0", reason: "azi is low" }, QUIET);
    const since = await changelog(repository, { revision: "v1.1.0", since: "v1.0.0" }, QUIET);
    expect(since.sections).toMatchObject([
      {
        version: "v1.1.0",
        status: "candidate",
        archived: null,
        notes: ["better at the edges"],
        metrics: [
          { name: "azi", value: 71.28, delta: 20.62, lowerIsBetter: false },
          { name: "loss", value: 1, delta: -1, lowerIsBetter: true },
        ],
      },
    ]);
    const [first] = (await changelog(repository, { revision: "v1.0.0" }, QUIET)).sections;
    expect(first).toMatchObject({ status: "archived", archived: "azi is low" });
    expect(first?.metrics.map(({ delta }) => delta)).toEqual([null, null]);
  });
});

test("changelog() of a revision that is not there is refused", async () => {
  await withReleases(async ({ repository }) => {
    for (const options of [{ revision: "v9" }, { revision: "main", since: "v9" }])
      await expect(changelog(repository, options, QUIET)).rejects.toMatchObject({
        code: "REVISION_NOT_FOUND",
      });
  });
});
