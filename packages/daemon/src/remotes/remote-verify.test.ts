/** Proving that a version is whole at a bucket in a real folder. */
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import * as smc from "@smc/store";
import type { OwnedRepository } from "@smc/store";
import { commitSeries, flip, QUIET, type Version, withStore } from "@smc/store/testing";
import { expect, test } from "vitest";
import { openRemote } from "./open-remote.ts";

const ADA = { name: "Ada", email: "ada@example.org" };

interface Place {
  readonly repository: OwnedRepository;
  readonly bucket: string;
  readonly versions: Version[];
}

async function withPushed(run: (place: Place) => Promise<void>): Promise<void> {
  await withStore(async (store, folder) => {
    const { versions } = await commitSeries(store, folder, 2);
    await smc.repack(store, {}, QUIET);
    const bucket = join(folder, "bucket");
    mkdirSync(bucket);
    const repository = { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
    {
      await using remote = await openRemote(`file://${bucket}`, { store });
      await smc.push(repository, { remote, remoteName: "origin", refs: ["main"] }, QUIET);
    }
    await run({ repository, bucket, versions });
  });
}

async function verifyThere({ repository, bucket }: Place, options: { revision: string; full: boolean }) {
  await using remote = await openRemote(`file://${bucket}`, repository, { fresh: true });
  return await smc.verify(repository, { ...options, remote, remoteName: "origin" }, QUIET);
}

function packsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".pack"))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(b).size - statSync(a).size);
}

test.for([false, true])(
  "verify() of a whole remote is ok and leaves nothing behind, full: %s",
  async (full) => {
    await withPushed(async (place) => {
      for (const { commit, bytes } of place.versions)
        expect(await verifyThere(place, { revision: commit, full })).toMatchObject({
          ok: true,
          full,
          bytes: bytes.length,
          remote: { name: "origin", url: `file://${place.bucket}` },
        });
      expect(readdirSync(join(place.repository.store.path, "incoming"))).toEqual([]);
    });
  },
);

test("verify() at a remote: gone packs are told at once, changed bytes with full, whatever lies here", async () => {
  await withPushed(async (place) => {
    const [largest = ""] = packsIn(join(place.bucket, "packs"));
    // Both versions need the first chunk: the second is stored against it.
    flip(largest, 2000);
    expect(await verifyThere(place, { revision: "main", full: false })).toMatchObject({ ok: true });
    for (const revision of ["main~1", "main"]) {
      const changed = await verifyThere(place, { revision, full: true });
      expect(changed).toMatchObject({ ok: false, bytes: 0, files: [{ problem: expect.any(String) }] });
    }
    rmSync(largest);
    const gone = await verifyThere(place, { revision: "main", full: false });
    expect(gone).toMatchObject({ ok: false, bytes: 0 });
    expect(gone.problems[0]).toMatch(/^pack [0-9a-f]{64}: the pack is gone$/);
    expect(await smc.verify(place.repository, { revision: "main" }, QUIET)).toMatchObject({ ok: true });
  });
});

test("verify() tells of a commit that is not at the remote", async () => {
  await withPushed(async (place) => {
    rmSync(join(place.bucket, "index"), { recursive: true });
    const report = await verifyThere(place, { revision: "main", full: false });
    expect(report.ok).toBe(false);
    expect(report.problems.at(-1)).toMatch(/does not have [0-9a-f]{64}$/);
  });
});
