import { expect, test } from "vitest";
import { withDesk, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { branch } from "../verbs/branch.ts";
import { checkout } from "../verbs/checkout.ts";
import { reset } from "../verbs/reset.ts";
import { switchBranch } from "../verbs/switch.ts";
import { tag } from "../verbs/tag.ts";
import { resolveCommit, resolveRevision } from "./revision.ts";

const NOT_FOUND = { code: "REVISION_NOT_FOUND" };

test("@{-n} is the branch that was left n switches ago, with where it is now", async () => {
  await withDesk(async (desk) => {
    const { repository } = desk;
    const resolve = (text: string) => resolveRevision(repository, text, QUIET);
    const go = (target: string) => switchBranch(repository, { target }, QUIET);
    const one = await desk.commit({ a: "1" });
    await expect(resolve("@{-1}")).rejects.toMatchObject(NOT_FOUND);
    await switchBranch(repository, { create: "side" }, QUIET);
    expect(await resolve("@{-1}")).toEqual({ digest: one, kind: "commit", ref: "refs/heads/main" });
    const two = await desk.commit({ a: "2" });
    await go("main");
    await switchBranch(repository, { create: "third" }, QUIET);
    expect(await resolve("@{-2}")).toMatchObject({ ref: "refs/heads/side", digest: two });
    expect(await resolve("@{-2}~1")).toEqual({ digest: one, kind: "commit" });
    expect(await resolve("@{-2}:a")).toMatchObject({ kind: "blob", path: "a" });
    expect(await resolve("@{-3}")).toMatchObject({ ref: "refs/heads/main" });
    await expect(resolve("@{-4}")).rejects.toMatchObject({
      message: "'@{-4}': branches were left 3 times in this worktree",
    });
  });
});

test("@{-n} counts no switch to where HEAD was already, and no other move of HEAD", async () => {
  await withDesk(async (desk) => {
    const { repository } = desk;
    const one = await desk.commit({ a: "1" });
    await desk.commit({ a: "2" });
    await switchBranch(repository, { create: "side" }, QUIET);
    await switchBranch(repository, { target: "side" }, QUIET);
    await checkout(repository, { revision: "HEAD" }, QUIET);
    await reset(repository, { revision: one, mode: "hard" }, QUIET);
    await desk.commit({ a: "3" });
    expect(await resolveRevision(repository, "@{-1}", QUIET)).toMatchObject({ ref: "refs/heads/main" });
    await expect(resolveRevision(repository, "@{-2}", QUIET)).rejects.toMatchObject(NOT_FOUND);
  });
});

test("@{-n} is a commit where HEAD was detached, and says which branch is gone", async () => {
  await withDesk(async (desk) => {
    const { repository } = desk;
    const one = await desk.commit({ a: "1" });
    await desk.commit({ a: "2" });
    const name = `long/${"x".repeat(200)}`;
    await switchBranch(repository, { create: name }, QUIET);
    await checkout(repository, { revision: one }, QUIET);
    expect(await resolveRevision(repository, "@{-1}", QUIET)).toMatchObject({ ref: `refs/heads/${name}` });
    await switchBranch(repository, { target: "main" }, QUIET);
    expect(await resolveRevision(repository, "@{-1}", QUIET)).toEqual({ digest: one, kind: "commit" });
    await branch(repository, { delete: [name], force: true }, QUIET);
    await expect(resolveRevision(repository, "@{-2}", QUIET)).rejects.toMatchObject({
      ...NOT_FOUND,
      message: expect.stringContaining("which is not there any more"),
    });
  });
});

test("checkout() and switchBranch() go back with '-', and to and fro", async () => {
  await withDesk(async (desk) => {
    const { repository } = desk;
    const attempt = switchBranch(repository, { target: "-" }, QUIET);
    await expect(attempt).rejects.toMatchObject(NOT_FOUND);
    const one = await desk.commit({ a: "1" });
    await switchBranch(repository, { create: "side" }, QUIET);
    await desk.commit({ a: "2" });
    for (const expected of ["main", "side", "main"]) {
      expect(await switchBranch(repository, { target: "-" }, QUIET)).toMatchObject({ branch: expected });
      expect(await desk.read()).toEqual({ a: expected === "main" ? "1" : "2" });
    }
    expect(await checkout(repository, { revision: "@{-1}" }, QUIET)).toMatchObject({ branch: "side" });
    await checkout(repository, { revision: one }, QUIET);
    expect(await checkout(repository, { revision: "-" }, QUIET)).toMatchObject({ branch: "side" });
    expect(await checkout(repository, { revision: "-" }, QUIET)).toMatchObject({ branch: null, digest: one });
    await switchBranch(repository, { target: "main" }, QUIET);
    await expect(switchBranch(repository, { target: "-" }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
      message: `'${one}' is not a branch`,
    });
  });
});

test("@{-1} needs a worktree", async () => {
  await withHistory(async ({ repository }) => {
    await expect(resolveRevision(repository, "@{-1}", QUIET)).rejects.toMatchObject({
      code: "WORKTREE_NOT_FOUND",
    });
  });
});

test(":/text is the newest commit of HEAD or any ref that has the text in its message", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    const resolve = (text: string) => resolveCommit(repository, text, QUIET);
    await expect(resolve(":/fix")).rejects.toMatchObject(NOT_FOUND);
    const first = await history.commit({ message: "fix: the loss (a+b)*\n\nsecond line" });
    const second = await history.commit({ message: "fix: again", parents: [first] });
    const side = await history.commit({ message: "side: fix nothing", parents: [first] });
    const lost = await history.commit({ message: "fix: reachable from nowhere", parents: [first] });
    await history.point("refs/heads/main", second);
    expect(await resolve(":/fix")).toBe(second);
    await history.point("refs/heads/side", side);
    expect(await resolve(":/fix")).toBe(side);
    expect(await resolve(":/fix: ")).toBe(second);
    expect(await resolve(":/second line")).toBe(first);
    expect(await resolve(":/(a+b)*")).toBe(first);
    await expect(resolve(":/reachable")).rejects.toMatchObject({
      ...NOT_FOUND,
      message: "no commit has 'reachable' in its message",
    });
    await tag(repository, { name: "v1", revision: lost, message: "kept by a tag" }, QUIET);
    expect(await resolve(":/reachable")).toBe(lost);
    expect(await resolveRevision(repository, ":/again", QUIET)).toEqual({ digest: second, kind: "commit" });
  });
});
