import { expect, test } from "vitest";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import type { OwnedRepository } from "../repository.ts";
import { flip } from "../testing/damage.ts";
import { ADA } from "../testing/history.ts";
import { commitSeries } from "../testing/series.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { verify } from "./verify.ts";

function repositoryOf(store: OwnedStore): OwnedRepository {
  return { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
}

test("verify() proves every version of a store, file by file", async () => {
  await withStore(async (store, folder) => {
    const { versions } = await commitSeries(store, folder, 2);
    for (const { commit, blob, bytes } of versions) {
      const result = await verify(repositoryOf(store), { revision: commit }, QUIET);
      expect(result).toMatchObject({ ok: true, digest: commit, full: true, remote: null, problems: [] });
      expect(result.files).toEqual([
        { path: "m.safetensors", digest: blob, sizeBytes: bytes.length, problem: null },
      ]);
      expect(result.bytes).toBe(bytes.length);
    }
  });
});

test("verify() names a file that is damaged; other versions are whole", async () => {
  await withStore(async (store, folder) => {
    const { versions } = await commitSeries(store, folder, 2);
    const { pieces } = await store.objects.blob(versions[0]?.blob as Digest);
    const [, piece] = pieces;
    flip(piece?.pack ?? "", (piece?.span.offset ?? 0) + 200);
    const damaged = await verify(repositoryOf(store), { revision: "main~1" }, QUIET);
    expect(damaged).toMatchObject({ ok: false, bytes: 0 });
    expect(damaged.files[0]?.problem).toMatch(/is damaged/);
    expect(await verify(repositoryOf(store), { revision: "main" }, QUIET)).toMatchObject({ ok: true });
  });
});

test("verify() refuses full without a remote, files and what is not there", async () => {
  await withStore(async (store, folder) => {
    await commitSeries(store, folder, 1);
    const repository = repositoryOf(store);
    const full = verify(repository, { revision: "main", full: true }, QUIET);
    await expect(full).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    const file = verify(repository, { revision: "main:m.safetensors" }, QUIET);
    await expect(file).rejects.toMatchObject({ code: "REVISION_INVALID" });
    const nothing = verify(repository, { revision: "v9" }, QUIET);
    await expect(nothing).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  });
});
