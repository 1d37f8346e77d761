/** Pushing to and fetching from a bucket in a real folder, between real stores. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as smc from "@smc/store";
import type { OwnedRepository, OwnedStore } from "@smc/store";
import { openStore } from "@smc/store";
import { commitSeries, flip, QUIET, type Version, withStore } from "@smc/store/testing";
import { expect, test } from "vitest";
import { openRemote } from "./open-remote.ts";

const ADA = { name: "Ada", email: "ada@example.org" };
const REASON = { op: "init", reason: "init", actor: "Ada <ada@example.org>" };

interface Place {
  readonly store: OwnedStore;
  readonly folder: string;
  readonly mine: OwnedRepository;
  readonly versions: Version[];
  readonly bucket: string;
}

function repositoryOf(store: OwnedStore): OwnedRepository {
  return { store, name: "demo", worktree: undefined, actor: ADA, defaultBranch: "main" };
}

/** A store with `count` versions on main and an empty folder to push to. */
async function withPlace(count: number, run: (place: Place) => Promise<void>): Promise<void> {
  await withStore(async (store, folder) => {
    const { versions } = await commitSeries(store, folder, count);
    const bucket = join(folder, "bucket");
    mkdirSync(bucket);
    await run({ store, folder, mine: repositoryOf(store), versions, bucket });
  });
}

async function withOther(folder: string, run: (theirs: OwnedRepository) => Promise<void>): Promise<void> {
  const path = join(folder, "other");
  await using store = await openStore(path, { create: true });
  await store.refs.createRepository("demo", REASON, { reuse: true });
  await run(repositoryOf(store));
}

const PUSH = { remoteName: "origin", refs: ["main"] };

async function push(mine: OwnedRepository, bucket: string, options: Partial<smc.PushOptions> = {}) {
  await using remote = await openRemote(`file://${bucket}`, mine);
  return await smc.push(mine, { ...PUSH, remote, ...options }, QUIET);
}

async function fetch(theirs: OwnedRepository, bucket: string) {
  await using remote = await openRemote(`file://${bucket}`, theirs);
  return await smc.fetch(theirs, { remote, remoteName: "origin" }, QUIET);
}

async function bytesOf({ store }: OwnedRepository, { blob }: Version): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of store.objects.readBlob(blob, QUIET)) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

async function expectSound(store: OwnedStore): Promise<void> {
  const report = await smc.fsck(store, { full: true }, QUIET);
  expect(report).toMatchObject({ ok: true, problems: [] });
}

async function expectAll(theirs: OwnedRepository, versions: readonly Version[]): Promise<void> {
  for (const version of versions) expect((await bytesOf(theirs, version)).equals(version.bytes)).toBe(true);
  await expectSound(theirs.store);
}

const files = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

test("what was pushed is fetched byte by byte, and a second push and fetch move nothing", async () => {
  await withPlace(2, async ({ mine, folder, bucket, versions }) => {
    const pushed = await push(mine, bucket);
    expect(pushed.refs).toEqual([
      { name: "refs/heads/main", from: null, to: versions[1]?.commit, fastForward: true },
    ]);
    const before = files(bucket);
    expect(await push(mine, bucket)).toMatchObject({ refs: [], objects: 0, sentBytes: 0 });
    expect(files(bucket)).toEqual(before);
    await withOther(folder, async (theirs) => {
      expect((await fetch(theirs, bucket)).refs).toMatchObject([{ name: "refs/remotes/origin/main" }]);
      await expectAll(theirs, versions);
      expect(await fetch(theirs, bucket)).toMatchObject({ refs: [], objects: 0, receivedBytes: 0 });
    });
  });
});

test("a history of differences arrives as it is stored, and only what is new moves", async () => {
  await withPlace(4, async ({ mine, store, folder, bucket, versions }) => {
    await smc.repack(store, {}, QUIET);
    const first = await push(mine, bucket, { refs: [`${versions[1]?.commit ?? ""}:main`] });
    await withOther(folder, async (theirs) => {
      await fetch(theirs, bucket);
      await expectAll(theirs, versions.slice(0, 2));
      const second = await push(mine, bucket);
      expect(second.refs).toMatchObject([{ fastForward: true, from: versions[1]?.commit }]);
      expect(second.sentBytes).toBeLessThan(first.sentBytes);
      const fetched = await fetch(theirs, bucket);
      expect(fetched.receivedBytes).toBeLessThan(second.sentBytes * 1.1);
      await expectAll(theirs, versions);
      await smc.gc(theirs.store, { olderThan: "0 days", grace: "0 days" }, QUIET);
      await expectAll(theirs, versions);
    });
  });
});

test("a push that was cut off sends only the rest when it is run again", async () => {
  await withPlace(3, async ({ mine, folder, bucket, versions }) => {
    await push(mine, bucket, { refs: [`${versions[0]?.commit ?? ""}:main`] });
    // The refs are what a push writes last: without them it is as if it had been cut off just before.
    const sent = files(join(bucket, "packs")).length;
    rmSync(join(bucket, "refs"), { recursive: true });
    const again = await push(mine, bucket, { refs: [`${versions[0]?.commit ?? ""}:main`] });
    expect(again).toMatchObject({ objects: 0, sentBytes: 0 });
    expect(files(join(bucket, "packs"))).toHaveLength(sent);
    // A pack without its index is one whose push was cut off between the two.
    rmSync(join(bucket, "index"), { recursive: true });
    rmSync(join(bucket, "refs"), { recursive: true });
    await push(mine, bucket);
    await withOther(folder, async (theirs) => {
      await fetch(theirs, bucket);
      await expectAll(theirs, versions);
    });
  });
});

test.for(["packs", "index", "refs"])(
  "a flipped byte in %s is refused without moving a ref, or changes nothing that arrives",
  async (kind) => {
    await withPlace(2, async ({ mine, folder, bucket, versions }) => {
      await push(mine, bucket);
      const outcomes = new Set<unknown>();
      for (const path of files(join(bucket, kind))) {
        const whole = readFileSync(path);
        for (const share of [0.01, 0.5, 0.99]) {
          flip(path, Math.floor(whole.length * share));
          await withOther(folder, async (theirs) => {
            const outcome = await fetch(theirs, bucket).then(
              () => "done",
              (error: { exit?: number }) => error.exit,
            );
            outcomes.add(outcome);
            if (outcome === "done" && kind !== "refs") await expectAll(theirs, versions);
            else if (outcome !== "done") expect(await theirs.store.refs.list("demo")).toEqual([]);
            await expectSound(theirs.store);
          });
          rmSync(join(folder, "other"), { recursive: true });
          writeFileSync(path, whole);
        }
      }
      expect([...outcomes].filter((outcome) => outcome !== "done" && outcome !== 5)).not.toEqual([]);
    });
  },
);

test("a pack that is gone there is named, and no ref is moved", async () => {
  await withPlace(2, async ({ mine, folder, bucket }) => {
    await push(mine, bucket);
    for (const path of files(join(bucket, "packs"))) rmSync(path);
    await withOther(folder, async (theirs) => {
      await expect(fetch(theirs, bucket)).rejects.toMatchObject({ code: "REMOTE_INCOMPLETE", exit: 6 });
      expect(await theirs.store.refs.list("demo")).toEqual([]);
    });
  });
});
