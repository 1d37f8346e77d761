import { expect, test } from "vitest";
import { withStore } from "../testing/testing.ts";
import type { JournalRecord } from "./journal-format.ts";
import { RecentRecords } from "./recent.ts";

const ACTOR = "Ada <ada@example.org>";

test("journal.follow() gives the records that were and each that comes, in order, also to one who is slow", async () => {
  await withStore(async (store) => {
    const note = (reason: string) => store.refs.note("", { op: "test", reason, actor: ACTOR });
    const first = store.journal.position.seq + 1;
    for (let index = 0; index < 3; index += 1) await note(`before ${index}`);
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const record of store.journal.follow(first, stop.signal)) {
        seen.push(record.reason);
        // More than are held in memory come while it is busy.
        if (record.reason === "before 0")
          for (let index = 0; index < 300; index += 1) await note(`later ${index}`);
        if (record.reason === "later 299") await note("last");
        if (record.reason === "last") stop.abort();
      }
    })();
    await following;
    const later = Array.from({ length: 300 }, (_, index) => `later ${index}`);
    expect(seen).toEqual(["before 0", "before 1", "before 2", ...later, "last"]);
  });
});

test("journal.follow() ends when its signal fires while nothing happens", async () => {
  await withStore(async (store) => {
    const stop = new AbortController();
    const following = (async () => {
      for await (const record of store.journal.follow(store.journal.position.seq + 1, stop.signal))
        return record;
      return "ended";
    })();
    setImmediate(() => stop.abort());
    expect(await following).toBe("ended");
  });
});

test("RecentRecords keeps a few records and says when one is not there", () => {
  const recent = new RecentRecords();
  const record = (seq: number): JournalRecord => ({
    type: "refs",
    seq,
    ms: 0,
    op: "test",
    actor: ACTOR,
    reason: "",
    repository: "",
    changes: [],
  });
  expect(recent.from(1)).toBeUndefined();
  for (let seq = 1; seq <= 300; seq += 1) recent.add(record(seq), 100);
  expect(recent.from(44)).toBeUndefined();
  expect(recent.from(45)).toHaveLength(256);
  expect(recent.from(301)).toEqual([]);
  recent.add(record(301), 8 * 1024 * 1024);
  expect(recent.from(301)).toHaveLength(1);
  expect(recent.from(300)).toBeUndefined();
});
