import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { type History, withHistory } from "../testing/history.ts";
import { commitSeries } from "../testing/series.ts";
import { QUIET, withStore } from "../testing/testing.ts";
import { fsck } from "./fsck.ts";
import { gc, type GcOptions } from "./gc.ts";
import { undelete } from "./undelete.ts";

/** Reflogs protect nothing. */
const ALL: GcOptions = { olderThan: "0" };

function owned({ store }: Pick<History, "store">): OwnedStore {
  return store as OwnedStore;
}

async function assertWhole(store: OwnedStore): Promise<void> {
  expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
  await store.rebuild();
  expect(await fsck(store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
}

function trash(store: OwnedStore): string[] {
  const names = readdirSync(join(store.path, "trash"), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".pack"));
}

test("undelete() brings everything back until the window is over", async () => {
  await withHistory(async (history) => {
    const store = owned(history);
    await history.point("refs/heads/main", await history.commit({ files: { a: "kept" } }));
    const lost = await history.commit({ files: { a: "lost" }, message: "precious" });
    const { trash: thrown } = await gc(store, ALL, QUIET);
    expect(thrown?.untilMs).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    expect(await undelete(store, { list: true }, QUIET)).toMatchObject({
      listed: true,
      epochs: [{ name: thrown?.epoch, packs: 1 }],
    });
    const back = await undelete(store, {}, QUIET);
    expect(back.commits).toMatchObject([{ digest: lost, message: "precious" }]);
    await history.point("refs/heads/rescued", lost);
    await assertWhole(store);
    expect(await gc(store, ALL, QUIET)).toMatchObject({ dead: { commits: 0 }, trash: null });
    await history.point("refs/heads/rescued", "absent");
    const again = await gc(store, { ...ALL, grace: "0" }, QUIET);
    expect(again).toMatchObject({
      dead: { commits: 1 },
      trash: null,
      emptied: { epochs: [expect.any(String)] },
    });
    expect(trash(store)).toEqual([]);
    expect((await undelete(store, {}, QUIET)).epochs).toEqual([]);
    await assertWhole(store);
  });
});

test("what gc took away can be stored again, and is found after a restart", async () => {
  await withStore(async (store, folder) => {
    const { history, versions } = await commitSeries(store, folder, 2);
    await history.point("refs/heads/main", await history.commit({ files: {} }));
    await gc(store, ALL, QUIET);
    const path = join(folder, "again");
    writeFileSync(path, versions[0]?.bytes ?? "");
    await using session = store.write("test");
    const [file] = await session.addFiles([{ path }], QUIET);
    await session.finish();
    expect(file?.digest).toBe(versions[0]?.blob);
    const parts: Uint8Array[] = [];
    for await (const part of store.objects.readBlob(file?.digest as Digest, QUIET))
      parts.push(Buffer.from(part));
    expect(Buffer.compare(Buffer.concat(parts), versions[0]?.bytes ?? Buffer.alloc(0))).toBe(0);
    // What is still in the trash comes back beside it.
    await undelete(store, {}, QUIET);
    await assertWhole(store);
  });
});
