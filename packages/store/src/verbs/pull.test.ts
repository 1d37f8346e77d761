import { expect, test } from "vitest";
import { QUIET } from "../testing/testing.ts";
import { owned, type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import { pull, type PullResult } from "./pull.ts";
import { switchBranch } from "./switch.ts";
import { tag } from "./tag.ts";

async function pullB({ b, remote, follow }: TwoStores, ref?: string): Promise<PullResult> {
  await follow(b);
  const named = ref === undefined ? {} : { ref };
  return pull(owned(b), { remote, remoteName: "origin", ...named }, QUIET);
}

test("pull() brings the first commit, then the next, then nothing", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push } = stores;
    const first = await a.commit({ "a.txt": "1", "w/model.bin": "weights" });
    await push(a);
    expect(await pullB(stores)).toMatchObject({
      merged: { outcome: "fast-forward", digest: first.digest, from: null },
    });
    expect(await b.files()).toEqual({ "a.txt": "1", "w/model.bin": "weights" });
    const second = await a.commit({ "a.txt": "2" });
    await push(a);
    expect(await pullB(stores)).toMatchObject({
      fetched: { refs: [{ name: "refs/remotes/origin/main", fastForward: true }] },
      merged: { digest: second.digest, files: { modified: 1 } },
    });
    expect(await b.read("a.txt")).toBe("2");
    expect(await b.isClean()).toBe(true);
    expect(await pullB(stores)).toMatchObject({ fetched: { refs: [] }, merged: { outcome: "up-to-date" } });
  });
});

test("pull() refuses what is no fast-forward, and keeps what it fetched", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push } = stores;
    await a.commit({ "a.txt": "1" });
    await push(a);
    await pullB(stores);
    const own = await b.commit({ "b.txt": "mine" });
    const theirs = await a.commit({ "a.txt": "2" });
    await push(a);
    await expect(pullB(stores)).rejects.toMatchObject({
      code: "NOT_FAST_FORWARD",
      hint: 'join the two with "smc merge origin/main"',
    });
    expect(await b.status()).toMatchObject({
      head: own.digest,
      upstream: { ref: "refs/remotes/origin/main", ahead: 1, behind: 1 },
      modified: [],
    });
    expect(await b.read("a.txt")).toBe("1");
    const { refs } = b.store;
    expect(await refs.list(b.repository.name, "refs/remotes/")).toEqual([
      { name: "refs/remotes/origin/main", digest: theirs.digest },
    ]);
  });
});

test("pull() overwrites no local change", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push } = stores;
    const first = await a.commit({ "a.txt": "1" });
    await push(a);
    await pullB(stores);
    await a.commit({ "a.txt": "2" });
    await push(a);
    await b.write({ "a.txt": "mine" });
    await expect(pullB(stores)).rejects.toMatchObject({ code: "WOULD_OVERWRITE" });
    expect(await b.read("a.txt")).toBe("mine");
    expect(await b.status()).toMatchObject({ head: first.digest, upstream: { ahead: 0, behind: 1 } });
  });
});

test("pull() of a tag, and of what is not there", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push } = stores;
    const { digest } = await a.commit({ "a.txt": "1" });
    await tag(a.repository, { name: "v1.0.0" }, QUIET);
    await push(a, { tags: true, all: true });
    await expect(pullB(stores, "mian")).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
      hint: "did you mean: main",
    });
    expect(await b.store.refs.list(b.repository.name, "refs/remotes/")).toEqual([]);
    expect(await pullB(stores, "v1.0.0")).toMatchObject({ merged: { digest } });
    await switchBranch(b.repository, { target: "v1.0.0", detach: true }, QUIET);
    await expect(pullB(stores)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});
