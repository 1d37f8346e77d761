import { cp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { type Db, openDb } from "../db/db.ts";
import type { Digest } from "../objects/digest.ts";
import { SmcError } from "../errors.ts";
import { interceptCalls } from "../fs.ts";
import { openJournal } from "../journal/journal.ts";
import { parseRefName } from "../objects/names.ts";
import { refKey, tagRange, TAGS } from "./ref-rows.ts";
import { withFolder } from "../testing/folder.ts";
import {
  create,
  digest,
  MAIN,
  namesOf,
  type Parts,
  picture,
  reason,
  remove,
  signal,
  storeId,
  withRefs,
} from "../testing/refs.ts";

afterEach(() => interceptCalls(undefined));

/** A history with everything in it. */
async function fill({ refs }: Parts): Promise<void> {
  await refs.createRepository("cats", reason);
  await refs.createRepository("dogs", reason);
  await refs.registerWorktree({ id: "ab".repeat(16), path: "/w", repository: "cats" }, reason);
  await refs.update(
    "cats",
    [create("refs/heads/main"), create("refs/heads/dev"), create("refs/tags/v1")],
    reason,
  );
  await refs.update("cats", [{ name: MAIN, from: "any", to: digest("2") }, remove("refs/heads/dev")], reason);
  await refs.update("dogs", [create("refs/heads/main")], reason);
}

test("refs, reflogs, repositories and worktrees are there after closing, and after LevelDB is lost", () =>
  withFolder(async (folder) => {
    const before = await withRefs(folder, async (parts) => {
      await fill(parts);
      return picture(parts.refs);
    });
    await withRefs(folder, async ({ refs, db }) => {
      expect(await picture(refs)).toEqual(before);
      expect(refs.wasRebuilt).toBe(false);
      await refs.inTurn(() => refs.rebuild(db));
      expect(await picture(refs)).toEqual(before);
    });
    await rm(join(folder, "db"), { recursive: true });
    await withRefs(folder, async ({ refs }) => {
      expect(await picture(refs)).toEqual(before);
      const conflict = refs.update("cats", [create("refs/heads/MAIN")], reason);
      await expect(conflict).rejects.toMatchObject({ code: "REF_CONFLICT" });
    });
  }));

test("an older LevelDB is brought up to the journal; an older journal is refused", () =>
  withFolder(async (folder) => {
    await withRefs(folder, fill);
    for (const name of ["db", "db.clean", "journal"])
      await cp(join(folder, name), join(folder, `old-${name}`), { recursive: true });
    const after = await withRefs(folder, async ({ refs }) => {
      for (const text of ["3", "4"])
        await refs.update("cats", [{ name: MAIN, from: "any", to: digest(text) }], reason);
      return picture(refs);
    });
    await rename(join(folder, "db"), join(folder, "new-db"));
    for (const name of ["db", "db.clean"]) await rename(join(folder, `old-${name}`), join(folder, name));
    await withRefs(folder, async ({ refs }) => {
      expect(refs.wasRebuilt).toBe(false);
      expect(await picture(refs)).toEqual(after);
    });
    await rm(join(folder, "journal"), { recursive: true });
    await rename(join(folder, "old-journal"), join(folder, "journal"));
    await using db = await openDb(join(folder, "db"), { storeId, create: false });
    const opening = openJournal(join(folder, "journal"), { storeId, signal, applied: await db.applied() });
    await expect(opening).rejects.toMatchObject({ code: "JOURNAL_CORRUPT" });
  }));

test.each([
  ["a ref", refKey("cats", "refs/heads/main")],
  ["a repository", Buffer.from("qdogs")],
  ["the state", Buffer.from("j")],
])("rows that lack %s are made again from the journal at open", (_, key) =>
  withFolder(async (folder) => {
    const before = await withRefs(folder, async (parts) => {
      await fill(parts);
      const found = await picture(parts.refs);
      await parts.db.batch([{ type: "del", key }], { sync: true });
      return found;
    });
    await withRefs(folder, async ({ refs }) => {
      expect(refs.wasRebuilt).toBe(true);
      expect(await picture(refs)).toEqual(before);
    });
  }),
);

/** LevelDB whose writes fail while `isFull`. */
function failing(db: Db, disk: { isFull: boolean }): Db {
  return {
    path: db.path,
    wasUnclean: db.wasUnclean,
    placeCounts: db.placeCounts,
    isDamaged: db.isDamaged,
    renew: () => db.renew(),
    giveUp: (why) => db.giveUp(why),
    get: (key) => db.get(key),
    getMany: (keys) => db.getMany(keys),
    iterate: (range) => db.iterate(range),
    applied: () => db.applied(),
    batch: async (changes, options) => {
      if (disk.isFull) throw new SmcError("DISK_FULL", "no room for LevelDB");
      await db.batch(changes, options);
    },
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}

test("a change whose rows cannot be written is committed, seen by readers, and written later or at the next start", () =>
  withFolder(async (folder) => {
    const disk = { isFull: false };
    const seen = await withRefs(
      folder,
      async (parts) => {
        const { refs, db } = parts;
        await fill(parts);
        disk.isFull = true;
        await refs.update("cats", [create("refs/heads/a/b"), remove("refs/tags/v1")], reason);
        await refs.update("cats", [{ name: MAIN, from: digest("2"), to: digest("3") }], reason);
        expect(await namesOf(refs)).toEqual(["refs/heads/a/b", "refs/heads/main"]);
        const conflict = refs.update("cats", [create("refs/heads/A/b")], reason);
        await expect(conflict).rejects.toMatchObject({ code: "REF_CONFLICT" });
        expect((await refs.log("cats", MAIN, 1)).map(({ to }) => to)).toEqual([digest("3")]);
        expect((await refs.log("cats", MAIN)).map(({ to }) => to)).toEqual([
          digest("3"),
          digest("2"),
          digest("refs/heads/main"),
        ]);
        expect(await db.get(refKey("cats", "refs/heads/a/b"))).toBeUndefined();
        disk.isFull = false;
        await refs.update("cats", [create("refs/heads/dev")], reason);
        expect(await db.get(refKey("cats", "refs/heads/a/b"))).toBeDefined();
        disk.isFull = true;
        await refs.update("cats", [remove("refs/heads/dev")], reason);
        return picture(refs);
      },
      (db) => failing(db, disk),
    );
    await withRefs(folder, async ({ refs }) => expect(await picture(refs)).toEqual(seen));
  }));

test("a journal that cannot be written refuses the change and leaves the refs as they were", () =>
  withFolder(async (folder) => {
    await withRefs(folder, async (parts) => {
      const { refs } = parts;
      await fill(parts);
      const before = await picture(refs);
      interceptCalls((what) => {
        if (what === "write") throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC", syscall: "write" });
      });
      const refused = refs.update("cats", [create("refs/heads/a")], reason);
      await expect(refused).rejects.toMatchObject({ code: "DISK_FULL" });
      interceptCalls(undefined);
      expect(await picture(refs)).toEqual(before);
      await refs.update("cats", [create("refs/heads/a")], reason);
    });
    await withRefs(folder, async ({ refs }) => expect(await namesOf(refs)).toContain("refs/heads/a"));
  }));

interface Wanted {
  readonly name: string;
  readonly to: Digest | "absent";
}

function applied(model: ReadonlyMap<string, Digest>, wanted: readonly Wanted[]): Map<string, Digest> {
  const next = new Map(model);
  for (const { name, to } of wanted) {
    if (to === "absent") next.delete(name);
    else next.set(name, to);
  }
  return new Map([...next].sort(([one], [two]) => (one < two ? -1 : 1)));
}

function clashes(names: readonly string[]): boolean {
  const isBeside = (one: string, two: string) =>
    !two.startsWith(`${one}/`) && one.toLowerCase() !== two.toLowerCase();
  return names.some((one) => names.some((two) => one !== two && !isBeside(one, two)));
}

test(
  "random changes agree with a map, and so do the rows made again from the journal",
  () =>
    withFolder((folder) =>
      withRefs(folder, async ({ refs, db }) => {
        await refs.createRepository("cats", reason);
        let model: ReadonlyMap<string, Digest> = new Map();
        const name = fc.constantFrom("a", "b", "a/b", "A", "c/d", "c").map((text) => `refs/heads/${text}`);
        const to = fc.constantFrom<Digest | "absent">(digest("1"), digest("2"), "absent");
        const changes = fc.uniqueArray(fc.record({ name, to }), {
          selector: (each) => each.name,
          maxLength: 3,
        });
        const agrees = fc.asyncProperty(changes, async (wanted) => {
          const next = applied(model, wanted);
          const asked = wanted.map((each) => ({
            ...each,
            name: parseRefName(each.name),
            from: "any" as const,
          }));
          const outcome = await refs.update("cats", asked, reason).then(
            () => "done",
            (error: { code: string }) => error.code,
          );
          expect(outcome).toBe(clashes([...next.keys()]) ? "REF_CONFLICT" : "done");
          if (outcome === "done") model = next;
          expect((await refs.list("cats")).map((ref) => [ref.name, ref.digest])).toEqual([...model]);
        });
        await fc.assert(agrees, { numRuns: 200, endOnFailure: true });
        const before = await picture(refs);
        const rowsBefore = await rowsOf(db);
        await refs.inTurn(() => refs.rebuild(db));
        expect(await picture(refs)).toEqual(before);
        expect(await rowsOf(db)).toEqual(rowsBefore);
      }),
    ),
  30_000,
);

async function rowsOf(db: Db): Promise<string[]> {
  const rows: string[] = [];
  for (const tag of Object.values(TAGS)) {
    for await (const row of db.iterate(tagRange(tag)))
      rows.push(row.map((part) => Buffer.from(part).toString("hex")).join(" "));
  }
  return rows;
}
