import { join } from "node:path";
import { expect, test } from "vitest";
import type { OwnedStore } from "../open-store.ts";
import { packPath } from "../pack/folder.ts";
import { flip } from "../testing/damage.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { openBench } from "../testing/worktree.ts";
import { doctor } from "../verbs/doctor.ts";
import { fsck } from "../verbs/fsck.ts";
import { noteScrubbed, scrubNext } from "./scrub.ts";

const MONTH = { days: 30 };

async function fill(store: OwnedStore, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    await using session = store.write("test");
    await session.putBlob(Buffer.from(`blob ${number}`.repeat(50)));
    await session.finish();
  }
}

test("scrubNext() reads each pack once, and again when it is due", async () => {
  await withStore(async (store) => {
    await fill(store, 3);
    expect(await store.scrubState()).toEqual({ packs: 3, never: 3, lastMs: undefined, damaged: [] });
    const seen: string[] = [];
    for (
      let next = await scrubNext(store, MONTH, QUIET);
      next !== undefined;
      next = await scrubNext(store, MONTH, QUIET)
    )
      seen.push(next.pack);
    expect(new Set(seen)).toEqual(new Set(store.index.packs().map(({ name }) => name)));
    expect(seen).toHaveLength(3);
    expect(await store.scrubState()).toMatchObject({ never: 0, damaged: [] });
    // With no days between, the one that was read longest ago comes first.
    expect((await scrubNext(store, { days: 0 }, QUIET))?.pack).toBe(seen[0]);
  });
});

test("scrubNext() finds a flipped byte and remembers it; status and doctor say so until it is mended", async () => {
  await withStore(async (store, folder) => {
    const bench = await openBench(store, join(folder, "model"));
    await bench.commit({ "w.bin": "w".repeat(5000), "v.bin": "v".repeat(7000) });
    expect(await bench.status()).toMatchObject({ damage: null });
    const [pack] = store.index.packs();
    if (pack === undefined) throw new Error("no pack");
    flip(packPath(store.path, pack.name), 130);
    while ((await scrubNext(store, MONTH, QUIET)) !== undefined);
    expect((await store.scrubState()).damaged).toMatchObject([{ pack: pack.name }]);
    expect(await bench.status()).toMatchObject({ damage: { packs: 1 } });
    const row = async () =>
      (await doctor(store, { environment: {} }, QUIET)).checks.find(({ check }) => check === "scrub");
    expect(await row()).toMatchObject({ state: "fail", hint: expect.stringContaining("smc fsck --repair") });
    expect((await fsck(store, { repair: true }, QUIET)).ok).toBe(true);
    expect(await bench.status()).toMatchObject({ damage: null });
    expect(await row()).toMatchObject({ state: "pass" });
  });
});

test("a pack that was read in the future is due, and one that is no more is forgotten", async () => {
  await withStore(async (store) => {
    await fill(store, 1);
    const [pack] = store.index.packs();
    if (pack === undefined) throw new Error("no pack");
    await noteScrubbed(store.db, [pack.name], () => []);
    expect(await scrubNext(store, MONTH, QUIET)).toBeUndefined();
    const { now } = Date;
    Date.now = () => now() - 86_400_000;
    try {
      expect((await scrubNext(store, MONTH, QUIET))?.pack).toBe(pack.name);
    } finally {
      Date.now = now;
    }
    expect((await store.scrubState()).never).toBe(0);
  });
});
