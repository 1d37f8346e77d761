import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashBytes } from "../objects/digest.ts";
import { parseRefName } from "../objects/names.ts";
import { lyingPack } from "../testing/crafted.ts";
import { QUIET } from "../testing/testing.ts";
import { owned, type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import { fetch, type FetchOptions, type FetchResult } from "./fetch.ts";
import { fsck } from "./fsck.ts";
import { gc } from "./gc.ts";
import { reset } from "./reset.ts";
import { tag } from "./tag.ts";

function fetchB({ b, remote }: TwoStores, options: Partial<FetchOptions> = {}): Promise<FetchResult> {
  return fetch(owned(b), { remote, remoteName: "origin", ...options }, QUIET);
}

async function refsOf({ b }: TwoStores, prefix: string): Promise<Record<string, string>> {
  const refs = await b.store.refs.list(b.repository.name, prefix);
  return Object.fromEntries(refs.map(({ name, digest }) => [name.slice(prefix.length), digest]));
}

test("fetch() brings branches and tags, and only what is new the next time", async () => {
  await withTwoStores(async (stores) => {
    const { a, push } = stores;
    const first = await a.commit({ "a.txt": "1", "f/m.bin": "weights" });
    await tag(a.repository, { name: "v1", message: "one" }, QUIET);
    await push(a, { all: true, tags: true });
    const fetched = await fetchB(stores);
    expect(fetched.refs.map(({ name }) => name)).toEqual(["refs/remotes/origin/main", "refs/tags/v1"]);
    expect(fetched.verifiedBlobs).toBe(2);
    expect(await refsOf(stores, "refs/remotes/origin/")).toEqual({ main: first.digest });
    const second = await a.commit({ "a.txt": "2" });
    await push(a);
    expect(await fetchB(stores)).toMatchObject({
      refs: [{ name: "refs/remotes/origin/main", from: first.digest, to: second.digest, fastForward: true }],
      verifiedBlobs: 1,
    });
    expect(await fetchB(stores)).toMatchObject({ refs: [], objects: 0, receivedBytes: 0 });
  });
});

test("fetch() takes over a branch that lost commits, says so, and the reflog has the old one", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push } = stores;
    const first = await a.commit({ "a.txt": "1" });
    const second = await a.commit({ "a.txt": "2" });
    await push(a);
    await fetchB(stores);
    await reset(a.repository, { revision: first.digest, mode: "hard" }, QUIET);
    await push(a, { force: true });
    expect(await fetchB(stores)).toMatchObject({
      refs: [{ from: second.digest, to: first.digest, fastForward: false }],
    });
    const log = await b.store.refs.log(b.repository.name, parseRefName("refs/remotes/origin/main"));
    expect(log[0]).toMatchObject({ from: second.digest, to: first.digest });
  });
});

test("fetch() keeps a tag of ours that names something else, and leaves out names that cannot be refs", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push, remote } = stores;
    const theirs = await a.commit({ "a.txt": "1" });
    await tag(a.repository, { name: "v1" }, QUIET);
    await push(a, { all: true, tags: true });
    const odd = { name: "refs/heads/\u001b[2J..x" as ReturnType<typeof parseRefName>, from: "any" as const };
    await remote.update([{ ...odd, to: theirs.digest }]);
    const ours = await b.commit({ "b.txt": "2" });
    await tag(b.repository, { name: "v1" }, QUIET);
    const fetched = await fetchB(stores);
    expect(fetched.skipped.map(({ name }) => name).sort()).toEqual([odd.name, "refs/tags/v1"].sort());
    expect(await refsOf(stores, "refs/tags/")).toEqual({ v1: ours.digest });
    expect(await refsOf(stores, "refs/remotes/origin/")).toEqual({ main: theirs.digest });
  });
});

test("fetch() of one branch leaves the others, and --prune takes away what is gone there", async () => {
  await withTwoStores(async (stores) => {
    const { a, push } = stores;
    await a.commit({ "a.txt": "1" });
    await push(a, { refs: ["main", "main:next", "main:old"] });
    await fetchB(stores, { refs: ["next"] });
    expect(Object.keys(await refsOf(stores, "refs/remotes/origin/"))).toEqual(["next"]);
    await fetchB(stores);
    await push(a, { refs: [":old"] });
    await fetchB(stores, { refs: ["next"], prune: true });
    expect(Object.keys(await refsOf(stores, "refs/remotes/origin/"))).toEqual(["main", "next", "old"]);
    expect(await fetchB(stores, { prune: true })).toMatchObject({ refs: [{ to: null }] });
    expect(Object.keys(await refsOf(stores, "refs/remotes/origin/"))).toEqual(["main", "next"]);
    await expect(fetchB(stores, { refs: ["old"] })).rejects.toMatchObject({ code: "REVISION_NOT_FOUND" });
  });
});

test("fetch() from a remote that lacks what its refs need moves no ref", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, remote } = stores;
    const { digest } = await a.commit({ "a.txt": "1" });
    await remote.update([{ name: parseRefName("refs/heads/main"), from: "absent", to: digest }]);
    await expect(fetchB(stores)).rejects.toMatchObject({ code: "REMOTE_INCOMPLETE", exit: 6 });
    expect(await b.store.refs.list(b.repository.name)).toEqual([]);
  });
});

test("fetch() of what the remote lacks or has damaged moves no ref, and works when it is whole", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push, remote } = stores;
    await a.commit({ "model.bin": "weights".repeat(1000) });
    await push(a);
    const packs = (await readdir(remote.folder)).filter((name) => name.endsWith(".pack"));
    const paths = packs.map((name) => join(remote.folder, name));
    for (const path of paths) await rename(path, `${path}.aside`);
    await expect(fetchB(stores)).rejects.toMatchObject({ code: "REMOTE_INCOMPLETE" });
    for (const path of paths) {
      const damaged = await readFile(`${path}.aside`);
      // Of a record: behind the header of the pack.
      damaged[200] = (damaged[200] ?? 0) ^ 1;
      await writeFile(path, damaged);
    }
    await expect(fetchB(stores)).rejects.toMatchObject({ exit: 4 });
    expect(await refsOf(stores, "refs/")).toEqual({});
    for (const path of paths) await rename(`${path}.aside`, path);
    await fetchB(stores);
    expect(Object.keys(await refsOf(stores, "refs/"))).toEqual(["remotes/origin/main"]);
    expect(await fsck(b.store, { full: true }, QUIET)).toMatchObject({ problems: [] });
  });
});

test("fetch() of versions that gave up their files brings their history", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push } = stores;
    for (const text of ["1", "2", "3"]) await a.commit({ "a.txt": text });
    await gc(a.store, { keepLast: 1, olderThan: "0", grace: "0", actor: "A <a@example.org>" }, QUIET);
    await push(a);
    const { refs } = await fetchB(stores);
    expect(refs).toMatchObject([{ name: "refs/remotes/origin/main" }]);
    expect(Object.keys(await refsOf(stores, "refs/pruned/"))).toHaveLength(2);
    expect(await fsck(b.store, { full: true }, QUIET)).toMatchObject({ problems: [] });
  });
});

test("a list of a remote that lies about a file is refused before anybody can find it, however often it is fetched", async () => {
  await withTwoStores(async (stores) => {
    const { b, remote, folder } = stores;
    const bytes = randomBytes(6 * 1024 * 1024);
    const blob = hashBytes(bytes);
    const { pack, list, commit } = await lyingPack(folder, blob);
    const { rows } = await b.store.pool.run("contents", { pack: pack.path }, { signal: QUIET.signal });
    const named = rows.map((row) => ({
      ...row,
      pack: pack.name,
      ...(row.kind === "chunklist" ? { blob } : {}),
    }));
    await remote.putPack({ ...pack, rows: named });
    await remote.update([{ name: parseRefName("refs/heads/main"), from: "absent", to: commit }]);
    for (let times = 0; times < 2; times += 1) {
      await expect(fetchB(stores)).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
      expect(await b.store.index.findChunklist(blob)).toBeUndefined();
      expect(await b.store.index.find(list)).toBeUndefined();
    }
    // The file itself is stored when it comes, as if nobody had lied.
    await b.commit({ "m.bin": bytes });
    expect(await fsck(b.store, { full: true }, QUIET)).toMatchObject({ ok: true, problems: [] });
  });
});
