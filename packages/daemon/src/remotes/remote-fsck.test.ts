/** Checking what a bucket in a real folder holds, and mending a real store from it. */
import { mkdirSync, readdirSync, rmSync, statSync, truncateSync, chmodSync } from "node:fs";
import { join } from "node:path";
import * as smc from "@smc/store";
import type { OwnedRepository, OwnedStore, Remote } from "@smc/store";
import { openStore } from "@smc/store";
import { commitSeries, flip, QUIET, type Version, withStore } from "@smc/store/testing";
import { expect, test } from "vitest";
import { openRemote } from "./open-remote.ts";

const ADA = { name: "Ada", email: "ada@example.org" };
const REASON = { op: "init", reason: "init", actor: "Ada <ada@example.org>" };

interface Place {
  readonly store: OwnedStore;
  readonly folder: string;
  readonly bucket: string;
  readonly versions: Version[];
  /** An empty store beside it. */
  readonly other: OwnedStore;
}

/** Versions of one model, stored as differences where that is shorter, and pushed to a bucket in a folder. */
async function withPushed(count: number, run: (place: Place) => Promise<void>): Promise<void> {
  await withStore(async (store, folder) => {
    const { versions } = await commitSeries(store, folder, count);
    await smc.repack(store, {}, QUIET);
    const bucket = join(folder, "bucket");
    mkdirSync(bucket);
    {
      await using remote = await openRemote(`file://${bucket}`, { store });
      const options = { remote, remoteName: "origin", refs: ["main"] };
      await smc.push(repositoryOf(store), options, QUIET);
    }
    await using other = await openStore(join(folder, "other"), { create: true });
    await other.refs.createRepository("demo", REASON, { reuse: true });
    await run({ store, folder, bucket, versions, other });
  });
}

function repositoryOf(store: OwnedStore): OwnedRepository {
  return { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
}

async function fsck(store: OwnedStore, bucket: string, options: { full?: boolean; repair?: boolean } = {}) {
  await using remote = await openRemote(`file://${bucket}`, { store }, { fresh: true });
  return await smc.fsck(store, { ...options, remote, remoteName: "origin" }, QUIET);
}

const files = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

const nameOf = (path: string): string => /([0-9a-f]{64})(?:-[0-9a-f]{16})?\.pack$/.exec(path)?.[1] ?? "";

test.for([false, true])(
  "a whole remote is sound, seen from its pusher and from an empty store, full: %s",
  async (full) => {
    await withPushed(3, async ({ store, bucket, other }) => {
      const seen = [await fsck(store, bucket, { full }), await fsck(other, bucket, { full })];
      for (const report of seen)
        expect(report).toMatchObject({
          ok: true,
          problems: [],
          checked: { refs: 1, commits: 3, trees: 3, blobs: 3 },
          remote: { name: "origin" },
        });
      const [packs] = seen.map(({ checked }) => checked.packs);
      expect(packs).toBe(files(join(bucket, "packs")).length);
      expect(await other.refs.list("demo")).toEqual([]);
      expect(files(join(other.path, "packs"))).toEqual([]);
      expect(files(join(other.path, "incoming"))).toEqual([]);
    });
  },
);

test("a flipped byte anywhere in a pack of the remote is found by a full check, with its pack and who needs it", async () => {
  await withPushed(2, async ({ store, bucket, other }) => {
    for (const path of files(join(bucket, "packs"))) {
      const { size } = statSync(path);
      for (const offset of [3, Math.floor(size / 2), size - 3]) {
        flip(path, offset);
        for (const from of [store, other]) {
          const report = await fsck(from, bucket, { full: true });
          expect(report.ok, `${path} at ${offset}`).toBe(false);
          const named = report.problems.filter(({ pack }) => pack === nameOf(path));
          expect(named.length, `${path} at ${offset}`).toBeGreaterThan(0);
        }
        flip(path, offset);
      }
    }
    expect(await fsck(store, bucket, { full: true })).toMatchObject({ ok: true });
  });
});

test("a damaged chunk of the remote names the refs, commits and paths that need it", async () => {
  await withPushed(1, async ({ store, bucket }) => {
    const [largest = ""] = files(join(bucket, "packs")).sort((a, b) => statSync(b).size - statSync(a).size);
    flip(largest, Math.floor(statSync(largest).size / 2));
    const { problems } = await fsck(store, bucket, { full: true });
    expect(problems[0]).toMatchObject({ pack: nameOf(largest) });
    expect(problems[0]?.affects).toMatchObject([
      expect.stringMatching(/^origin refs\/heads\/main commit [0-9a-f]{12} \/m\.safetensors$/),
    ]);
  });
});

test.for(["gone", "short"])("a pack of the remote that is %s is found without a full check", async (how) => {
  await withPushed(2, async ({ store, bucket, other }) => {
    for (const path of files(join(bucket, "packs"))) {
      if (how === "gone") rmSync(path);
      else {
        chmodSync(path, 0o600);
        truncateSync(path, statSync(path).size - 1);
      }
    }
    for (const from of [store, other]) {
      const report = await fsck(from, bucket);
      expect(report.ok).toBe(false);
      const message = how === "gone" ? "the pack is gone" : expect.stringMatching(/bytes instead of/);
      expect(report.problems[0]).toMatchObject({ message });
      expect(report.problems[0]?.affects[0]).toMatch(/^origin refs\/heads\/main/);
    }
  });
});

test("an index that is gone from the remote leaves objects that are missing there", async () => {
  await withPushed(2, async ({ store, bucket }) => {
    for (const path of files(join(bucket, "index"))) rmSync(path);
    const report = await fsck(store, bucket);
    expect(report.problems).toMatchObject([{ message: expect.stringMatching(/^there is no/) }]);
  });
});

test("an index of the remote that is damaged is told by a full check although a copy of it is known", async () => {
  await withPushed(1, async ({ store, bucket }) => {
    const [index = ""] = files(join(bucket, "index"));
    await fsck(store, bucket);
    flip(index, 100);
    await expect(fsck(store, bucket, { full: true })).rejects.toMatchObject({ exit: 4 });
  });
});

/** The same remote, which counts what is read of its packs. */
function counting(remote: Remote): Remote & { bytes: number } {
  const counted = Object.assign(Object.create(remote) as Remote & { bytes: number }, { bytes: 0 });
  const own: Pick<Remote, "refs" | "locate" | "packBytes" | "statPack" | "readPack"> = {
    refs: (call) => remote.refs(call),
    locate: (digests, call) => remote.locate(digests, call),
    packBytes: (pack, call) => remote.packBytes(pack, call),
    statPack: (pack, call) => remote.statPack(pack, call),
    async *readPack(pack, range, call) {
      for await (const bytes of remote.readPack(pack, range, call)) {
        counted.bytes += bytes.length;
        yield bytes;
      }
    },
  };
  Object.defineProperty(counted, "url", { value: remote.url });
  return Object.assign(counted, own);
}

test("fsck --repair takes from a remote only the chunk that no copy is left of here", async () => {
  await withPushed(3, async ({ store, bucket, versions }) => {
    const packs = files(join(store.path, "packs")).sort((a, b) => statSync(b).size - statSync(a).size);
    const [largest = ""] = packs;
    const at = Math.floor(statSync(largest).size / 2);
    flip(largest, at);
    // What is stored against it cannot be read either, and may be told of first.
    const { problems } = await smc.fsck(store, { full: true }, QUIET);
    const told = problems.map(({ digest }) => digest as smc.Digest);
    const places = await store.index.findMany(told);
    const index = places.findIndex((place, each) => {
      const isThere = problems[each]?.pack === nameOf(largest) && place !== undefined;
      return isThere && place.offset <= at && at < place.offset + 64 + place.storedBytes;
    });
    const [broken, place] = [told[index], places[index]];
    expect(broken).toBeDefined();
    expect(await smc.fsck(store, { repair: true }, QUIET)).toMatchObject({ ok: false });
    await using remote = await openRemote(`file://${bucket}`, { store });
    const counted = counting(remote);
    const options = { repair: true, remote: counted, remoteName: "origin" };
    const mended = await smc.fsck(store, options, QUIET);
    expect(mended).toMatchObject({ ok: true, problems: [] });
    // What is stored against it was whole all the time.
    const from = `the remote file://${bucket}`;
    const taken = mended.repair?.repaired.filter((repaired) => repaired.from === from);
    expect(taken).toEqual([{ digest: broken, from }]);
    expect(counted.bytes).toBeGreaterThan(0);
    expect(counted.bytes).toBeLessThanOrEqual(64 + (place?.rawBytes ?? 0) + 64);
    for (const { blob, bytes } of versions) {
      const parts: Uint8Array[] = [];
      for await (const part of store.objects.readBlob(blob, QUIET)) parts.push(Buffer.from(part));
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    }
    expect(
      await smc.fsck(store, { repair: true, remote: counted, remoteName: "origin" }, QUIET),
    ).toMatchObject({
      ok: true,
      repair: { found: 0 },
    });
  });
});

test.for([false, true])(
  "fsck --repair brings a store back from a remote whose packs are all gone here, index too: %s",
  async (isIndexGone) => {
    await withPushed(3, async ({ store, bucket, versions }) => {
      for (const path of files(join(store.path, "packs"))) rmSync(path);
      if (isIndexGone) await store.rebuild();
      expect(await fsck(store, bucket, { repair: true })).toMatchObject({ ok: true, problems: [] });
      expect(await smc.fsck(store, { full: true }, QUIET)).toMatchObject({
        ok: true,
        checked: { commits: 3, blobs: 3 },
      });
      expect(versions).toHaveLength(3);
    });
  },
);

test("fsck --repair from a remote that is damaged too takes nothing and says what is left", async () => {
  await withPushed(1, async ({ store, bucket }) => {
    for (const folder of [join(store.path, "packs"), join(bucket, "packs")]) {
      const [largest = ""] = files(folder).sort((a, b) => statSync(b).size - statSync(a).size);
      for (const share of [0.2, 0.4, 0.6, 0.8]) flip(largest, Math.floor(statSync(largest).size * share));
    }
    const report = await fsck(store, bucket, { repair: true });
    expect(report.ok).toBe(false);
    expect(report.repair?.repaired).toEqual([]);
  });
});
