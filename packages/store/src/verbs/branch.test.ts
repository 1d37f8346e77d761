import { expect, test } from "vitest";
import { parseRefName } from "../names.ts";
import { withDesk, withHistory } from "../testing-history.ts";
import { QUIET } from "../testing.ts";
import { branch, type BranchOptions } from "./branch.ts";
import { status } from "./status.ts";
import { tag, type TagOptions } from "./tag.ts";

test("branch() creates, lists, moves and deletes", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    const run = (options: BranchOptions) => branch(repository, options, QUIET);
    const first = await history.commit({ message: "first\n\nbody" });
    const second = await history.commit({ parents: [first] });
    await history.point("refs/heads/main", second);
    await history.point("refs/remotes/origin/main", first);
    expect(await run({ name: "old", revision: "HEAD~1" })).toMatchObject({
      action: "create",
      branches: [{ name: "old", digest: first }],
    });
    await run({ name: "feature/x" });
    const listed = await run({});
    expect(listed).toMatchObject({ action: "list", current: "main" });
    expect(listed.branches.map(({ name, current, subject, date }) => [name, current, subject, date])).toEqual(
      [
        ["feature/x", false, "commit 2", "2026-01-01T00:00:02+00:00"],
        ["main", true, "commit 2", "2026-01-01T00:00:02+00:00"],
        ["old", false, "first", "2026-01-01T00:00:01+00:00"],
      ],
    );
    expect((await run({ all: true })).branches.map((row) => row.name)).toEqual([
      "feature/x",
      "main",
      "old",
      "origin/main",
    ]);
    expect((await run({ remotes: true })).branches.map((row) => row.name)).toEqual(["origin/main"]);
    await expect(run({ name: "old" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await run({ name: "old", force: true })).toMatchObject({
      action: "move",
      branches: [{ digest: second }],
    });
    await expect(run({ name: "main", revision: first, force: true })).rejects.toMatchObject({
      code: "BRANCH_IN_USE",
    });
    expect(await run({ delete: ["old", "feature/x"] })).toMatchObject({
      action: "delete",
      branches: [{ name: "old" }, { name: "feature/x" }],
    });
    expect((await run({})).branches.map((row) => row.name)).toEqual(["main"]);
  });
});

test("branch() deletes nothing when one of the names cannot go", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    const run = (options: BranchOptions) => branch(repository, options, QUIET);
    const first = await history.commit();
    await history.point("refs/heads/main", first);
    await history.point("refs/heads/merged", first);
    const lone = await history.commit({ parents: [first] });
    await history.point("refs/heads/lone", lone);
    await expect(run({ delete: ["merged", "lone"] })).rejects.toMatchObject({
      code: "NOT_MERGED",
      details: { branch: "lone", digest: lone },
    });
    await expect(run({ delete: ["merged", "main"] })).rejects.toMatchObject({ code: "BRANCH_IN_USE" });
    await expect(run({ delete: ["merged", "mergd"] })).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
      hint: "did you mean: merged",
    });
    expect((await run({})).branches).toHaveLength(3);
    await run({ delete: ["lone"], force: true });
    const entries = await history.store.refs.log("demo", parseRefName("refs/heads/lone"));
    expect(entries[0]).toMatchObject({
      from: lone,
      to: "absent",
      op: "branch",
      actor: "Ada <ada@example.org>",
    });
  });
});

test("branch() refuses bad names and names that are in the way", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    await history.point("refs/heads/main", await history.commit());
    await history.point("refs/heads/a", await history.commit());
    const bad = [
      "../../x",
      "a..b",
      "a//b",
      "/a",
      "a/",
      ".a",
      "a.lock",
      "a.",
      "@",
      "a@{1}",
      "a b",
      "a~1",
      "a^",
      "a:b",
      "a?",
      "a*",
    ];
    const worse = [
      "a[",
      "a\\b",
      "-f",
      "main\r",
      "ma\u001b]0;x\u0007in",
      "ma\u202ein",
      "main\u200b",
      "x".repeat(300),
      "",
    ];
    for (const name of [...bad, ...worse, Array(64).fill("a").join("/"), "HEAD", "0".repeat(64)]) {
      await expect(branch(repository, { name }, QUIET), name).rejects.toMatchObject({
        code: "REF_NAME_INVALID",
      });
      await expect(tag(repository, { name }, QUIET), name).rejects.toMatchObject({
        code: "REF_NAME_INVALID",
      });
    }
    for (const name of ["a/b", "Main"]) {
      await expect(branch(repository, { name }, QUIET), name).rejects.toMatchObject({ code: "REF_CONFLICT" });
    }
    await expect(branch(repository, { name: "x", delete: ["a"] }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    expect((await branch(repository, {}, QUIET)).branches.map((row) => row.name)).toEqual(["a", "main"]);
  });
});

test("branch() renames the current branch and HEAD follows", async () => {
  await withDesk(async (desk) => {
    const run = (options: BranchOptions) => branch(desk.repository, options, QUIET);
    expect(await run({ rename: { to: "trunk" } })).toMatchObject({ action: "rename", current: "trunk" });
    const first = await desk.commit({ a: "1" });
    expect(await run({ rename: { to: "Trunk" } })).toMatchObject({
      branches: [{ name: "Trunk", digest: first, current: true }],
    });
    await run({ rename: { to: "Trunk/one" } });
    expect(await run({ rename: { to: "main" } })).toMatchObject({ current: "main" });
    expect(await status(desk.repository, {}, QUIET)).toMatchObject({
      branch: "main",
      head: first,
      staged: [],
    });
    await run({ name: "other" });
    await expect(run({ rename: { from: "other", to: "main" } })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await expect(run({ rename: { from: "absent", to: "b" } })).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    await run({ rename: { from: "other", to: "third" } });
    expect((await run({})).branches.map((row) => row.name)).toEqual(["main", "third"]);
  });
});

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
