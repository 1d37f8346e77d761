import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openJournal } from "../journal/journal.ts";
import type { Digest } from "../objects/digest.ts";
import type { OwnedStore } from "../open-store.ts";
import { flip } from "../testing/damage.ts";
import { withFolder } from "../testing/folder.ts";
import { withHistory } from "../testing/history.ts";
import { QUIET } from "../testing/testing.ts";
import { audit } from "./audit.ts";

const ONE = "11".repeat(32) as Digest;
const TWO = "22".repeat(32) as Digest;

test("audit() lists every change of a ref with who, what, from, to and why, newest first", () =>
  withHistory(async (history) => {
    const { store } = history;
    await history.point("refs/heads/main", ONE, "first");
    await history.point("refs/heads/main", TWO, "second");
    await history.point("refs/tags/v1", TWO, "third");
    await history.point("refs/tags/v1", "absent", "fourth");
    const { entries, next } = await audit(store as OwnedStore, {}, QUIET);
    expect(entries.map(({ reason, ref, from, to }) => [reason, ref, from, to])).toEqual([
      ["fourth", "refs/tags/v1", TWO, null],
      ["third", "refs/tags/v1", null, TWO],
      ["second", "refs/heads/main", ONE, TWO],
      ["first", "refs/heads/main", null, ONE],
      ["init: demo", null, null, null],
    ]);
    expect(entries[0]).toMatchObject({
      seq: 5,
      op: "test",
      actor: "Ada <ada@example.org>",
      repository: "demo",
    });
    expect(next).toBeNull();
  }));

test("audit() filters by ref, verb and age, and goes on from page to page", () =>
  withHistory(async (history) => {
    const { store } = history;
    for (const name of ["a", "b", "c"]) await history.point(`refs/heads/${name}`, ONE);
    await history.point("refs/tags/v1", ONE);
    const list = async (options: Parameters<typeof audit>[1]) => {
      const { entries, next } = await audit(store as OwnedStore, options, QUIET);
      return { refs: entries.map(({ ref }) => ref), next };
    };
    expect(await list({ ref: "refs/heads/*" })).toMatchObject({
      refs: ["refs/heads/c", "refs/heads/b", "refs/heads/a"],
    });
    expect(await list({ ref: "v?" })).toMatchObject({ refs: ["refs/tags/v1"] });
    expect(await list({ op: "init" })).toMatchObject({ refs: [null] });
    expect(await list({ since: "1h" })).toMatchObject({ refs: { length: 5 } });
    expect(await list({ since: "2999-01-01" })).toMatchObject({ refs: [] });
    const first = await list({ limit: 2 });
    expect(first).toEqual({ refs: ["refs/tags/v1", "refs/heads/c"], next: 4 });
    expect(await list({ limit: 3, before: 4 })).toEqual({
      refs: ["refs/heads/b", "refs/heads/a", null],
      next: null,
    });
    await expect(list({ since: "soon" })).rejects.toMatchObject({ code: "DATE_INVALID" });
    await expect(list({ limit: 10_001 })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  }));

test("audit() reads a journal of many files from its end", () =>
  withFolder(async (folder) => {
    const storeId = "ab".repeat(16);
    const { signal } = QUIET;
    await using journal = await openJournal(join(folder, "journal"), {
      storeId,
      create: true,
      signal,
      fileBytesMax: 400,
    });
    const count = 40;
    for (let number = 1; number <= count; number += 1)
      await journal.append({
        type: "repository",
        ms: number,
        op: "init",
        actor: "a <a@b>",
        reason: "",
        repository: `r${number}`,
      });
    expect(journal.fileStarts().length).toBeGreaterThan(5);
    const store = { journal } as unknown as OwnedStore;
    const seen: string[] = [];
    let next: number | null = count + 1;
    while (next !== null) {
      const page: Awaited<ReturnType<typeof audit>> = await audit(store, { limit: 7, before: next }, QUIET);
      seen.push(...page.entries.map(({ repository }) => repository));
      next = page.next;
    }
    expect(seen).toEqual(Array.from({ length: count }, (_, index) => `r${count - index}`));
    const { verified } = await audit(store, { verify: true }, QUIET);
    expect(verified).toMatchObject({ records: count, files: journal.fileStarts().length });
  }));

test("audit verify gives the hash of the chain, and names the byte where it breaks", () =>
  withHistory(async (history) => {
    const { store } = history;
    await history.point("refs/heads/main", ONE);
    await history.point("refs/heads/main", TWO);
    const path = join(store.path, "journal", "000001.log");
    const { verified } = await audit(store as OwnedStore, { verify: true }, QUIET);
    const last = readFileSync(path).subarray(-32).toString("hex");
    expect(verified).toMatchObject({ records: 3, files: 1, head: last });
    flip(path, -20);
    await expect(audit(store as OwnedStore, { verify: true }, QUIET)).rejects.toMatchObject({
      code: "JOURNAL_CORRUPT",
      exit: 4,
      message: expect.stringMatching(/000001\.log' is damaged at byte \d+/),
    });
  }));
