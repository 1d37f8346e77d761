import { expect, test } from "vitest";
import { SmcError } from "../errors.ts";
import { QUIET } from "../testing/testing.ts";
import { type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import { remote, type RemoteOptions, type RemoteResult } from "./remote.ts";

async function withRemotes(
  run: (stores: TwoStores, ask: (options: RemoteOptions) => Promise<RemoteResult>) => Promise<void>,
): Promise<void> {
  await withTwoStores((stores) =>
    run(stores, (options) => remote({ ...stores.access, repository: stores.a.repository }, options, QUIET)),
  );
}

test("remote() adds, lists, asks, changes, renames and removes", async () => {
  await withRemotes(async ({ a, url, push, fetch }, ask) => {
    expect(await ask({ action: "list" })).toEqual({ action: "list", remotes: [], found: null, refs: [] });
    const row = { name: "origin", url, kind: "file" };
    expect(await ask({ action: "add", name: "origin", url })).toMatchObject({
      remotes: [row],
      found: { refs: 0, branches: 0, tags: 0 },
    });
    await a.commit({ "a.txt": "1" });
    await push(a);
    await fetch(a);
    expect(await ask({ action: "test" })).toMatchObject({ remotes: [row], found: { refs: 1, branches: 1 } });
    const elsewhere = `${url}-2`;
    await ask({ action: "set-url", name: "origin", url: elsewhere });
    expect((await ask({ action: "list" })).remotes).toEqual([{ ...row, url: elsewhere }]);
    const renamed = await ask({ action: "rename", name: "origin", to: "nas" });
    expect(renamed.refs).toEqual(["refs/remotes/nas/main"]);
    const { store, name } = a.repository;
    const tracked = async () => (await store.refs.list(name, "refs/remotes/")).map((ref) => ref.name);
    expect(await tracked()).toEqual(["refs/remotes/nas/main"]);
    expect(await ask({ action: "remove", name: "nas" })).toMatchObject({ refs: ["refs/remotes/nas/main"] });
    expect(await tracked()).toEqual([]);
    expect((await ask({ action: "list" })).remotes).toEqual([]);
  });
});

test("remote() adds nothing when the remote does not answer, unless it is not asked", async () => {
  await withTwoStores(async ({ a, url, access }) => {
    const open = () => Promise.reject(new SmcError("REMOTE_UNREACHABLE", "nobody there"));
    const place = { ...access, open, repository: a.repository };
    const add = { action: "add", name: "origin", url } as const;
    await expect(remote(place, add, QUIET)).rejects.toMatchObject({ code: "REMOTE_UNREACHABLE" });
    expect((await remote(place, { action: "list" }, QUIET)).remotes).toEqual([]);
    expect(await remote(place, { ...add, skipTest: true }, QUIET)).toMatchObject({ found: null });
  });
});

test.each([
  [{ action: "add", name: "origin", url: "file:///x" }, "ALREADY_EXISTS"],
  [{ action: "add", name: "Origin", url: "file:///x" }, "ALREADY_EXISTS"],
  [{ action: "add", name: "a/b", url: "file:///x" }, "REF_NAME_INVALID"],
  [{ action: "add", name: "-x", url: "file:///x" }, "REF_NAME_INVALID"],
  [{ action: "add", name: "x" }, "ARGUMENT_INVALID"],
  [{ action: "add" }, "ARGUMENT_INVALID"],
  [{ action: "remove", name: "nas" }, "REMOTE_NOT_FOUND"],
  [{ action: "remove" }, "ARGUMENT_INVALID"],
  [{ action: "rename", name: "origin" }, "ARGUMENT_INVALID"],
  [{ action: "rename", name: "origin", to: "other" }, "ALREADY_EXISTS"],
  [{ action: "rename", name: "origin", to: ".." }, "REF_NAME_INVALID"],
  [{ action: "set-url", name: "nas", url: "file:///x" }, "REMOTE_NOT_FOUND"],
  [{ action: "test", name: "nas" }, "REMOTE_NOT_FOUND"],
] as const)("remote() refuses %j and changes nothing", async (options, code) => {
  await withRemotes(async ({ url }, ask) => {
    for (const name of ["origin", "other"]) await ask({ action: "add", name, url });
    await expect(ask(options)).rejects.toMatchObject({ code });
    expect((await ask({ action: "list" })).remotes.map((row) => row.name)).toEqual(["origin", "other"]);
  });
});
