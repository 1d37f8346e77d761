/** Cleaning up a bucket beside those who push: what any ref needs stays, whoever comes when. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as smc from "@smc/store";
import { type Call, type Digest, openStore, type OwnedRepository, parseRefName } from "@smc/store";
import { interceptCalls } from "@smc/store/fs";
import { commitSeries, QUIET, type Version, withFolder, withStore } from "@smc/store/testing";
import { expect, test } from "vitest";
import { openRemote } from "./open-remote.ts";

const ADA = { name: "Ada", email: "ada@example.org" };
const ACTOR = "Ada <ada@example.org>";
const REASON = { op: "test", reason: "test", actor: ACTOR };
const ALL = { olderThan: "0", grace: "0" };

interface Place {
  readonly mine: OwnedRepository;
  readonly versions: readonly Version[];
  readonly bucket: string;
  readonly folder: string;
}

async function withPlace(count: number, run: (place: Place) => Promise<void>): Promise<void> {
  await withStore(async (store, folder) => {
    const { versions } = await commitSeries(store, folder, count);
    const mine = { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
    const bucket = join(folder, "bucket");
    mkdirSync(bucket);
    await run({ mine, versions, bucket, folder });
  });
}

type Remote = Awaited<ReturnType<typeof openRemote>>;

const open = ({ mine, bucket }: Place): Promise<Remote> => openRemote(`file://${bucket}`, mine);

/** Makes refs of the bucket name these commits of ours, and no others. */
async function mirror(place: Place, commits: Readonly<Record<string, Digest>>): Promise<smc.PushResult> {
  await using remote = await open(place);
  const refs = Object.entries(commits).map(([name, digest]) => `+${digest}:refs/heads/${name}`);
  const gone = (await remote.refs(QUIET))
    .map(({ name }) => name)
    .filter((name) => !Object.hasOwn(commits, name.replace("refs/heads/", "")));
  return await smc.push(
    place.mine,
    { remote, remoteName: "origin", refs: [...refs, ...gone.map((name) => `:${name}`)] },
    QUIET,
  );
}

async function clean(place: Place, options: Partial<smc.RemoteGcOptions> = ALL): Promise<smc.RemoteGcResult> {
  await using remote = await open(place);
  return await smc.gcRemote(
    place.mine.store,
    { remote, remoteName: "origin", actor: ACTOR, ...options },
    QUIET,
  );
}

const filesOf = (bucket: string, folder: string): string[] =>
  readdirSync(join(bucket, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();

/** What a stranger gets: every version below the refs, byte by byte. */
async function expectWhole(place: Place, versions: readonly Version[]): Promise<void> {
  await withFolder(async (folder) => {
    await using store = await openStore(join(folder, "other"), { create: true });
    await store.refs.createRepository("demo", REASON);
    const theirs = { ...place.mine, store };
    await using remote = await openRemote(`file://${place.bucket}`, { store }, { fresh: true });
    await smc.fetch(theirs, { remote, remoteName: "origin" }, QUIET);
    for (const { blob, bytes } of versions) {
      const parts: Uint8Array[] = [];
      for await (const part of store.objects.readBlob(blob, QUIET)) parts.push(Buffer.from(part));
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    }
    expect(await smc.fsck(store, { remote, remoteName: "origin", full: true }, QUIET)).toMatchObject({
      ok: true,
      problems: [],
    });
  });
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new Error(`no item ${index}`);
  return item;
}

test("what no ref needs goes, and what one needs stays", async () => {
  await withPlace(3, async (place) => {
    const { versions, bucket } = place;
    const [first, last] = [at(versions, 0), at(versions, 2)];
    await mirror(place, { main: first.commit });
    await mirror(place, { main: last.commit });
    const before = filesOf(bucket, "packs");
    await mirror(place, { main: first.commit });
    const dry = await clean(place, { ...ALL, dryRun: true });
    expect(filesOf(bucket, "packs")).toEqual(before);
    const cleaned = await clean(place);
    expect(cleaned).toEqual({ ...dry, dryRun: false });
    expect(cleaned.packs.dropped).toBeGreaterThan(0);
    expect(cleaned.freedBytes).toBeGreaterThan(0);
    const left = filesOf(bucket, "packs");
    expect(left).toHaveLength(cleaned.packs.kept);
    expect(filesOf(bucket, "index")).toHaveLength(cleaned.packs.kept);
    await expectWhole(place, [first]);
    expect(await clean(place)).toMatchObject({ packs: { dropped: 0, postponed: 0 } });
    // What went comes back by a push, under other names.
    await mirror(place, { main: last.commit });
    await expectWhole(place, versions);
    const again = filesOf(bucket, "packs").filter((name) => !left.includes(name));
    expect(again.filter((name) => before.includes(name))).toEqual([]);
  });
});

test("what a ref named within the span stays, and what was put within the grace", async () => {
  await withPlace(2, async (place) => {
    const { versions } = place;
    for (const index of [0, 1, 0]) await mirror(place, { main: at(versions, index).commit });
    expect(await clean(place, { grace: "0" })).toMatchObject({ packs: { dropped: 0, postponed: 0 } });
    const young = await clean(place, { olderThan: "0" });
    expect(young).toMatchObject({ packs: { dropped: 0 }, freedBytes: 0 });
    expect(young.packs.postponed).toBeGreaterThan(0);
    expect((await clean(place)).packs.dropped).toBe(young.packs.postponed);
    // The span protects what is there, not what an earlier gc took.
    expect(await clean(place, { grace: "0" })).toMatchObject({ packs: { dropped: 0 } });
    await expectWhole(place, versions.slice(0, 1));
  });
});

test("who relied on what went cannot move refs; pushed again it is whole", async () => {
  await withPlace(2, async (place) => {
    const { versions, mine } = place;
    const last = at(versions, 1);
    await mirror(place, { main: last.commit });
    await mirror(place, {});
    await using remote = await open(place);
    expect([...(await remote.missing([last.commit], QUIET))]).toEqual([0]);
    await clean(place);
    const main = parseRefName("refs/heads/main");
    const change = { name: main, from: "absent" as const, to: last.commit };
    await expect(remote.update([change], REASON, QUIET)).rejects.toMatchObject({ code: "STORE_BUSY" });
    await using looked = await open(place);
    expect(await looked.refs(QUIET)).toEqual([]);
    await smc.push(
      mine,
      { remote: looked, remoteName: "origin", refs: [`${last.commit}:refs/heads/main`] },
      QUIET,
    );
    await expectWhole(place, versions);
  });
});

test("a push that comes between the look and the sweep keeps everything there", async () => {
  await withPlace(2, async (place) => {
    const { versions, mine, bucket } = place;
    await mirror(place, { main: at(versions, 1).commit });
    await mirror(place, {});
    const before = filesOf(bucket, "packs");
    await using remote = await open(place);
    const begin = remote.beginSweep?.bind(remote);
    if (begin === undefined) throw new Error("a bucket cleans up");
    remote.beginSweep = async (options, call) => {
      const sweep = await begin(options, call);
      await mirror(place, { side: at(versions, 1).commit });
      return sweep;
    };
    const options = { remote, remoteName: "origin", actor: ACTOR, ...ALL };
    await expect(smc.gcRemote(mine.store, options, QUIET)).rejects.toMatchObject({ code: "REF_CHANGED" });
    expect(filesOf(bucket, "packs")).toEqual(before);
    await expectWhole(place, versions);
  });
});

test("a sweep that is stopped before anything went: what it began to take counts as gone, and the next one ends it", async () => {
  await withPlace(3, async (place) => {
    const { versions, bucket, mine } = place;
    for (const { commit } of versions) await mirror(place, { main: commit });
    await mirror(place, {});
    const before = filesOf(bucket, "packs");
    const stop = new AbortController();
    const call: Call = {
      signal: stop.signal,
      onProgress: ({ phase }) => {
        if (phase === "sweep") stop.abort();
      },
    };
    await using remote = await open(place);
    const options = { remote, remoteName: "origin", actor: ACTOR, ...ALL };
    await expect(smc.gcRemote(mine.store, options, call)).rejects.toMatchObject({ code: "CANCELED" });
    expect(filesOf(bucket, "packs")).toEqual(before);
    await using looked = await open(place);
    const asked = versions.map(({ commit }) => commit);
    expect([...(await looked.missing(asked, QUIET))]).toEqual(asked.map(() => 1));
    await mirror(place, { main: at(versions, 2).commit });
    await clean(place);
    expect(filesOf(bucket, "packs").filter((name) => before.includes(name))).toEqual([]);
    await expectWhole(place, versions);
  });
});

test("nothing goes when anything that a ref needs is missing", async () => {
  await withPlace(2, async (place) => {
    const { versions, bucket, mine } = place;
    await mirror(place, { main: at(versions, 1).commit });
    await mirror(place, { main: at(versions, 0).commit });
    await using remote = await open(place);
    const lost = smc.hashBytes(Buffer.from("never sent"));
    await remote.update([{ name: parseRefName("refs/heads/bad"), from: "absent", to: lost }], REASON, QUIET);
    const before = filesOf(bucket, "packs");
    await expect(clean(place)).rejects.toMatchObject({ code: "REMOTE_INCOMPLETE" });
    expect(filesOf(bucket, "packs")).toEqual(before);
    void mine;
  });
});

test("somebody who tidies up what is kept here of a bucket keeps nobody from using it", async () => {
  await withPlace(2, async (place) => {
    await mirror(place, { main: at(place.versions, 0).commit });
    let taken = 0;
    interceptCalls((what, path) => {
      if (what !== "rename" || !path.endsWith(".tmp") || !path.includes("/cache/")) return;
      rmSync(path);
      taken += 1;
    });
    try {
      await mirror(place, { main: at(place.versions, 1).commit });
    } finally {
      interceptCalls(undefined);
    }
    expect(taken).toBeGreaterThan(0);
    await expectWhole(place, place.versions.slice(1));
  });
});

const SEED = Number(process.env["SWEEP_SEED"] ?? Date.now() % 1_000_000);

test(`pushes and sweeps in any order lose nothing that a ref names (SWEEP_SEED=${SEED})`, async () => {
  let state = SEED + 1;
  const random = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  await withPlace(4, async (place) => {
    const { versions } = place;
    for (let round = 0; round < 4; round += 1) {
      const pushes = [0, 1, 2].map(async (branch) => {
        await using remote = await open(place);
        const name = `refs/heads/b${branch}`;
        const word = random(4) === 0 ? `:${name}` : `+${at(versions, random(4)).commit}:${name}`;
        await smc.push(place.mine, { remote, remoteName: "origin", refs: [word] }, QUIET);
      });
      const outcomes = await Promise.allSettled([...pushes, clean(place), clean(place)]);
      for (const outcome of outcomes)
        if (outcome.status === "rejected")
          expect(outcome.reason).toMatchObject({
            code: expect.stringMatching(/^(?:STORE_BUSY|REF_CHANGED|REVISION_NOT_FOUND|REMOTE_INCOMPLETE)$/),
          });
      await using remote = await open(place);
      const named = new Set((await remote.refs(QUIET)).map(({ digest }) => digest));
      await expectWhole(
        place,
        versions.filter(({ commit }) => named.has(commit)),
      );
    }
  });
});
