import { expect, test } from "vitest";
import { parseRefName } from "../objects/names.ts";
import { withDesk, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { branch, type BranchOptions } from "./branch.ts";
import { config } from "./config.ts";
import { status } from "./status.ts";
import { tag } from "./tag.ts";

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
    const allow = { action: "set", key: "names.caseConflicts", value: "allow" } as const;
    await config(history.store, allow, QUIET);
    expect(await branch(repository, { name: "Main" }, QUIET)).toMatchObject({ action: "create" });
    await branch(repository, { delete: ["Main"], force: true }, QUIET);
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

test("branch() that loses the race for a name says that it exists", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    await history.point("refs/heads/main", await history.commit());
    const attempts = Array.from({ length: 20 }, () => branch(repository, { name: "wanted" }, QUIET));
    const codes = (await Promise.allSettled(attempts)).map((attempt) =>
      attempt.status === "fulfilled" ? "made" : (attempt.reason as { code?: string }).code,
    );
    expect(codes.toSorted()).toEqual([...Array.from({ length: 19 }, () => "ALREADY_EXISTS"), "made"]);
    expect(await repository.store.refs.log("demo", parseRefName("refs/heads/wanted"))).toHaveLength(1);
  });
});
