import { expect, test } from "vitest";
import { QUIET } from "../testing/testing.ts";
import { owned, type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import { branch } from "./branch.ts";
import { sync, type SyncResult } from "./sync.ts";
import { tag } from "./tag.ts";

function syncOf({ remote }: TwoStores, bench: TwoStores["a"], mirror = false): Promise<SyncResult> {
  return sync(owned(bench), { remote, remoteName: "origin", mirror }, QUIET);
}

async function refsThere({ remote }: TwoStores): Promise<Record<string, string>> {
  return Object.fromEntries((await remote.refs()).map(({ name, digest }) => [name, digest]));
}

test("sync() brings branch and tags both ways, and then nothing", async () => {
  await withTwoStores(async (stores) => {
    const { a, b } = stores;
    const first = await a.commit({ "a.txt": "1" });
    await tag(a.repository, { name: "v1" }, QUIET);
    expect(await syncOf(stores, a)).toMatchObject({ merged: null, fetched: { refs: [] } });
    expect(await refsThere(stores)).toEqual({
      "refs/heads/main": first.digest,
      "refs/tags/v1": first.digest,
    });
    expect(await syncOf(stores, b)).toMatchObject({
      merged: { outcome: "fast-forward", digest: first.digest },
      pushed: { refs: [] },
    });
    const second = await b.commit({ "b.txt": "2" });
    expect(await syncOf(stores, b)).toMatchObject({
      merged: { outcome: "up-to-date" },
      pushed: { refs: [{ name: "refs/heads/main", from: first.digest, to: second.digest }] },
    });
    expect(await syncOf(stores, a)).toMatchObject({ merged: { digest: second.digest } });
    expect(await a.read("b.txt")).toBe("2");
    expect(await syncOf(stores, a)).toMatchObject({ fetched: { refs: [] }, pushed: { refs: [] } });
  });
});

test("sync() pushes nothing when both sides have commits of their own", async () => {
  await withTwoStores(async (stores) => {
    const { a, b } = stores;
    await a.commit({ "a.txt": "1" });
    await syncOf(stores, a);
    await syncOf(stores, b);
    const theirs = await a.commit({ "a.txt": "2" });
    await syncOf(stores, a);
    const mine = await b.commit({ "b.txt": "3" });
    await expect(syncOf(stores, b)).rejects.toMatchObject({ code: "NOT_FAST_FORWARD" });
    expect(await refsThere(stores)).toEqual({ "refs/heads/main": theirs.digest });
    expect(await b.status()).toMatchObject({ head: mine.digest });
  });
});

test("sync() with mirror makes the remote what is here, and takes nothing", async () => {
  await withTwoStores(async (stores) => {
    const { a, b } = stores;
    await a.commit({ "a.txt": "1" });
    await branch(a.repository, { name: "side" }, QUIET);
    await syncOf(stores, a, true);
    const own = await b.commit({ "b.txt": "other" });
    expect(await syncOf(stores, b, true)).toMatchObject({ fetched: null, merged: null });
    expect(await refsThere(stores)).toEqual({ "refs/heads/main": own.digest });
    expect(await b.files()).toEqual({ "b.txt": "other" });
  });
});
