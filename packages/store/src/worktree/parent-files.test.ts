/** What new files are stored against, from the worktree's point of view. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readCommit } from "../history/graph.ts";
import { type Digest, hashBytes } from "../objects/digest.ts";
import { type Desk, withDesk } from "../testing/history.ts";
import { type Model, model, nudge, safetensors } from "../testing/models.ts";
import { QUIET } from "../testing/testing.ts";
import { add } from "../verbs/add.ts";
import { commit } from "../verbs/commit.ts";
import { rm } from "../verbs/rm.ts";

const FIRST = model({ "a.weight": 400_000, "b.weight": 100_000 }, 1);

/** Writes the file; its digest. */
function save(desk: Desk, path: string, tensors: Model): Digest {
  const bytes = safetensors(tensors);
  writeFileSync(join(desk.root, path), bytes);
  return hashBytes(bytes);
}

async function stage(desk: Desk, path: string, tensors: Model, base?: string): Promise<Digest> {
  const digest = save(desk, path, tensors);
  const paths = [join(desk.root, path)];
  await add(desk.repository, { paths, ...(base === undefined ? {} : { base }) }, QUIET);
  return digest;
}

/** How many of the file's chunks are stored against others. */
async function differences(desk: Desk, digest: Digest): Promise<number> {
  const { objects } = desk.repository.store as never as {
    objects: { blob(digest: Digest): Promise<{ pieces: readonly { parents?: unknown }[] }> };
  };
  const { pieces } = await objects.blob(digest);
  return pieces.filter(({ parents }) => parents !== undefined).length;
}

test("a file is stored against itself in HEAD", async () => {
  await withDesk(async (desk) => {
    expect(await differences(desk, await stage(desk, "m.safetensors", FIRST))).toBe(0);
    await commit(desk.repository, { message: "first" }, QUIET);
    expect(await differences(desk, await stage(desk, "m.safetensors", nudge(FIRST, 1)))).toBe(2);
  });
});

test("a new name is stored against a file of its kind and size in HEAD; another kind is not", async () => {
  await withDesk(async (desk) => {
    await stage(desk, "v1.safetensors", FIRST);
    await commit(desk.repository, { message: "first" }, QUIET);
    expect(await differences(desk, await stage(desk, "v2.safetensors", nudge(FIRST, 1)))).toBe(2);
    expect(await differences(desk, await stage(desk, "v3.other", nudge(FIRST, 2)))).toBe(0);
  });
});

test("add --base looks into another commit; commit --base writes it into the lineage", async () => {
  await withDesk(async (desk) => {
    await stage(desk, "m.safetensors", FIRST);
    const base = await commit(desk.repository, { message: "base", tag: "base" }, QUIET);
    await rm(desk.repository, { paths: [join(desk.root, "m.safetensors")] }, QUIET);
    await commit(desk.repository, { message: "gone" }, QUIET);
    expect(await differences(desk, await stage(desk, "alone.safetensors", nudge(FIRST, 1)))).toBe(0);
    expect(await differences(desk, await stage(desk, "tuned.safetensors", nudge(FIRST, 2), "base"))).toBe(2);
    const tuned = await commit(desk.repository, { message: "tuned", base: "base" }, QUIET);
    const { meta } = await readCommit(desk.repository.store, tuned.digest);
    expect(meta).toEqual({ lineage: { base: base.digest } });
    await expect(commit(desk.repository, { message: "x", base: "nowhere" }, QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
  });
});

test("commit -a with a base stores against it", async () => {
  await withDesk(async (desk) => {
    await stage(desk, "m.safetensors", FIRST);
    await commit(desk.repository, { message: "base", tag: "base" }, QUIET);
    const other = model({ "a.weight": 400_000, "b.weight": 100_000 }, 77);
    await stage(desk, "m.safetensors", other);
    await commit(desk.repository, { message: "retrained" }, QUIET);
    const tuned = save(desk, "m.safetensors", nudge(FIRST, 3));
    await commit(desk.repository, { message: "tuned", all: true, base: "base" }, QUIET);
    expect(await differences(desk, tuned)).toBe(2);
    const alone = save(desk, "m.safetensors", nudge(other, 4));
    await commit(desk.repository, { message: "tuned again", all: true, base: "base" }, QUIET);
    expect(await differences(desk, alone)).toBe(0);
  });
});
