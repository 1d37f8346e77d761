import { expect, test } from "vitest";
import { formatCid } from "../objects/digest.ts";
import { digestOf, withFiles } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { revParse, type RevParseOptions } from "./rev-parse.ts";

test("revParse() prints digests, short ones, CIDs and names", async () => {
  await withFiles(async (history, commit) => {
    const next = await history.commit({ parents: [commit] });
    await history.point("refs/heads/main", next);
    const run = async (revisions: string[], options: RevParseOptions = {}) =>
      (await revParse(history.repository, { revisions, ...options }, QUIET)).rows.map((row) => row.text);
    expect(await run(["HEAD", "HEAD~1"])).toEqual([next, commit]);
    expect(await run(["HEAD"], { short: 7 })).toEqual([next.slice(0, 7)]);
    expect(await run(["HEAD"], { short: 12 })).toEqual([next.slice(0, 12)]);
    expect(await run(["HEAD"], { cid: true })).toEqual([formatCid(next, "commit")]);
    expect(await run(["HEAD:run.sh".replace("HEAD", "HEAD~1")], { cid: true })).toEqual([
      formatCid(digestOf("x"), "blob"),
    ]);
    expect(await run(["HEAD", "@", "refs/heads/main", "HEAD~1"], { abbrevRef: true })).toEqual([
      "main",
      "main",
      "main",
      commit,
    ]);
    expect(await run(["HEAD~1..HEAD"])).toEqual([next, `^${commit}`]);
    expect(await run(["HEAD~1...HEAD"])).toEqual([commit, next, `^${commit}`]);
    expect(await run(["^HEAD"])).toEqual([`^${next}`]);
    for (const short of [3, 65, 7.5, Number.NaN])
      await expect(run(["HEAD"], { short })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await expect(run([], { showToplevel: true })).rejects.toMatchObject({ code: "WORKTREE_NOT_FOUND" });
    // CIDs go in as they come out.
    const [cid = ""] = await run(["HEAD"], { cid: true });
    expect(await run([cid])).toEqual([next]);
  });
});
