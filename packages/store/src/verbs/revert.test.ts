import { expect, test } from "vitest";
import { readCommit } from "../history/graph.ts";
import { withDesk } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { merge } from "./merge.ts";
import { revert } from "./revert.ts";
import { status } from "./status.ts";

const CLEAN = { staged: [], modified: [], deleted: [], untracked: [] };

test("revert() undoes a commit and keeps what came after it", async () => {
  await withDesk(async (desk) => {
    await desk.commit({ a: "1", b: "1", "d/x": "x" });
    const bad = await desk.commit(
      { a: "2", n: "n", "d/x": undefined },
      { message: "bad\n\nwith body", metrics: { acc: 0 } },
    );
    await desk.commit({ b: "2" });
    const result = await revert(desk.repository, { revision: bad }, QUIET);
    expect(await desk.read()).toEqual({ a: "1", b: "2", "d/x": "x" });
    expect(result).toMatchObject({
      reverted: bad,
      ref: "refs/heads/main",
      files: { added: 1, modified: 1, deleted: 1 },
    });
    const made = await readCommit(desk.history.store, result.digest);
    expect(made.message).toBe(`Revert "bad"\n\nThis reverts commit ${bad}.`);
    expect(made.meta).toEqual({});
    expect(await status(desk.repository, {}, QUIET)).toMatchObject(CLEAN);
    await revert(desk.repository, { revision: "HEAD", message: "again" }, QUIET);
    expect(await desk.read()).toEqual({ a: "2", b: "2", n: "n" });
  });
});

test("revert() of the first commit leaves no files", async () => {
  await withDesk(async (desk) => {
    await desk.commit({ a: "1", "b/c": "2" });
    await revert(desk.repository, { revision: "HEAD" }, QUIET);
    expect(await desk.read()).toEqual({});
  });
});

test("revert() refuses conflicts, merges without a parent, and what is undone already", async () => {
  await withDesk(async (desk) => {
    const first = await desk.commit({ a: "1", b: "1" });
    const second = await desk.commit({ a: "2" });
    const third = await desk.commit({ a: "3" });
    await expect(revert(desk.repository, { revision: second }, QUIET)).rejects.toMatchObject({
      code: "MERGE_CONFLICT",
      details: { paths: ["a"] },
    });
    await desk.commit({ a: "1" });
    await expect(revert(desk.repository, { revision: second }, QUIET)).rejects.toMatchObject({
      code: "NOTHING_TO_COMMIT",
    });
    const side = await desk.history.commit({ files: { a: "1", b: "side" }, parents: [first] });
    const merged = await merge(desk.repository, { revision: side, strategies: ["theirs"] }, QUIET);
    await expect(revert(desk.repository, { revision: "HEAD" }, QUIET)).rejects.toMatchObject({
      code: "REVISION_INVALID",
    });
    await expect(revert(desk.repository, { revision: "HEAD", mainline: 3 }, QUIET)).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    await revert(desk.repository, { revision: merged.digest, mainline: 1 }, QUIET);
    expect(await desk.read()).toEqual({ a: "1", b: "1" });
    expect(third).not.toBe(second);
  });
});
