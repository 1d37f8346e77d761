import { expect, test } from "vitest";
import { withDesk } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { repos } from "./repos.ts";

test("repos() lists repositories with branches, last commit and worktrees", async () => {
  await withDesk(async (desk) => {
    const { store } = desk.history;
    await store.refs.createRepository("ada/empty", {
      op: "init",
      reason: "init",
      actor: "Ada <ada@example.org>",
    });
    const commit = await desk.history.commit();
    await desk.history.point("refs/heads/main", commit);
    await desk.history.point("refs/tags/v1", commit);
    expect(await repos(store, {}, QUIET)).toMatchObject([
      { name: "ada/empty", branchCount: 0, worktrees: [], lastCommit: null },
      {
        name: "demo",
        branchCount: 1,
        tagCount: 1,
        worktrees: [desk.root],
        lastCommit: expect.stringMatching(/^20\d\d-/),
      },
    ]);
    expect(await repos(store, { match: "emp" }, QUIET)).toHaveLength(1);
  });
});
