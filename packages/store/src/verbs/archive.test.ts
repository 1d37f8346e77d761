import { expect, test } from "vitest";
import { listArchived } from "../registry/archive-refs.ts";
import { withRegistry } from "../testing/registry.ts";
import { QUIET } from "../testing/testing.ts";
import { archive, type ArchiveOptions } from "./archive.ts";
import { branch } from "./branch.ts";
import { gc } from "./gc.ts";
import { tag } from "./tag.ts";
import { unarchive } from "./unarchive.ts";
import { verify } from "./verify.ts";

test("archive() keeps a version with its reason, and unarchive() makes it a candidate again", () =>
  withRegistry(async ({ repository, promote, commits, state }) => {
    const run = (options: ArchiveOptions) => archive(repository, options, QUIET);
    expect(await run({ revision: "v1.0.0", reason: "azi is low\n\nsite 3" })).toMatchObject({
      archived: [{ version: "v1.0.0", commit: commits[0], ref: "refs/archive/v1.0.0" }],
    });
    expect(await listArchived(repository, QUIET)).toMatchObject([{ reason: "azi is low\n\nsite 3" }]);
    await expect(run({ revision: commits[0], reason: "x" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await expect(run({ revision: "v1.0.1" })).rejects.toMatchObject({ code: "ARGUMENT_INVALID", exit: 2 });
    await expect(run({ reason: "x" })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    await promote("v1.0.1");
    await expect(run({ revision: "v1.0.1", reason: "x" })).rejects.toMatchObject({ code: "REF_PROTECTED" });
    expect(await unarchive(repository, { revision: "1.0.0" }, QUIET)).toMatchObject({
      unarchived: [{ version: "v1.0.0" }],
    });
    expect((await state()).archived).toEqual([]);
    const again = unarchive(repository, { revision: "v1.0.0" }, QUIET);
    await expect(again).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  }));

test("archive() of the unused takes old tagged versions in no role and at no tip of a branch", () =>
  withRegistry(async ({ repository, history, promote, state }) => {
    await promote("v1.0.1");
    await history.point("refs/tags/young", await history.commit({ ms: Date.now() }));
    const run = (unused: string) =>
      archive(repository, { unused, reason: "old", dryRun: unused !== "0 days" }, QUIET);
    expect((await run("90d")).archived).toEqual([]);
    expect((await run("0 days")).archived.map(({ version }) => version)).toEqual(["v1.0.0", "young"]);
    expect((await state()).archived).toEqual(["v1.0.0", "young"]);
    expect((await run("0 days")).archived).toEqual([]);
  }));

test("S3.17 an archived version is not lost by tag, branch or gc", () =>
  withRegistry(async ({ repository, history, commits }) => {
    await archive(repository, { revision: "v1.0.0", reason: "old" }, QUIET);
    const plain = await history.commit({ files: { "model.bin": "plain" } });
    await history.point("refs/heads/only", plain);
    await archive(repository, { revision: "only", reason: "old too" }, QUIET);
    const refused = { code: "REF_PROTECTED", exit: 5 };
    await expect(tag(repository, { delete: ["v1.0.0"] }, QUIET)).rejects.toMatchObject(refused);
    await expect(tag(repository, { name: "v1.0.0", force: true }, QUIET)).rejects.toMatchObject(refused);
    const remove = () => branch(repository, { delete: ["only"], force: true }, QUIET);
    await expect(remove()).rejects.toMatchObject(refused);
    const move = branch(repository, { name: "only", revision: "main", force: true }, QUIET);
    await expect(move).rejects.toMatchObject(refused);
    await branch(repository, { rename: { from: "only", to: "still" } }, QUIET);
    await tag(repository, { name: "plain", revision: "still" }, QUIET);
    await branch(repository, { delete: ["still"], force: true }, QUIET);
    await gc(repository.store, { keepLast: 1, olderThan: "0 days", grace: "0 days" }, QUIET);
    for (const revision of [commits[0], plain, "archive/v1.0.0"])
      expect(await verify(repository, { revision }, QUIET)).toMatchObject({ ok: true });
  }));
