import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readRemotes } from "../remotes.ts";
import { QUIET } from "../testing/testing.ts";
import { ACTOR, Bench } from "../testing/worktree.ts";
import { type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import { findWorktree } from "../worktree/worktree.ts";
import { branch } from "./branch.ts";
import { clone, type CloneOptions, type CloneResult } from "./clone.ts";
import { tag } from "./tag.ts";

async function cloneTo(
  { b, access, url, folder }: TwoStores,
  name: string,
  options: Partial<CloneOptions> = {},
): Promise<CloneResult> {
  const place = { ...access, store: b.store, actor: ACTOR, defaultBranch: "trunk" };
  return clone(place, { url, folder: join(folder, name), ...options }, QUIET);
}

async function benchOf({ b }: TwoStores, { root, repository }: CloneResult): Promise<Bench> {
  const worktree = await findWorktree(root, b.store);
  return new Bench(b.store, root, { ...b.repository, name: repository, worktree });
}

test("clone() makes repository, remote, branch and files", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push, url } = stores;
    await a.commit({ "a.txt": "1" });
    await branch(a.repository, { name: "dev" }, QUIET);
    const { digest } = await a.commit({ "w/model.bin": "weights", "run.sh": "x" });
    await tag(a.repository, { name: "v1" }, QUIET);
    await push(a, { all: true, tags: true });
    const made = await cloneTo(stores, "copy");
    expect(made).toMatchObject({ repository: "copy", branch: "main", digest, written: 3 });
    const bench = await benchOf(stores, made);
    expect(await bench.files()).toEqual(await a.files());
    expect(await bench.isClean()).toBe(true);
    expect(await bench.status()).toMatchObject({ branch: "main", upstream: { ahead: 0, behind: 0 } });
    expect(await readRemotes(b.store, "copy")).toEqual([{ repository: "copy", name: "origin", url }]);
    const names = (await b.store.refs.list("copy")).map(({ name }) => name);
    expect(names.filter((name) => !name.startsWith("refs/worktrees/"))).toEqual([
      "refs/heads/main",
      "refs/remotes/origin/dev",
      "refs/remotes/origin/main",
      "refs/tags/v1",
    ]);
  });
});

test("clone() checks out a branch, a tag, or nothing", async () => {
  await withTwoStores(async (stores) => {
    const { a, push } = stores;
    const first = await a.commit({ "a.txt": "1" });
    await branch(a.repository, { name: "dev" }, QUIET);
    await tag(a.repository, { name: "v1", message: "first" }, QUIET);
    await a.commit({ "a.txt": "2" });
    await push(a, { all: true, tags: true });
    const dev = await benchOf(stores, await cloneTo(stores, "dev", { ref: "dev" }));
    expect(await dev.status()).toMatchObject({ branch: "dev", head: first.digest });
    const tagged = await benchOf(stores, await cloneTo(stores, "tagged", { ref: "refs/tags/v1" }));
    expect(await tagged.status()).toMatchObject({ branch: null, head: first.digest, deleted: [] });
    expect(await tagged.read("a.txt")).toBe("1");
    const bare = await benchOf(stores, await cloneTo(stores, "bare", { noCheckout: true }));
    expect(await bare.status()).toMatchObject({ branch: "main", deleted: ["a.txt"], staged: [] });
    await expect(cloneTo(stores, "none", { ref: "v9" })).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
  });
});

test("clone() of an empty remote, and of one without main", async () => {
  await withTwoStores(async (stores) => {
    const { a, push } = stores;
    const empty = await cloneTo(stores, "empty");
    expect(empty).toMatchObject({ branch: "trunk", digest: null, written: 0 });
    expect(await (await benchOf(stores, empty)).status()).toMatchObject({ branch: "trunk", head: null });
    await a.commit({ "a.txt": "1" });
    await push(a, { refs: ["main:refs/heads/zeta", "main:refs/heads/beta"] });
    expect(await cloneTo(stores, "first")).toMatchObject({ branch: "beta" });
    await push(a, { refs: ["main:refs/heads/trunk"] });
    expect(await cloneTo(stores, "usual")).toMatchObject({ branch: "trunk" });
  });
});

test("clone() refuses a folder with something in it and a name that is taken", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push, folder } = stores;
    await a.commit({ "a.txt": "1" });
    await push(a);
    await mkdir(join(folder, "full"));
    await writeFile(join(folder, "full", "mine"), "mine");
    const taken = { code: "ALREADY_EXISTS" };
    await expect(cloneTo(stores, "full")).rejects.toMatchObject(taken);
    await expect(cloneTo(stores, "new", { name: b.repository.name })).rejects.toMatchObject(taken);
    await mkdir(join(folder, "void"));
    const made = await cloneTo(stores, "void");
    await expect(cloneTo(stores, "again", { name: made.repository })).rejects.toMatchObject(taken);
    await expect(cloneTo(stores, "void", { name: "other" })).rejects.toMatchObject(taken);
    await expect(cloneTo(stores, "x", { name: "../x" })).rejects.toMatchObject({
      code: "REPOSITORY_NAME_INVALID",
    });
    expect(await readdir(join(folder, "full"))).toEqual(["mine"]);
    expect(await readRemotes(b.store, b.repository.name)).toEqual([]);
  });
});

test("clone() that fails leaves no ref and no folder, and works when it is run again", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push, remote, folder } = stores;
    await a.commit({ "a.txt": "1", "model.bin": "weights" });
    await push(a);
    const lists = (await readdir(remote.folder)).filter((name) => name.endsWith(".json"));
    const texts = new Map<string, string>();
    for (const path of lists.map((name) => join(remote.folder, name))) {
      texts.set(path, await readFile(path, "utf8"));
      const rows = JSON.parse(texts.get(path) ?? "") as { kind: string }[];
      await writeFile(path, JSON.stringify(rows.filter(({ kind }) => kind !== "chunk")));
    }
    await expect(cloneTo(stores, "copy")).rejects.toMatchObject({ code: "REMOTE_INCOMPLETE" });
    expect(await b.store.refs.list("copy")).toEqual([]);
    expect(await readRemotes(b.store, "copy")).toEqual([]);
    expect(await readdir(folder)).not.toContain("copy");
    for (const [path, text] of texts) await writeFile(path, text);
    const made = await cloneTo(stores, "copy");
    expect(await (await benchOf(stores, made)).files()).toEqual(await a.files());
  });
});

test("clone() goes on where one was killed, and takes a name whose worktree is gone", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, push, folder } = stores;
    await a.commit({ "a.txt": "1" });
    await tag(a.repository, { name: "v1" }, QUIET);
    await push(a, { all: true, tags: true });
    await cloneTo(stores, "copy");
    await rm(join(folder, "copy"), { recursive: true });
    // The branch is work that may be nowhere else.
    await expect(cloneTo(stores, "copy")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    const main = (await b.store.refs.list("copy", "refs/heads/")).map(({ name, digest }) => {
      return { name, from: digest, to: "absent" } as const;
    });
    await b.store.refs.update("copy", main, { op: "test", reason: "test", actor: "A <a@example.org>" });
    expect(await cloneTo(stores, "copy")).toMatchObject({ branch: "main", written: 1 });
  });
});
