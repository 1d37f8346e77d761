import { expect, test } from "vitest";
import { withFiles } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { refs } from "./refs.ts";
import { tag } from "./tag.ts";

test("refs() lists refs but not those of worktrees", async () => {
  await withFiles(async (history, commit) => {
    const { repository } = history;
    await tag(repository, { name: "v1", message: "one" }, QUIET);
    await history.point("refs/registry/champion", commit);
    await history.point(`refs/worktrees/${"ab".repeat(16)}/HEAD`, commit);
    expect(await refs(repository, {}, QUIET)).toMatchObject([
      { name: "refs/heads/main", short: "main", kind: "commit", commit },
      { name: "refs/registry/champion", short: "champion" },
      { name: "refs/tags/v1", short: "v1", kind: "tag", commit },
    ]);
    expect(await refs(repository, { prefix: "tags/" }, QUIET)).toHaveLength(1);
    expect(await refs(repository, { prefix: "refs/heads/" }, QUIET)).toHaveLength(1);
    expect(await refs(repository, { prefix: "nothing" }, QUIET)).toEqual([]);
  });
});
