import { expect, test } from "vitest";
import { formatCid } from "../objects/digest.ts";
import { digestOf, withFiles } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { catFile } from "./cat-file.ts";
import { tag } from "./tag.ts";

test("catFile() tells kind, size, CID and content", async () => {
  await withFiles(async ({ repository }, commit) => {
    await tag(repository, { name: "v1", message: "one" }, QUIET);
    const run = (revision: string, exists = false) => catFile(repository, { revision, exists }, QUIET);
    const shown = await run("HEAD");
    expect(shown).toMatchObject({
      exists: true,
      digest: commit,
      kind: "commit",
      cid: formatCid(commit, "commit"),
    });
    expect(shown.content).toMatchObject({
      type: "commit",
      author: "Ada <ada@example.org>",
      authored: "2026-01-01T00:00:01+00:00",
      parents: [],
    });
    expect((await run("v1")).content).toMatchObject({
      type: "tag",
      target: commit,
      targetKind: "commit",
      message: "one",
    });
    expect((await run("HEAD:weights")).content).toMatchObject({
      type: "tree",
      entries: [{ name: "a.bin" }, { name: "deep" }],
    });
    expect(await run("HEAD:run.sh")).toMatchObject({
      kind: "blob",
      sizeBytes: 1,
      content: null,
      digest: digestOf("x"),
    });
    expect(await run("HEAD", true)).toMatchObject({ exists: true, content: null });
    expect(await run("nothing", true)).toMatchObject({ exists: false, digest: null });
    expect(await run("HEAD:nothing", true)).toMatchObject({ exists: false });
    await expect(run("nothing")).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    await expect(run("a b", true)).rejects.toMatchObject({ code: "REVISION_INVALID" });
  });
});
