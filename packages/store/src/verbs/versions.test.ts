import { expect, test } from "vitest";
import { encodeTag } from "../objects/objects.ts";
import { addNote } from "../registry/notes.ts";
import { ADA, type History, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { versions, type VersionsOptions } from "./versions.ts";

/** v1.0.0 is archived with a reason, v1.0.1 is the champion, v1.1.0-rc the challenger; one commit has no name. */
async function withVersions(
  run: (history: History, list: (options?: VersionsOptions) => Promise<string[]>) => Promise<void>,
): Promise<void> {
  await withHistory(async (history) => {
    const make = (mag: number, azi: number, loss: number, parents: string[] = []) =>
      history.commit({
        files: { "m.bin": "x".repeat(azi) },
        parents: parents as never,
        meta: { metrics: { mag, azi, val_loss: loss }, params: { lr: azi / 1000 } },
      });
    const first = await make(98.36, 50, 0.5);
    const second = await make(97.63, 71, 0.3, [first]);
    const third = await make(97, 60, 0.4, [second]);
    const fourth = await history.commit({ parents: [third] });
    await history.point("refs/tags/v1.0.0", first);
    await history.point("refs/tags/first", first);
    await history.point("refs/tags/v1.0.1", second);
    await history.point("refs/tags/v1.1.0-rc", third);
    await history.point("refs/heads/main", fourth);
    await history.point("refs/registry/champion", second);
    await history.point("refs/registry/challenger", third);
    await using session = history.store.write("test");
    const tagged = { ms: 1_767_225_600_000, offsetMinutes: 0 };
    const name = "v1.0.0";
    const tag = {
      target: first,
      targetKind: "commit",
      name,
      tagger: ADA,
      tagged,
      message: "azi low",
    } as const;
    const archived = await session.putObject("tag", encodeTag(tag));
    await session.finish();
    await history.point("refs/archive/v1.0.0", archived);
    await run(history, async (options = {}) =>
      (await versions(history.repository, options, QUIET)).versions.map(({ version }) => version),
    );
  });
}

test("versions() tells name, status, metrics, size and why a version was archived", async () => {
  await withVersions(async (history, list) => {
    expect(await list()).toEqual(["v1.1.0-rc", "v1.0.1", "v1.0.0"]);
    const { versions: rows } = await versions(history.repository, { sort: "version" }, QUIET);
    expect(rows.map(({ status }) => status)).toEqual(["archived", "champion", "challenger"]);
    expect(rows[0]).toMatchObject({
      version: "v1.0.0",
      tags: ["first", "v1.0.0"],
      roles: [],
      archived: { version: "v1.0.0", reason: "azi low", by: "Ada <ada@example.org>" },
      metrics: { mag: 98.36, azi: 50, val_loss: 0.5 },
      params: { lr: 0.05 },
      sizeBytes: 50,
      author: "Ada <ada@example.org>",
    });
    expect(rows[1]).toMatchObject({ roles: ["champion"], archived: null });
  });
});

test("versions() with all lists every commit", async () => {
  await withVersions(async (_, list) => {
    const names = await list({ all: true });
    expect(names).toHaveLength(4);
    expect(names[0]).toMatch(/^c-[0-9a-f]{12}$/);
  });
});

test("versions() sorts metrics from the best, losses from the lowest, and turns round", async () => {
  await withVersions(async (_, list) => {
    expect(await list({ sort: "azi" })).toEqual(["v1.0.1", "v1.1.0-rc", "v1.0.0"]);
    expect(await list({ sort: "val_loss" })).toEqual(["v1.0.1", "v1.1.0-rc", "v1.0.0"]);
    expect(await list({ sort: "-mag" })).toEqual(["v1.1.0-rc", "v1.0.1", "v1.0.0"]);
    expect(await list({ sort: "lr" })).toEqual(["v1.0.0", "v1.1.0-rc", "v1.0.1"]);
    expect(await list({ sort: "size" })).toEqual(["v1.0.1", "v1.1.0-rc", "v1.0.0"]);
    expect((await list({ sort: "azi", all: true })).at(-1)).toMatch(/^c-/);
    await expect(list({ sort: "azy" })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
      hint: "did you mean: azi",
    });
  });
});

test("versions() filters by metrics, params, fields and other versions", async () => {
  await withVersions(async (_, list) => {
    expect(await list({ filter: "azi >= 60 and params.lr < 0.07" })).toEqual(["v1.1.0-rc"]);
    expect(await list({ filter: 'status == "archived" or version == "v1.0.1"' })).toEqual([
      "v1.0.1",
      "v1.0.0",
    ]);
    expect(await list({ filter: "azi < champion.azi" })).toEqual(["v1.1.0-rc", "v1.0.0"]);
    expect(await list({ filter: "azi > 0", all: true })).toHaveLength(3);
    await expect(list({ filter: "azy > 1" })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(list({ filter: "azi >" })).rejects.toMatchObject({ code: "EXPRESSION_INVALID" });
    await expect(list({ filter: "azi > nobody.azi" })).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  });
});

test("versions() knows what notes added", async () => {
  await withVersions(async (history, list) => {
    const [row] = (await versions(history.repository, { sort: "version" }, QUIET)).versions;
    if (row === undefined) throw new Error("no version");
    const note = { commit: row.commit, kind: "evaluation", text: "site 3", metrics: { azi: 99 } } as const;
    await addNote(history.repository, note, QUIET);
    expect(await list({ sort: "azi" })).toEqual(["v1.0.0", "v1.0.1", "v1.1.0-rc"]);
    expect((await versions(history.repository, { sort: "azi" }, QUIET)).versions[0]).toMatchObject({
      metrics: { azi: 99, mag: 98.36 },
      notes: [{ text: "site 3", kind: "evaluation" }],
    });
  });
});
