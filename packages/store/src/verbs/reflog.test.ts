import { expect, test } from "vitest";
import { withDesk, withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { reflog } from "./reflog.ts";
import { revParse } from "./rev-parse.ts";

test("reflog() tells what a ref was, also at a date and after it was deleted", async () => {
  await withHistory(async (history) => {
    const { repository } = history;
    const a = await history.commit();
    const b = await history.commit();
    await history.point("refs/heads/main", a, "first");
    await history.point("refs/heads/main", b, "second");
    await history.point("refs/heads/main", "absent", "gone");
    const { ref, entries } = await reflog(repository, { ref: "main" }, QUIET);
    expect(ref).toBe("refs/heads/main");
    expect(entries.map(({ selector, from, to, reason }) => [selector, from, to, reason])).toEqual([
      ["main@{0}", b, null, "gone"],
      ["main@{1}", a, b, "second"],
      ["main@{2}", null, a, "first"],
    ]);
    expect((await reflog(repository, { ref: "main", limit: 1 }, QUIET)).entries).toHaveLength(1);
    expect((await reflog(repository, { ref: "main", limit: 0 }, QUIET)).entries).toEqual([]);
    expect((await reflog(repository, { ref: "main", at: "now" }, QUIET)).entries).toMatchObject([
      { reason: "gone" },
    ]);
    await expect(reflog(repository, { ref: "main", at: "2020-01-01" }, QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    await expect(reflog(repository, { ref: "main", at: "x" }, QUIET)).rejects.toMatchObject({
      code: "DATE_INVALID",
    });
    await expect(reflog(repository, { ref: "nothing" }, QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    await expect(reflog(repository, { ref: "main", limit: -1 }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
  });
});

test("reflog() of HEAD is the worktree's own", async () => {
  await withDesk(async (desk) => {
    const first = await desk.commit({ a: "1" }, { message: "first" });
    const second = await desk.commit({ a: "2" }, { message: "second" });
    const { ref, entries } = await reflog(desk.repository, {}, QUIET);
    expect(ref).toMatch(/^refs\/worktrees\/[0-9a-f]{32}\/HEAD$/);
    expect(entries.map(({ selector, to }) => [selector, to])).toEqual([
      ["HEAD@{0}", second],
      ["HEAD@{1}", first],
    ]);
    expect((await revParse(desk.repository, { showToplevel: true }, QUIET)).toplevel).toBe(desk.root);
  });
});
