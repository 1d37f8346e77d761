import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noteBegun } from "./begun.ts";
import { FileWork } from "./layout/note-files.ts";
import { openStore, type OwnedStore } from "./open-store.ts";
import { QUIET } from "./testing/testing.ts";
import { withFolder } from "./testing/folder.ts";
import { audit } from "./verbs/audit.ts";

const WORK = { op: "backup", what: "file best.pt ", actor: "Ada <ada@example.org>", repository: "" };

async function reasons(store: OwnedStore): Promise<string[]> {
  return (await audit(store, { op: "backup" }, QUIET)).entries.map(({ reason }) => reason);
}

test("what a killed process had begun is told at the next start, once, in the name of who began it", async () => {
  await withFolder(async (folder) => {
    {
      await using store = await openStore(folder, { create: true });
      await noteBegun(store, WORK);
    }
    for (const _ of ["first", "second"]) {
      await using store = await openStore(folder);
      const { entries } = await audit(store, { op: "backup" }, QUIET);
      expect(entries).toMatchObject([{ actor: WORK.actor, repository: "", ref: null }]);
      expect(entries[0]?.reason).toMatch(
        /^backup: interrupted, done in part or whole: file best\.pt {2}\(begun \d{4}-.*Z\)$/,
      );
    }
    expect(readdirSync(join(folder, "begun"))).toEqual([]);
  });
});

test("what was recorded before the kill is not told again, and what is no work is removed", async () => {
  await withFolder(async (folder) => {
    {
      await using store = await openStore(folder, { create: true });
      await noteBegun(store, WORK);
      const { op, actor } = WORK;
      await store.refs.note("", { op, actor, reason: "backup: file best.pt at /nas/best.pt" });
    }
    for (const [name, text] of [
      ["torn.json", '{"op": "backup"'],
      ["other.json", '{"op": 1}'],
      ["date.json", JSON.stringify({ ...WORK, startedMs: Number.MAX_SAFE_INTEGER, afterSeq: 0 })],
      ["nowhere.json", JSON.stringify({ ...WORK, repository: "gone", startedMs: 0, afterSeq: 9 })],
      ["x.tmp", ""],
    ] as const)
      writeFileSync(join(folder, "begun", name), text);
    mkdirSync(join(folder, "begun", "folder.json"));
    await using store = await openStore(folder);
    expect(await reasons(store)).toEqual(["backup: file best.pt at /nas/best.pt"]);
    expect(readdirSync(join(folder, "begun"))).toEqual(["folder.json"]);
  });
});

test("FileWork leaves nothing when nothing was changed, tells what was changed before a failure, and keeps what the journal did not take", async () => {
  await withFolder(async (folder) => {
    const place = (store: OwnedStore) => ({
      store,
      actor: WORK.actor,
      openRepository: () => Promise.resolve({ name: "" }),
    });
    const begun = join(folder, "begun");
    {
      await using store = await openStore(folder, { create: true });
      {
        await using _ = await FileWork.begin(place(store), WORK);
        expect(readdirSync(begun)).toHaveLength(1);
      }
      expect(await reasons(store)).toEqual([]);
      {
        await using work = await FileWork.begin(place(store), WORK);
        work.hasChanged = true;
      }
      expect(await reasons(store)).toEqual(["backup: file best.pt  (stopped before its end)"]);
      expect(readdirSync(begun)).toEqual([]);
      await using work = await FileWork.begin(place(store), WORK);
      await store.journal[Symbol.asyncDispose]();
      expect(await work.record("at /nas")).toBe(false);
    }
    expect(readdirSync(begun)).toHaveLength(1);
    await using store = await openStore(folder);
    expect((await reasons(store))[0]).toContain("backup: interrupted");
    expect(existsSync(begun)).toBe(true);
  });
});
