import { expect, test } from "vitest";
import { SmcError } from "../errors.ts";
import { parseRefName } from "../objects/names.ts";
import { changeRemotes } from "../remotes.ts";
import { QUIET } from "../testing/testing.ts";
import { owned, type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import { branch } from "./branch.ts";
import { outdated, type OutdatedResult } from "./outdated.ts";
import { pull } from "./pull.ts";
import { tag } from "./tag.ts";

async function askB({ b, access, follow }: TwoStores, remote?: string): Promise<OutdatedResult> {
  await follow(b);
  const named = remote === undefined ? {} : { remote };
  return outdated({ ...access, repository: b.repository }, named, QUIET);
}

test("outdated() tells what is new, behind, ahead, diverged and moved", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push, fetch, remote } = stores;
    const first = await a.commit({ "a.txt": "1" });
    await tag(a.repository, { name: "v1" }, QUIET);
    await push(a, { all: true, tags: true });
    expect((await askB(stores)).refs).toMatchObject([
      { name: "refs/heads/main", state: "new", here: null, there: first.digest },
      { name: "refs/tags/v1", state: "new" },
    ]);
    await pull(owned(b), { remote, remoteName: "origin" }, QUIET);
    expect(await askB(stores)).toMatchObject({ remotes: [{ name: "origin", refs: 2 }], refs: [] });
    const second = await a.commit({ "a.txt": "2" });
    await push(a);
    const main = { remote: "origin", name: "refs/heads/main", here: first.digest, there: second.digest };
    expect((await askB(stores)).refs).toEqual([{ ...main, state: "behind", ahead: null, behind: null }]);
    await fetch(b);
    expect((await askB(stores)).refs).toEqual([{ ...main, state: "behind", ahead: 0, behind: 1 }]);
    const own = await b.commit({ "b.txt": "b" });
    expect((await askB(stores)).refs).toEqual([
      { ...main, here: own.digest, state: "diverged", ahead: 1, behind: 1 },
    ]);
    await a.commit({ "a.txt": "3" });
    await push(a);
    expect((await askB(stores)).refs).toMatchObject([{ state: "diverged", ahead: null, behind: null }]);
  });
});

test("outdated() tells what is ahead here, and registry names that are other objects", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push, remote } = stores;
    const first = await a.commit({ "a.txt": "1" });
    await push(a);
    await pull(owned(b), { remote, remoteName: "origin" }, QUIET);
    const next = await b.commit({ "b.txt": "b" });
    expect((await askB(stores)).refs).toMatchObject([{ state: "ahead", ahead: 1, behind: 0 }]);
    await push(b);
    const champion = parseRefName("refs/registry/champion");
    await remote.update([{ name: champion, from: "any", to: first.digest }]);
    const reason = { op: "test", reason: "test", actor: "A <a@example.org>" };
    const { store, name } = b.repository;
    await store.refs.update(name, [{ name: champion, from: "any", to: next.digest }], reason);
    expect((await askB(stores)).refs).toMatchObject([
      { name: champion, state: "moved", there: first.digest },
    ]);
  });
});

test("outdated() counts a branch that is only followed as what was fetched", async () => {
  await withTwoStores(async (stores) => {
    const { a, push, fetch, b } = stores;
    await a.commit({ "a.txt": "1" });
    await branch(a.repository, { name: "dev" }, QUIET);
    await push(a, { all: true });
    await fetch(b);
    expect((await askB(stores)).refs).toEqual([]);
    await expect(askB(stores, "nas")).rejects.toMatchObject({ code: "REMOTE_NOT_FOUND" });
  });
});

test("outdated() asks the other remotes when one cannot be reached, and tells of it", async () => {
  await withTwoStores(async ({ a, b, push, access, url }) => {
    const first = await a.commit({ "a.txt": "1" });
    await push(a);
    const { name: repository } = b.repository;
    const names = ["away", "origin"];
    await changeRemotes(b.store, repository, () => names.map((name) => ({ repository, name, url })), QUIET);
    const open: typeof access.open = (record, call) => {
      if (record.name === "away") throw new SmcError("REMOTE_UNREACHABLE", "nobody answers");
      return access.open(record, call);
    };
    const place = { open, repository: b.repository };
    expect(await outdated(place, {}, QUIET)).toMatchObject({
      remotes: [{ name: "origin" }],
      failed: [{ name: "away", error: { code: "REMOTE_UNREACHABLE", message: "nobody answers" } }],
      refs: [{ remote: "origin", state: "new", there: first.digest }],
    });
    await expect(outdated(place, { remote: "away" }, QUIET)).rejects.toMatchObject({
      code: "REMOTE_UNREACHABLE",
    });
  });
});
