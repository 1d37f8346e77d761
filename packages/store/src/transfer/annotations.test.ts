import { expect, test } from "vitest";
import { resolveCommit } from "../history/revision.ts";
import { parseRefName } from "../objects/names.ts";
import { listArchived } from "../registry/archive-refs.ts";
import { archive } from "../verbs/archive.ts";
import { branch } from "../verbs/branch.ts";
import { promote } from "../verbs/promote.ts";
import { readNotesOf } from "../registry/notes.ts";
import { owned, type TwoStores, withTwoStores } from "../testing/two-stores.ts";
import { QUIET } from "../testing/testing.ts";
import { fetch } from "../verbs/fetch.ts";
import { note } from "../verbs/note.ts";
import { push } from "../verbs/push.ts";
import { assertPushAllowed } from "./push-rules.ts";
import { noteRef } from "../registry/notes.ts";

const NAMED = { remoteName: "origin" };
const YES = { answer: "yes" } as const;

function say(bench: TwoStores["a"], revision: string, message: string) {
  return note(bench.repository, { revision, message }, QUIET);
}

async function textsOf({ repository }: TwoStores["a"], commit: string): Promise<string[]> {
  const { notes } = await note(repository, { revision: commit }, QUIET);
  return notes.filter(({ kind }) => kind !== "join").map(({ text }) => text);
}

test("notes travel with push and fetch, both ways, and are joined when both sides wrote", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, remote } = stores;
    const { digest } = await a.commit({ "a.txt": "1" });
    await say(a, digest, "first");
    await stores.push(a);
    await stores.fetch(b);
    expect(await textsOf(b, digest)).toEqual(["first"]);
    await say(b, digest, "from b");
    await say(a, digest, "from a");
    await stores.push(b, { refs: [`${digest}:main`] });
    const pushed = await push(owned(a), { remote, ...NAMED }, QUIET);
    expect(pushed.refs).toEqual([]);
    await stores.fetch(a);
    expect((await textsOf(a, digest)).sort()).toEqual(["first", "from a", "from b"]);
    await stores.push(a);
    const fetched = await fetch(owned(b), { remote, ...NAMED }, QUIET);
    expect(fetched.refs).toMatchObject([{ name: noteRef(digest), fastForward: true }]);
    expect((await textsOf(b, digest)).sort()).toEqual(["first", "from a", "from b"]);
    expect((await push(owned(a), { remote, ...NAMED }, QUIET)).refs).toEqual([]);
  });
});

test("whoever joins the same two lines of notes makes the same one", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, remote } = stores;
    const { digest } = await a.commit({ "a.txt": "1" });
    await stores.push(a);
    await stores.fetch(b);
    await say(a, digest, "from a");
    await say(b, digest, "from b");
    await stores.push(a);
    await stores.fetch(b);
    const ours = await b.store.refs.read(b.repository.name, noteRef(digest));
    await push(owned(b), { remote, ...NAMED, refs: [noteRef(digest)] }, QUIET);
    await stores.fetch(a);
    expect(await a.store.refs.read(a.repository.name, noteRef(digest))).toBe(ours);
    expect(await readNotesOf(a.repository, digest, QUIET)).toHaveLength(3);
  });
});

test("notes about what is not pushed stay here", async () => {
  await withTwoStores(async (stores) => {
    const { a, remote } = stores;
    const first = await a.commit({ "a.txt": "1" });
    const second = await a.commit({ "a.txt": "2" });
    await say(a, second.digest, "not yet");
    await stores.push(a, { refs: ["HEAD~1:main"] });
    expect((await remote.refs()).map(({ name, digest }) => [name, digest])).toEqual([
      ["refs/heads/main", first.digest],
    ]);
    await stores.push(a);
    expect((await remote.refs()).map(({ name }) => name)).toContain(noteRef(second.digest));
  });
});

test("a server takes notes from everyone, and loses none", async () => {
  await withTwoStores(async ({ a }) => {
    const { digest } = await a.commit({ "a.txt": "1" });
    const { notes: first } = await say(a, digest, "one");
    const { notes: second } = await say(a, digest, "two");
    const [one, two] = [first[0]?.digest, second[0]?.digest];
    if (one === undefined || two === undefined) throw new Error("no note");
    const name = noteRef(digest);
    const rules = { protectedBranches: [], isAdmin: false };
    const check = (from: typeof one | "absent", to: typeof one | "absent") =>
      assertPushAllowed({ store: a.store, rules }, [{ name, from, to }], QUIET);
    await check("absent", one);
    await check(one, two);
    await expect(check(two, one)).rejects.toMatchObject({ code: "PUSH_FORBIDDEN" });
    await expect(check(one, "absent")).rejects.toMatchObject({ code: "PUSH_FORBIDDEN" });
  });
});

test("archived versions travel with their reason, and stay what they are", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, remote } = stores;
    const first = await a.commit({ "a.txt": "1" });
    const second = await a.commit({ "a.txt": "2" });
    await archive(a.repository, { revision: first.digest, reason: "too slow" }, QUIET);
    await stores.push(a);
    expect((await push(owned(a), { remote, ...NAMED }, QUIET)).refs).toEqual([]);
    await stores.fetch(b);
    const archived = await listArchived(b.repository, QUIET);
    expect(archived).toMatchObject([{ commit: first.digest, reason: "too slow" }]);
    // Another one by that name is left out, and ours stays.
    const name = archived[0]?.ref ?? parseRefName("refs/archive/x");
    await remote.update([{ name, from: "any", to: second.digest }]);
    const { skipped } = await fetch(owned(b), { remote, ...NAMED }, QUIET);
    expect(skipped).toMatchObject([{ name }]);
    expect(await listArchived(b.repository, QUIET)).toEqual(archived);
  });
});

test("roles of a remote are looked at as 'origin/champion', and are no branches", async () => {
  await withTwoStores(async (stores) => {
    const { a, b, remote } = stores;
    const { digest } = await a.commit({ "a.txt": "1" });
    await promote(owned(a), { revision: "HEAD", reason: "best", ...YES }, QUIET);
    await stores.push(a, { refs: ["main", "champion"] });
    await stores.fetch(b);
    expect(await resolveCommit(b.repository, "origin/champion", QUIET)).toBe(digest);
    await expect(resolveCommit(b.repository, "champion", QUIET)).rejects.toMatchObject({
      code: "REVISION_NOT_FOUND",
    });
    const { branches } = await branch(b.repository, { remotes: true }, QUIET);
    expect(branches.map(({ name }) => name)).toEqual(["origin/main"]);
    await remote.update([{ name: parseRefName("refs/registry/champion"), from: "any", to: "absent" }]);
    await fetch(owned(b), { remote, ...NAMED, prune: true }, QUIET);
    await expect(resolveCommit(b.repository, "origin/champion", QUIET)).rejects.toThrow();
  });
});

test("a server takes new archived versions from everyone, and changes none", async () => {
  await withTwoStores(async ({ a }) => {
    const { digest } = await a.commit({ "a.txt": "1" });
    const { digest: other } = await a.commit({ "a.txt": "2" });
    const name = parseRefName("refs/archive/v1.0.0");
    const rules = { protectedBranches: [], isAdmin: false };
    const check = (from: typeof digest | "absent", to: typeof digest | "absent") =>
      assertPushAllowed({ store: a.store, rules }, [{ name, from, to }], QUIET);
    await check("absent", digest);
    await expect(check(digest, other)).rejects.toMatchObject({ code: "PUSH_FORBIDDEN" });
    await expect(check(digest, "absent")).rejects.toMatchObject({ code: "PUSH_FORBIDDEN" });
  });
});
