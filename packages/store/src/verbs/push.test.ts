import { expect, test } from "vitest";
import type { Ref } from "../refs/refs.ts";
import { QUIET } from "../testing/testing.ts";
import { owned, type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import { gc } from "./gc.ts";
import { push, type PushOptions, type PushResult } from "./push.ts";
import { ref } from "./ref.ts";
import { repack } from "./repack.ts";
import { reset } from "./reset.ts";
import { tag } from "./tag.ts";

function pushA({ a, remote }: TwoStores, options: Partial<PushOptions> = {}): Promise<PushResult> {
  return push(owned(a), { remote, remoteName: "origin", ...options }, QUIET);
}

type Committed = Awaited<ReturnType<TwoStores["a"]["commit"]>>;

async function namesOf({ remote }: TwoStores): Promise<Record<string, string>> {
  return Object.fromEntries((await remote.refs()).map(({ name, digest }) => [name, digest]));
}

async function refsOf({ store, repository }: TwoStores["a"]): Promise<readonly Ref[]> {
  return store.refs.list(repository.name, "refs/remotes/origin/");
}

test("push() sends the current branch, tells what moved, and remembers it as the remote's", async () => {
  await withTwoStores(async (stores) => {
    const { digest } = await stores.a.commit({ "a.txt": "1" });
    const pushed = await pushA(stores);
    expect(pushed.refs).toEqual([{ name: "refs/heads/main", from: null, to: digest, fastForward: true }]);
    expect(pushed.objects).toBe(pushed.verifiedObjects);
    expect(await namesOf(stores)).toEqual({ "refs/heads/main": digest });
    const { store, repository } = stores.a;
    expect(await store.refs.list(repository.name, "refs/remotes/")).toEqual([
      { name: "refs/remotes/origin/main", digest },
    ]);
    expect(await pushA(stores)).toMatchObject({ refs: [], objects: 0, sentBytes: 0, packs: 0 });
  });
});

test.for([
  [["main"], { "refs/heads/main": 0 }],
  [["HEAD"], { "refs/heads/main": 0 }],
  [["HEAD:next"], { "refs/heads/next": 0 }],
  [["main:refs/heads/x/y"], { "refs/heads/x/y": 0 }],
  [["v1.0.0"], { "refs/tags/v1.0.0": 0 }],
  [["v1.0.0:v1"], { "refs/tags/v1": 0 }],
  [["HEAD~1:old", "main"], { "refs/heads/old": 1, "refs/heads/main": 0 }],
] as const)("push() of %j sends what is meant", async ([words, expected]) => {
  await withTwoStores(async (stores) => {
    const first = await stores.a.commit({ "a.txt": "1" });
    const second = await stores.a.commit({ "a.txt": "2" });
    await tag(stores.a.repository, { name: "v1.0.0" }, QUIET);
    const digests = [second.digest, first.digest];
    await pushA(stores, { refs: words });
    const wanted = Object.entries(expected).map(([name, back]) => [name, digests[back]]);
    expect(await namesOf(stores)).toEqual(Object.fromEntries(wanted));
  });
});

test.for([
  [[":"], "ARGUMENT_INVALID"],
  [["mian"], "REVISION_NOT_FOUND"],
  [["HEAD~0"], "ARGUMENT_INVALID"],
  [["main:a..b"], "REF_NAME_INVALID"],
  [["main:refs/../x"], "REF_NAME_INVALID"],
] as const)("push() of %j is refused with %s, and sends nothing", async ([words, code]) => {
  await withTwoStores(async (stores) => {
    await stores.a.commit({ "a.txt": "1" });
    await expect(pushA(stores, { refs: words })).rejects.toMatchObject({ code });
    expect(await namesOf(stores)).toEqual({});
  });
});

test("push() refuses to lose commits; --force and a lease that holds do it, a lease that does not hold does not", async () => {
  await withTwoStores(async (stores) => {
    const { a, b } = stores;
    const first = await a.commit({ "a.txt": "1" });
    const second = await a.commit({ "a.txt": "2" });
    await pushA(stores);
    await reset(a.repository, { revision: first.digest, mode: "hard" }, QUIET);
    const other = await a.commit({ "a.txt": "other" });
    await expect(pushA(stores)).rejects.toMatchObject({ code: "NOT_FAST_FORWARD", exit: 5 });
    expect(await namesOf(stores)).toEqual({ "refs/heads/main": second.digest });
    expect(await pushA(stores, { forceWithLease: true })).toMatchObject({
      refs: [{ from: second.digest, to: other.digest, fastForward: false }],
    });

    await stores.fetch(b);
    await reset(b.repository, { revision: "origin/main", mode: "hard" }, QUIET);
    const theirs = await b.commit({ "a.txt": "theirs" });
    await stores.push(b);
    await expect(pushA(stores))
      .resolves.toMatchObject({ refs: [] })
      .catch(() => undefined);
    await a.commit({ "a.txt": "mine" });
    await expect(pushA(stores)).rejects.toMatchObject({
      code: "NOT_FAST_FORWARD",
      hint: 'run "smc pull" first',
    });
    await expect(pushA(stores, { forceWithLease: true })).rejects.toMatchObject({ code: "REF_CHANGED" });
    expect(await namesOf(stores)).toEqual({ "refs/heads/main": theirs.digest });
    await pushA(stores, { force: true });
    expect(await namesOf(stores)).not.toEqual({ "refs/heads/main": theirs.digest });
  });
});

/** The first commit and its tag v1 are on both sides, the second one only here. */
async function tagged(stores: TwoStores): Promise<{ first: Committed; second: Committed }> {
  const { a } = stores;
  const first = await a.commit({ "a.txt": "1" });
  await tag(a.repository, { name: "v1" }, QUIET);
  await pushA(stores, { all: true, tags: true });
  return { first, second: await a.commit({ "a.txt": "2" }) };
}

test("push() never moves a tag that is there, and takes it away when that is asked for", async () => {
  await withTwoStores(async (stores) => {
    const { a } = stores;
    const { first, second } = await tagged(stores);
    await tag(a.repository, { name: "v1", force: true }, QUIET);
    await expect(pushA(stores, { refs: ["main", "v1"] })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      exit: 5,
    });
    expect(await namesOf(stores)).toEqual({ "refs/heads/main": first.digest, "refs/tags/v1": first.digest });
    await pushA(stores, { refs: [":v1"] });
    expect(await namesOf(stores)).toEqual({ "refs/heads/main": first.digest });
    await pushA(stores, { mirror: true });
    expect(await namesOf(stores)).toEqual({
      "refs/heads/main": second.digest,
      "refs/tags/v1": second.digest,
    });
  });
});

test("push() does not rewind, replace or remove there what is protected here, forced or not", async () => {
  await withTwoStores(async (stores) => {
    const { a } = stores;
    const { first, second } = await tagged(stores);
    for (const pattern of ["main", "refs/tags/v*"])
      await ref(a.repository, { action: "protect", pattern }, QUIET);
    await pushA(stores, { refs: ["main"] });
    const there = { "refs/heads/main": second.digest, "refs/tags/v1": first.digest };
    for (const words of [[`+${first.digest}:main`], [":main"], [":v1"], [`+${second.digest}:refs/tags/v1`]])
      await expect(pushA(stores, { refs: words, force: true })).rejects.toMatchObject({
        code: "REF_PROTECTED",
        exit: 5,
      });
    expect(await namesOf(stores)).toEqual(there);
    await ref(a.repository, { action: "unprotect", pattern: "main" }, QUIET);
    await pushA(stores, { refs: [`+${first.digest}:main`] });
    expect(await namesOf(stores)).toEqual({ ...there, "refs/heads/main": first.digest });
  });
});

test("push() takes a tag away that only the remote has, and says when there is nothing to take away", async () => {
  await withTwoStores(async (stores) => {
    const { digest } = await stores.a.commit({ "a.txt": "1" });
    await pushA(stores, { refs: ["main", "HEAD:refs/tags/v1", "HEAD:refs/tags/both", "HEAD:both"] });
    await expect(pushA(stores, { refs: [":v2"] })).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
    await expect(pushA(stores, { refs: [":both"] })).rejects.toMatchObject({ code: "REVISION_AMBIGUOUS" });
    await pushA(stores, { refs: [":v1", ":refs/tags/both"] });
    expect(await namesOf(stores)).toEqual({ "refs/heads/main": digest, "refs/heads/both": digest });
  });
});

test("push() sends what a repack beside it stores elsewhere", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, remote, fetch } = stores;
    for (let version = 0; version < 4; version += 1)
      await a.commit({ "m.bin": "x".repeat(100_000) + String(version), "n.txt": String(version) });
    let repacking: Promise<unknown> | undefined;
    const put = remote.putPack.bind(remote);
    remote.putPack = async (pack) => {
      repacking ??= repack(a.store, {}, QUIET);
      // The old packs go as soon as nobody is about to read them.
      if (await a.store.objects.readers.drain(QUIET.signal, 0)) await repacking;
      await put(pack);
    };
    await pushA(stores, { jobs: 1 });
    await repacking;
    await fetch(b);
    expect(await refsOf(b)).toEqual(await refsOf(a));
  });
});

test("push() with --dry-run tells and does nothing", async () => {
  await withTwoStores(async (stores) => {
    const { digest } = await stores.a.commit({ "a.txt": "1" });
    const planned = await pushA(stores, { dryRun: true });
    expect(planned).toMatchObject({ refs: [{ name: "refs/heads/main", to: digest }], sentBytes: 0 });
    expect(planned.objects).toBeGreaterThan(0);
    expect(await namesOf(stores)).toEqual({});
    expect(await stores.a.store.refs.list(stores.a.repository.name, "refs/remotes/")).toEqual([]);
  });
});

test("push() of a history whose old versions gave up their files sends what is left, and the receiver knows", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, fetch } = stores;
    const first = await a.commit({ "m.bin": "first" });
    await a.commit({ "m.bin": "second" });
    await gc(a.store, { keepLast: 1, olderThan: "0 days", grace: "0 days" }, QUIET);
    await pushA(stores);
    expect(await namesOf(stores)).toHaveProperty(`refs/pruned/${first.digest}`);
    await fetch(b);
    expect(await b.store.refs.list(b.repository.name, "refs/pruned/")).toEqual([
      { name: `refs/pruned/${first.digest}`, digest: first.digest },
    ]);
  });
});
