import { expect, test } from "vitest";
import { withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { tag, type TagOptions } from "./tag.ts";

test("tag() creates light and annotated tags, lists, replaces and deletes them", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    const run = (options: TagOptions) => tag(repository, options, QUIET);
    const first = await history.commit({ files: { "a.bin": "1" }, message: "first" });
    const second = await history.commit({ files: { "a.bin": "2" }, parents: [first] });
    await history.point("refs/heads/main", second);
    expect((await run({ name: "v1.0.0", revision: first })).tags).toMatchObject([
      { name: "v1.0.0", digest: first, commit: first, annotated: false, subject: "first", tagger: null },
    ]);
    const [made] = (await run({ name: "v1.10.0", message: "the tenth\n\nmore" })).tags;
    expect(made).toMatchObject({
      annotated: true,
      commit: second,
      subject: "the tenth",
      tagger: "Ada <ada@example.org>",
    });
    expect(made?.digest).not.toBe(second);
    await run({ name: "v1.2.0" });
    await run({ name: "data", revision: "HEAD:a.bin" });
    expect((await run({})).tags.map((row) => [row.name, row.commit === null])).toEqual([
      ["data", true],
      ["v1.0.0", false],
      ["v1.2.0", false],
      ["v1.10.0", false],
    ]);
    expect((await run({ pattern: "v1.?.0" })).tags.map((row) => row.name)).toEqual(["v1.0.0", "v1.2.0"]);
    await expect(run({ name: "v1.0.0" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(run({ name: "v9", message: " " })).rejects.toMatchObject({ code: "MESSAGE_INVALID" });
    await expect(run({ name: "v9", revision: "nowhere" })).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    expect(await run({ name: "v1.0.0", force: true })).toMatchObject({
      action: "replace",
      tags: [{ digest: second }],
    });
    await expect(run({ delete: ["v1.0.0", "v1.0.9"] })).rejects.toMatchObject({
      hint: "did you mean: v1.0.0, v1.10.0, v1.2.0",
    });
    expect((await run({ delete: ["v1.0.0", "data"] })).tags).toHaveLength(2);
    expect((await run({})).tags.map((row) => row.name)).toEqual(["v1.2.0", "v1.10.0"]);
  });
});

test("tag() with bump makes the version after the highest", async () => {
  await withHistory(async (history) => {
    const run = async (bump: "major" | "minor" | "patch") =>
      (await tag(history.repository, { bump }, QUIET)).tags[0]?.name;
    await history.point("refs/heads/main", await history.commit());
    expect(await run("patch")).toBe("v0.0.1");
    for (const name of ["v1.9.9", "v1.10.2", "v2.0.0-rc1", "v03.0.0", "latest", "v1.10"])
      await tag(history.repository, { name }, QUIET);
    expect(await run("patch")).toBe("v1.10.3");
    expect(await run("minor")).toBe("v1.11.0");
    expect(await run("major")).toBe("v2.0.0");
    await expect(tag(history.repository, { name: "x", bump: "minor" }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
  });
});
