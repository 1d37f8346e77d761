import { expect, test } from "vitest";
import { QUIET } from "../testing/testing.ts";
import { owned, type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import { readCommit } from "../history/graph.ts";
import { merge } from "./merge.ts";
import { pull, type PullOptions, type PullResult } from "./pull.ts";
import { switchBranch } from "./switch.ts";
import { tag } from "./tag.ts";

async function pullB(
  { b, remote, follow }: TwoStores,
  ref?: string,
  more: Pick<PullOptions, "rebase" | "ffOnly"> = {},
): Promise<PullResult> {
  await follow(b);
  const named = ref === undefined ? {} : { ref };
  return pull(owned(b), { remote, remoteName: "origin", ...named, ...more }, QUIET);
}

function rebaseB(stores: TwoStores): Promise<PullResult> {
  return pullB(stores, undefined, { rebase: true });
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
      hint: 'join the two with "smc merge origin/main", or put yours behind theirs with "smc pull --rebase"',
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

/** Both have the first commit; then B made two, and A one that is pushed. */
async function diverge({ a, b, push, ...stores }: TwoStores, theirs: Readonly<Record<string, string>>) {
  await a.commit({ "a.txt": "1", "b.txt": "1" });
  await push(a);
  await pullB({ a, b, push, ...stores });
  const first = await b.commit({ "mine.txt": "1" });
  const second = await b.commit({ "b.txt": "mine" });
  const other = await a.commit(theirs);
  await push(a);
  return { own: [first, second] as const, other };
}

test("pull() with rebase puts its own commits behind, one by one, and keeps who made them and what they say", async () => {
  await withTwoStores(async (stores) => {
    const { b } = stores;
    const { own, other } = await diverge(stores, { "a.txt": "2" });
    const { merged, rebased } = await rebaseB(stores);
    expect(merged).toMatchObject({ outcome: "rebase", files: { added: 0, modified: 1, deleted: 0 } });
    expect(rebased.map(({ from }) => from)).toEqual(own.map(({ digest }) => digest));
    const [first, last] = rebased.map(({ to }) => to);
    expect(last).toBe(merged.digest);
    for (const [index, to] of [first, last].entries()) {
      const was = await readCommit(b.store, own[index]?.digest ?? other.digest);
      const is = await readCommit(b.store, to ?? other.digest);
      expect(is).toMatchObject({
        author: was.author,
        authored: was.authored,
        message: was.message,
        meta: was.meta,
      });
      expect(is.parents).toEqual([index === 0 ? other.digest : first]);
    }
    expect(await b.files()).toEqual({ "a.txt": "2", "b.txt": "mine", "mine.txt": "1" });
    expect(await b.isClean()).toBe(true);
    expect(await b.status()).toMatchObject({ upstream: { ahead: 2, behind: 0 } });
    expect(await rebaseB(stores)).toMatchObject({ merged: { outcome: "up-to-date" }, rebased: [] });
  });
});

test("pull() with rebase changes nothing when both sides changed a file, and names it", async () => {
  await withTwoStores(async (stores) => {
    const { b } = stores;
    const { own } = await diverge(stores, { "b.txt": "theirs" });
    await expect(rebaseB(stores)).rejects.toMatchObject({
      code: "MERGE_CONFLICT",
      details: { paths: ["b.txt"] },
    });
    expect(await b.status()).toMatchObject({
      head: own[1].digest,
      modified: [],
      upstream: { ahead: 2, behind: 1 },
    });
    expect(await b.files()).toEqual({ "a.txt": "1", "b.txt": "mine", "mine.txt": "1" });
  });
});

test("pull() with rebase leaves out what is there already, and keeps a commit that changes no file", async () => {
  await withTwoStores(async (stores) => {
    const { b } = stores;
    const { own, other } = await diverge(stores, { "b.txt": "mine", "mine.txt": "1" });
    const { merged, rebased } = await rebaseB(stores);
    expect(rebased).toEqual(own.map(({ digest }) => ({ from: digest, to: null })));
    expect(merged.digest).toBe(other.digest);
    expect(await b.isClean()).toBe(true);
  });
});

test("pull() with rebase refuses a merge among its own commits, and what is staged", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push } = stores;
    await diverge(stores, { "a.txt": "2" });
    await expect(pullB(stores, undefined, { rebase: true, ffOnly: true })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    await expect(pullB(stores)).rejects.toMatchObject({ code: "NOT_FAST_FORWARD" });
    await merge(b.repository, { revision: "origin/main" }, QUIET);
    await a.commit({ "a.txt": "3" });
    await push(a);
    const before = (await b.status()).head;
    await expect(rebaseB(stores)).rejects.toMatchObject({ code: "NOT_FAST_FORWARD" });
    expect((await b.status()).head).toBe(before);
  });
});
